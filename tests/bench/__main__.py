"""Which figures can be measured? Each bench is one file with `measure()`, named here."""

from __future__ import annotations

import argparse
from importlib import import_module

BENCHES = {
    "publish": "from publish to the first 200, against create + start + poll by hand",
    "front": "a request behind a front, against a plainly published port",
    "update_gap": "what clients notice of an update, against docker-compose and stop and start by hand",
    "idle": "memory and CPU of a daemon that has nothing to do, over five minutes",
    "outbox": "what a day of telemetry writes to the disk, and a flood of 10,000 messages a second",
    "cli": "process time of `edgetender status`, against `python -c pass`",
    "selection": "choosing one of 50 variants, and detecting the hardware",
    "packaging": "packaging a changed script, against docker build of the same context",
    "iothub": "over an IoT Hub: from a patched twin to the first 200 against MQTT, twin writes, memory",
    "iothub_fleet": "a thousand devices that come back to an IoT Hub after an outage",
    "scoring": "CPU of a scored request, against three servers, a limit in C and ONNX Runtime alone",
    "scoring.images": "the same for images, in JSON and as bytes",
    "scoring.memory": "memory of a server, and the time to its first answer",
    "scoring.liveness": "health's answer while a script computes",
}


def main() -> None:
    asked = argparse.ArgumentParser(
        prog="./run bench",
        epilog="; ".join(f"{name}: {what}" for name, what in BENCHES.items()),
    )
    asked.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = asked.parse_args().names or list(BENCHES)
    if unknown := [name for name in names if name not in BENCHES]:
        asked.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in names:
        print(f"== {name}: {BENCHES[name]}", flush=True)
        import_module(f"tests.bench.{name}").measure()


if __name__ == "__main__":
    main()
