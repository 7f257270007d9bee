"""When a hub comes back, how does a fleet? A thousand devices with the transport's own back-off, on a local hub.

They are simulated on one loop, without the SDK (it has seven threads a device): connect, subscribe, read the twin.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import struct
import tempfile
import time
from collections import Counter
from pathlib import Path

from edgetender.fleet.hub import packets, topics
from edgetender.fleet.hub.access import resource_of, signature
from edgetender.fleet.hub.hub import PORT
from edgetender.transports.keeper import ceiling_s
from tests.services.hub import TestHub
from tests.services.hub_device import prefixed

DEVICES = int(os.environ.get("EDGETENDER_BENCH_DEVICES", "1000"))
OUTAGE_S = 30.0
CAP_S = 120.0


class Device:
    """Comes back as `transports.keeper` does: full jitter, doubled each time, at most CAP_S."""

    def __init__(self, hub: TestHub, context: ssl.SSLContext, name: str, key: str) -> None:
        self._hub, self._context, self._name, self._key = hub, context, name, key
        self.up = asyncio.Event()
        self.attempts: list[float] = []

    async def live(self) -> None:
        failures = 0
        while True:
            try:
                await self._session()
                failures = 0
            except (OSError, asyncio.IncompleteReadError, ConnectionError):
                failures += 1
            self.up.clear()
            await asyncio.sleep(random.uniform(0.0, ceiling_s(max(1, failures), CAP_S)))

    async def _session(self) -> None:
        self.attempts.append(time.monotonic())
        reader, writer = await asyncio.open_connection(
            self._hub.address, PORT, ssl=self._context, server_hostname=self._hub.address
        )
        try:
            user = f"{self._hub.address}/{self._name}/?api-version=2019-10-01&DeviceClientType=bench"
            token = signature(self._key, resource_of(self._hub.address, self._name), int(time.time()) + 3600)
            body = prefixed("MQTT") + struct.pack(">BBH", 4, 0xC0, 1000) + prefixed(self._name)
            writer.write(packets.framed(0x10, body + prefixed(user) + prefixed(token)))
            if (await reader.readexactly(4))[3] != packets.ACCEPTED:
                raise ConnectionError(self._name)
            filters = b"".join(prefixed(name) + b"\1" for name in (topics.TWIN_RESPONSES, topics.DESIRED))
            writer.write(packets.framed(0x82, struct.pack(">H", 1) + filters))
            await reader.readexactly(6)
            writer.write(packets.framed(0x30, prefixed("$iothub/twin/GET/?$rid=1") + b" "))
            await reader.readexactly(1)
            self.up.set()
            while await reader.read(4096):
                pass
        finally:
            writer.close()


def measure() -> None:
    with tempfile.TemporaryDirectory() as home, TestHub(Path(home)) as hub:
        asyncio.run(_fleet(hub))


async def _fleet(hub: TestHub) -> None:
    context = ssl.create_default_context(cafile=str(hub.ca))
    devices = [
        Device(hub, context, name, hub.register(name).keys[0])
        for name in (f"cam{number:04}" for number in range(DEVICES))
    ]
    lives = [asyncio.create_task(device.live()) for device in devices]
    await asyncio.gather(*(device.up.wait() for device in devices))
    print(f"   {DEVICES} devices are connected", flush=True)
    await asyncio.to_thread(hub.go_away)
    await asyncio.sleep(OUTAGE_S)
    await asyncio.to_thread(hub.come_back)
    back = time.monotonic()
    when: list[float] = []

    async def watched(device: Device) -> None:
        await device.up.wait()
        when.append(time.monotonic() - back)

    await asyncio.gather(*(watched(device) for device in devices))
    rates = Counter(int(at - back) for device in devices for at in device.attempts if at >= back)
    when.sort()
    share = [f"{part:.0%} after {when[int(part * (DEVICES - 1))]:.1f} s" for part in (0.5, 0.9, 1.0)]
    print(f"   after an outage of {OUTAGE_S:g} s: {', '.join(share)}")
    print(f"   at most {max(rates.values())} attempts in one second; the hub takes 100")
    for life in lives:
        life.cancel()
    await asyncio.gather(*lives, return_exceptions=True)
