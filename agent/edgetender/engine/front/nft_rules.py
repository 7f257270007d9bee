"""What does nft read, at the front's start and at each switch? Pure: a front and a container become rules, and back.

`nft -f` applies the whole file as one transaction, so there is no moment without a rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgetender.model.front import FrontSpec, Member

FILE = "rules.nft"
_TABLE = """\
table ip front {
  chain pre {
    type nat hook prerouting priority -110;
  }
  chain post {
    type nat hook postrouting priority 90;
  }
}
flush chain ip front pre
flush chain ip front post
add rule ip front post oifname "eth0" masquerade
"""
_SERVES = re.compile(r"^# serves ([0-9a-f]+) (\S+)$", re.MULTILINE)
_DRAINS = re.compile(r"^# drains ([0-9a-f]+) (\S+) (\S+)$", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,15}(\.\d*)?", re.ASCII)
_LISTED = re.compile(r"dnat to ([0-9.]+):\d+")


@dataclass(frozen=True, slots=True)
class Drained:
    """A container that received requests until *since* (seconds since the boot: a clock that is set counts nothing)."""

    member: Member
    since: float


def rules(spec: FrontSpec, member: Member | None, drained: tuple[Drained, ...] = ()) -> str:
    """The whole file. Without *member* connections are refused."""
    text = f"# serves {member.container} {member.address}\n" if member else ""
    text += "".join(f"# drains {d.member.container} {d.member.address} {d.since:.3f}\n" for d in drained)
    text += _TABLE
    if member is not None:
        for port, protocol in dict.fromkeys((port.container, port.protocol) for port in spec.ports):
            text += f"add rule ip front pre {protocol} dport {port} dnat to {member.address}:{port}\n"
    return text


def member_in(text: str) -> Member | None:
    found = _SERVES.search(text)
    return Member(found[1], found[2]) if found else None


def drained_in(text: str) -> tuple[Drained, ...]:
    """Of a damaged line that names its container the moment is the boot's."""
    return tuple(Drained(Member(one[1], one[2]), _moment(one[3])) for one in _DRAINS.finditer(text))


def _moment(text: str) -> float:
    return float(text) if _NUMBER.fullmatch(text) else 0.0


def address_in(listed: str) -> str | None:
    """The address that `nft list table ip front` translates to; None if it is none, or several."""
    found = set(_LISTED.findall(listed))
    return found.pop() if len(found) == 1 else None
