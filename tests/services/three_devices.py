"""Three devices that have said at a broker how they are: `python -m tests.services.three_devices HOST CERTIFICATE KEY`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from paho.mqtt import publish

from edgetender.clock import rfc3339


def _said(
    name: str, state: str, since: timedelta, health: str, desired: int, accepted: int, ocr: str
) -> list[dict[str, object]]:
    status = {"state": state, "session": "1", "agent": "0.1.0", "ts": rfc3339(datetime.now(UTC) - since)}
    reported = {
        "device": name, "agent": "0.1.0", "health": health, "lastDesiredVersion": desired,
        "lastDesiredStatus": {"code": 200 if desired == accepted else 406, "description": "", "problems": []},
        "accepted": {"version": accepted},
        "modules": {"ocr": {"state": ocr, "ready": ocr == "running"}, "scorer": {"state": "running", "ready": True}},
    }  # fmt: skip
    return [
        {"topic": f"edgetender/v1/{name}/{kind}", "payload": json.dumps(document), "retain": True, "qos": 1}
        for kind, document in (("status", status), ("reported", reported))
    ]


def main(host: str, certificate: str, key: str) -> None:
    messages = [
        *_said("cam7", "online", timedelta(days=6, hours=4, minutes=30), "degraded", 15, 14, "pulling"),
        *_said("cam8", "offline", timedelta(hours=2, minutes=5, seconds=10), "healthy", 14, 14, "running"),
        *_said("cam9", "online", timedelta(hours=1, minutes=20, seconds=10), "healthy", 15, 15, "running"),
    ]
    tls = {"ca_certs": "/etc/ssl/certs/ca-certificates.crt", "certfile": certificate, "keyfile": key}
    publish.multiple(messages, hostname=host, port=8883, tls=tls)


if __name__ == "__main__":
    main(*sys.argv[1:])
