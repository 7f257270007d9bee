"""How does a front without a proxy switch traffic? It translates addresses inside its own network namespace.

A connection stays with the container it began at: the kernel tracks it. So nothing is lost where an image
answers what it has taken before it ends, and nothing of the host's own packet filter is touched.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgetender.clock import Clock, SystemClock
from edgetender.engine.front import directory, nft_rules
from edgetender.engine.front.haproxy_config import INSIDE
from edgetender.engine.front.mechanism import FrontEngine, Looked
from edgetender.engine.front.nft_rules import FILE, Drained
from edgetender.errors import AgentError, EngineRefused
from edgetender.model.front import FrontServer, FrontSpec, Member, Shadow
from edgetender.secret import Secret

_ESTABLISHED, _CLOSE_WAIT = "01", "08"
_LOOK_AGAIN_S = 60.0


class Nat:
    """For the front whose directory is given with each call. Remembers only which rules it has verified."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._verified: dict[Path, tuple[str, str, float]] = {}  # run of the front, file, when

    def body(self, spec: FrontSpec) -> dict[str, Any]:
        ports = {f"{port.container}/{port.protocol}" for port in spec.ports}
        bindings: dict[str, list[dict[str, str]]] = {port: [] for port in sorted(ports)}
        for port in spec.ports:
            where = {"HostIp": port.address, "HostPort": str(port.host)}
            bindings[f"{port.container}/{port.protocol}"].append(where)
        return {
            "Cmd": ["/translate"],
            "User": "0:0",
            "ExposedPorts": {port: {} for port in bindings},
            "HostConfig": {
                "PortBindings": bindings,
                "CapAdd": ["NET_ADMIN", *(["DAC_READ_SEARCH"] if os.getuid() else [])],
                "Sysctls": {"net.ipv4.ip_forward": "1"},
            },
        }

    def write(self, home: Path, spec: FrontSpec, member: Member | None) -> None:
        drained = nft_rules.drained_in(directory.read(home / FILE))
        directory.write(home / FILE, nft_rules.rules(spec, member, drained))

    def look(self, home: Path, run: str, engine: FrontEngine) -> Looked:
        try:
            text = directory.read(home / FILE)
            member = nft_rules.member_in(text)
            loaded = self._loaded(home, run, text, engine)
        except AgentError:
            return Looked(answers=False)
        target = member if member is not None and loaded == member.address else None
        now = self._clock.monotonic()
        servers = [
            FrontServer(
                one.member.container,
                one.member.address,
                receives=loaded == one.member.address,
                connections=connections(engine.pid(one.member.container)),
                since_s=now - one.since if now >= one.since else now,  # of another boot: at least this one
            )
            for one in nft_rules.drained_in(text)
            if member is None or one.member.container != member.container
        ]
        if member is not None:
            held = connections(engine.pid(member.container))
            receives = loaded == member.address
            servers.append(FrontServer(member.container, member.address, receives=receives, connections=held))
        return Looked(target=target, servers=tuple(servers))

    def renew(self, home: Path, _certificates: Mapping[str, Secret]) -> None:
        raise EngineRefused(
            f"cannot speak TLS in the front of {home.name}: it passes on what it does not read"
        )

    def point(self, home: Path, spec: FrontSpec, member: Member, engine: FrontEngine) -> None:
        """Write the rules with the new address, then have them loaded, all in one transaction."""
        text = directory.read(home / FILE)
        before, drained = nft_rules.member_in(text), nft_rules.drained_in(text)
        if before is not None and before.container != member.container:
            drained = (*drained, Drained(before, self._clock.monotonic()))
        kept = {one.member.container: one for one in drained if one.member.container != member.container}
        directory.write(home / FILE, nft_rules.rules(spec, member, tuple(kept.values())))
        self._verified.pop(home, None)
        engine.execute(["nft", "-f", f"{INSIDE}/{FILE}"])

    def compare(self, home: Path, member: Member, _wanted: Shadow) -> None:
        raise EngineRefused(
            f"cannot copy requests to {member.address}: {home.name}'s front translates addresses only"
        )

    def forget(self, home: Path, container: str, _engine: FrontEngine) -> None:
        """What it still holds ends with the container; no rule names it any more."""
        path = home / FILE
        lines = directory.read(path).splitlines(keepends=True)
        directory.write(
            path, "".join(line for line in lines if not line.startswith(f"# drains {container} "))
        )

    def _loaded(self, home: Path, run: str, text: str, engine: FrontEngine) -> str | None:
        """The address the kernel translates to; asked again for each run, each file, and now and then."""
        rules = text[text.find("table") :]
        known = self._verified.get(home)
        member, now = nft_rules.member_in(text), self._clock.monotonic()
        if member and known and known[:2] == (run, rules) and now - known[2] < _LOOK_AGAIN_S:
            return member.address
        address = nft_rules.address_in(engine.execute(["nft", "list", "table", "ip", "front"]))
        if member is not None and address == member.address:
            self._verified[home] = (run, rules, now)
        return address


def connections(pid: int) -> int:
    """How many TCP connections a process's network namespace has from outside; 0 when it is gone."""
    count = 0
    for name in ("tcp", "tcp6") if pid else ():
        try:
            rows = Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
        except OSError:
            return 0
        listening = {row.split()[1].rpartition(":")[2] for row in rows if row.split()[3] == "0A"}
        for row in rows:
            _, local, _, state, *_ = row.split()
            if state in (_ESTABLISHED, _CLOSE_WAIT) and local.rpartition(":")[2] in listening:
                count += 1
    return count
