"""How does HAProxy switch a module's traffic? Servers are added, drained and deleted while it runs.

It holds the client's side of each connection itself and only ever moves the server's: an image that closes
rudely or is killed loses no request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgetender.engine.front import directory, haproxy_config, haproxy_shadow, haproxy_stats, haproxy_times
from edgetender.engine.front.haproxy_config import CERTIFICATES, FILE, HIGHEST, SOCKET, TIMES, targets
from edgetender.engine.front.haproxy_socket import ask, hung
from edgetender.engine.front.mechanism import FrontEngine, Looked
from edgetender.errors import EngineRefused, FrontDown
from edgetender.model.front import FrontSpec, Member, Shadow
from edgetender.secret import Secret

_FIRST_FREE_PORT = 1024
_SHOW = "show stat -1 4 -1"  # of all proxies, servers only
# a server added without them opens one connection per request
_POOL = "pool-max-conn -1 pool-purge-delay 5s"


class Proxy:
    """For the front whose directory is given with each call; keeps nothing between calls."""

    def body(self, spec: FrontSpec) -> dict[str, Any]:
        """What the engine is told beside what all fronts have. No right but that to a low port."""
        low = any(port.host < _FIRST_FREE_PORT for port in spec.ports)
        # rights reach only root here; who is not the directory's owner then needs one more to use it
        owner = f"{os.getuid()}:{os.getgid()}"
        rights = ["NET_BIND_SERVICE"] if low else []
        rights += ["DAC_OVERRIDE"] if low and os.getuid() else []
        return {
            "Cmd": ["haproxy", "-db", "-f", f"{haproxy_config.INSIDE}/{FILE}"],
            "User": "0:0" if low else owner,
            "StopSignal": "SIGUSR1",  # it ends what it is at; SIGTERM it does not hear as a first process
            "HostConfig": {"NetworkMode": "host", "CapAdd": rights},
        }

    def write(self, home: Path, spec: FrontSpec, member: Member | None) -> None:
        """What a start of the front will do."""
        directory.write(home / haproxy_shadow.FILE, haproxy_shadow.SCRIPT.read_text())
        directory.write(home / FILE, haproxy_config.config(spec, member))

    def look(self, home: Path, _run: str, _engine: FrontEngine) -> Looked:
        try:
            text = directory.read(home / FILE)
            stat = ask(home / SOCKET, _SHOW)
            shadowed = haproxy_shadow.figures(ask(home / SOCKET, haproxy_shadow.SHOW))
            events = ask(home / SOCKET, f"show events {TIMES}")
        except FrontDown as error:
            return Looked(answers=False, hangs=hung(error))
        written, shown = haproxy_config.member_in(text), haproxy_config.certificates_in(text)
        servers = haproxy_times.timed(haproxy_stats.servers(stat), events)
        backends = haproxy_config.backends_in(text)
        sole = written is not None and haproxy_stats.complete(stat, written.container, backends)
        moved = any(
            written and written.container == s.container and written.address != s.address for s in servers
        )
        return Looked(
            target=written if sole and not moved else None,
            servers=servers,
            shadowed=shadowed,
            certificates=shown,
        )

    def point(self, home: Path, spec: FrontSpec, member: Member, _engine: FrontEngine) -> None:
        """Let *member* be the first that is ready on every port. Then write it down.

        Who was before it stays ready, behind it: what fails with *member* is asked of it again.
        """
        server, ports = member.container, targets(spec)
        stat = ask(home / SOCKET, _SHOW)
        if any(s.container == server and s.address != member.address for s in haproxy_stats.servers(stat)):
            self.forget(home, server, _engine)
            stat = ask(home / SOCKET, _SHOW)
        known = haproxy_stats.numbers(stat)
        number = known.get(server, min(known.values(), default=HIGHEST + 1) - 1)
        there = haproxy_stats.backends_of(stat, server)
        for name, port in ports.items():
            if name in there:
                continue
            words = f"{name}/{server} {member.address}:{port.container} id {number}"
            added = ask(home / SOCKET, f"add server {words}{f' {_POOL}' if port.http else ''}")
            _refused(added, "New server registered.")
        before = [other for other, its in known.items() if its < number]
        switch = [f"set server {name}/{server} state ready" for name in ports]
        switch += [f"set server {name}/{other} state drain" for name in ports for other in before]
        _refused(ask(home / SOCKET, *switch), "No such server.")
        ask(home / SOCKET, haproxy_shadow.STOP)
        self.write(home, spec, member)

    def compare(self, home: Path, member: Member, wanted: Shadow) -> None:
        """Have the script in HAProxy ask *member* too."""
        said = ask(home / SOCKET, haproxy_shadow.start(member, wanted))
        if "shadow started" not in said:
            raise EngineRefused(
                f"cannot copy requests to {member.address}: the front of {home.name} is older than that; restart it"
            )

    def renew(self, home: Path, certificates: Mapping[str, Secret]) -> None:
        """Each in one transaction of HAProxy's, which checks it again."""
        for name, pem in certificates.items():
            file = f"{CERTIFICATES}/{name}"
            ask(home / SOCKET, f"set ssl cert {file} <<\n{pem.reveal()}")
            said = ask(home / SOCKET, f"commit ssl cert {file}")
            if "Success" not in said:
                ask(home / SOCKET, f"abort ssl cert {file}")
                raise EngineRefused(
                    f"cannot renew the certificate of {home.name}: HAProxy said {said.strip()[:200]!r}"
                )

    def forget(self, home: Path, container: str, _engine: FrontEngine) -> None:
        """Close what is idle and delete the server; one that still has requests stays, in maintenance."""
        compared = haproxy_shadow.figures(ask(home / SOCKET, haproxy_shadow.SHOW))
        if compared is not None and compared.container == container:
            ask(home / SOCKET, haproxy_shadow.STOP)
        stat = ask(home / SOCKET, _SHOW)
        for name in haproxy_stats.backends_of(stat, container):
            said = ask(
                home / SOCKET, f"set server {name}/{container} state maint", f"del server {name}/{container}"
            )
            _refused(said, "Server deleted.", "No such server.", "Server still has connections")


def _refused(said: str, *fine: str) -> None:
    """Raise for any line of an answer that is none of those expected."""
    for line in said.splitlines():
        if line.strip() and not line.startswith(fine):
            raise EngineRefused(f"cannot switch: HAProxy said {line.strip()[:200]!r}")
