"""How does HAProxy ask a candidate what it would have answered? Pure: configuration, commands, and figures read.

The script beside this file copies live requests. It costs a request one look at a variable while nothing is
compared, and it is told over the admin socket what to do: what it was told is lost with HAProxy's process.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgetender.model.front import FrontPort, Member, Shadow, Shadowed

FILE = "shadow.lua"
SCRIPT = Path(__file__).with_name(FILE)
SHOW, STOP = "show shadow", "shadow stop"
COPIES = "copies"  # where copies pass: it bounds what a candidate can make HAProxy hold
LARGEST = 12_000  # bytes of a body, in the script too

_ON, _CHOSEN = "{ var(proc.shadow) -m bool }", "{ var(txn.shadow) -m bool }"
_SMALL = f"{{ res.hdr(content-length) -m int le {LARGEST} }}"
_FIGURES = re.compile(
    r"^shadow ([0-9a-f]+) (\S+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) ?(.*)$", re.MULTILINE
)
_MICRO = 1e6


def look(port: FrontPort) -> str:
    """A frontend's lines: a request is kept until its answer is known, and both then wait for their turn."""
    return (
        f"  http-request lua.shadow_choose if {_ON}\n"
        f"  http-request set-var(txn.shadow_port) int({port.container}) if {_CHOSEN}\n"
        f"  http-request wait-for-body time 1s if {_CHOSEN}\n"
        f"  http-request lua.shadow_keep if {_CHOSEN}\n"
        # an answer that said how long it is comes at once; any other is passed on as it comes, and not compared
        f"  http-response wait-for-body time 50ms if {_CHOSEN} {_SMALL}\n"
        f"  http-response lua.shadow_send if {_CHOSEN} {_SMALL}\n"
    )


def passage(inside: str) -> str:
    """The section that copies pass through."""
    return (
        f"listen {COPIES}\n  mode http\n  bind unix@{inside}/copies.sock mode 600\n"
        "  timeout server 10s\n  retries 0\n"
        "  http-request set-dst hdr(x-edgetender-shadow),field(1,:)\n"
        "  http-request set-dst-port hdr(x-edgetender-shadow),field(2,:)\n"
        f"  http-response deny deny_status 502 unless {_SMALL}\n"
        "  server copy 0.0.0.0:0\n"
    )


def start(member: Member, wanted: Shadow) -> str:
    """The command that has copies sent to *member*; said again it changes nothing."""
    return f"shadow start {member.container} {member.address} {wanted.tolerance} {' '.join(wanted.paths)}"


def figures(said: str) -> Shadowed | None:
    """What `show shadow` says; None while nothing is compared, or nobody can."""
    found = _FIGURES.search(said)
    if found is None:
        return None
    container, _, *counts, why = found.groups()
    since_us, compared, disagreed, failed, dropped, live_us, copy_us = map(int, counts)
    return Shadowed(
        container=container,
        since_s=since_us / _MICRO,
        compared=compared,
        disagreed=disagreed + failed,
        dropped=dropped,
        live_p95_ms=live_us / 1e3,
        copy_p95_ms=copy_us / 1e3,
        why=why,
    )
