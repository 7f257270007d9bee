"""What does the outbox cost? Bytes at the block device over a day, in compressed time; and a flood for a minute."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgetender.model.upstream import StreamPolicy
from edgetender.store.outbox import SqliteOutbox
from tests.fakes.clock import FakeClock

HOURS = float(os.environ.get("EDGETENDER_BENCH_HOURS", "4"))
FLOOD_S = float(os.environ.get("EDGETENDER_BENCH_FLOOD_S", "60"))
BODY = b"x" * 300  # of the flood
_SECTOR = 512
_PER_SECOND = 10_000


def measure() -> None:
    for title, run in CASES.items():
        with _disk() as (folder, written):
            run(folder)
            before = 0
            os.sync()
            total = written() - before
            print(f"   {title:<48} {total * 24 / HOURS / 1e6:8.1f} MB/day")
    _flood()


def _figures(second: int) -> bytes:
    """Some 300 B as a module's figures are: the same keys, other values each time."""
    rng = random.Random(second)
    document = {
        "at": f"2026-11-24T12:{second // 60 % 60:02}:{second % 60:02}.{rng.randrange(10**6):06}Z",
        "module": "defect-detector",
        "variant": "tensorrt",
        "camera": "line3-cam7",
        "requests": rng.randrange(500),
        "errors": 0,
        "p50_ms": round(rng.uniform(8, 20), 3),
        "p95_ms": round(rng.uniform(20, 60), 3),
        "scores": [round(rng.random(), 4) for _ in range(13)],
        "temperature_c": round(rng.uniform(40, 70), 1),
        "label": rng.choice(["ok", "scratch", "dent"]),
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _noise(second: int) -> bytes:
    """300 B that cannot be made fewer."""
    return random.Random(second).randbytes(300)


def _day(
    folder: Path,
    *,
    online: bool,
    durable: bool = False,
    every_s: float = 1.0,
    body: Callable[[int], bytes] = _figures,
) -> None:
    """*HOURS* at a message each *every_s*; the uplink looks every five seconds, as the real one."""
    clock = FakeClock()
    outbox = SqliteOutbox(folder / "queue.db", clock=clock, policies=lambda _: StreamPolicy(durable=durable))
    for second in range(int(HOURS * 3600)):
        if every_s and second % every_s == 0:
            outbox.append("telemetry/device", body(second), clock.now())
        if online:
            for message in outbox.head():
                outbox.sent(message)
        elif second % 5 == 0:
            outbox.flush_due()
        clock.advance(1)
    outbox.close()


CASES: dict[str, Callable[[Path], None]] = {
    "idle": lambda folder: _day(folder, online=True, every_s=0),
    "1 standard message/s of 300 B, link up": lambda folder: _day(folder, online=True),
    "1 standard message/s of 300 B, link down": lambda folder: _day(folder, online=False),
    "1 standard message/s of 300 random B, link down": lambda folder: _day(folder, online=False, body=_noise),
    "1 standard message/min of 300 B, link down": lambda folder: _day(folder, online=False, every_s=60),
    "1 durable message/s of 300 B, link down": lambda folder: _day(folder, online=False, durable=True),
}


def _flood() -> None:
    """Standard messages at 10,000/s while another thread does what the control loop does with the outbox."""
    with tempfile.TemporaryDirectory() as folder:
        outbox = SqliteOutbox(Path(folder) / "queue.db", max_bytes=256 * 1024 * 1024)
        ended, took = threading.Event(), []

        def loop() -> None:
            number = 0
            while not ended.wait(0.05):
                began = time.monotonic()
                number += 1
                outbox.put_state("reported", b"%d" % number)
                outbox.append("event/module.state", b"{}", outbox._clock.now())
                outbox.figures()
                took.append(time.monotonic() - began)

        control = threading.Thread(target=loop)
        control.start()
        began = time.monotonic()
        sent = 0
        while (passed := time.monotonic() - began) < FLOOD_S:
            for _ in range(max(0, int(passed * _PER_SECOND) - sent)):
                outbox.append("telemetry/flood", BODY, outbox._clock.now())
                sent += 1
            ended.wait(0.005)
        ended.set()
        control.join()
        figures = outbox.figures()
        outbox.close()
    took.sort()
    balanced = figures.accepted == figures.delivered + figures.queued + figures.dropped
    print(
        f"   flood: {sent / FLOOD_S:.0f} messages/s taken of {_PER_SECOND}, {figures.dropped} dropped, ",
        end="",
    )
    print(f"counted {'exactly' if balanced and figures.accepted == sent + len(took) else 'WRONGLY'}")
    print(f"   control loop meanwhile: p50 {took[len(took) // 2] * 1000:.1f} ms, ", end="")
    print(f"p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms, most {took[-1] * 1000:.1f} ms")
    print(f"   RSS at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f} MiB")


@contextmanager
def _disk() -> Iterator[tuple[Path, Callable[[], int]]]:
    """A small ext4 on a loop device of its own, and how many bytes were written to the device since it was mounted."""
    with tempfile.TemporaryDirectory() as folder:
        image, mount = Path(folder) / "image", Path(folder) / "mount"
        mount.mkdir()
        with image.open("wb") as file:
            file.truncate(512 * 1024 * 1024)
        _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        device = _run("losetup", "--find", "--show", "--direct-io=on", str(image)).strip()
        try:
            _run("mount", "-o", "noatime", device, str(mount))
            try:
                os.sync()
                statistics = Path("/sys/block") / Path(device).name / "stat"
                start = _written(statistics)
                yield mount, lambda: _written(statistics) - start
            finally:
                _run("umount", str(mount))
        finally:
            _run("losetup", "--detach", device)


def _written(statistics: Path) -> int:
    return int(statistics.read_text().split()[6]) * _SECTOR


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
