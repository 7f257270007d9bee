"""What does HAProxy read at its start? Pure: a front and the container it serves become text, and back.

The file speaks for the front's own restart: what is told to a running HAProxy is lost with its process.
"""

from __future__ import annotations

import re

from edgetender.engine.front import haproxy_shadow
from edgetender.model.front import IDEMPOTENT, FrontPort, FrontSpec, Member

FILE, SOCKET = "haproxy.cfg", "admin.sock"
NAMED_BY = 12  # the first characters of a container's id are enough, as they are for people
INSIDE = "/run/front"  # where the front's directory is mounted
CERTIFICATES = "/run/tls"  # where what clients are shown is mounted, from memory

# who answered, and in how many ms; the newest few thousand are kept, and `show events` reads them
TIMES = "times"
_TIME = f'"%[srv_name,bytes(0,{NAMED_BY})] %Tr"'

# Of the servers that are ready the one with the lowest number receives (`balance first`). A request that failed
# with it goes to the next, at once: so a predecessor saves what a dying successor would lose. Each new one gets a
# lower number than those before it; a front that starts anew begins here again.
HIGHEST = 1_000_000

# The socket's mode: its directory lets in nobody but the agent, who need not be the one that HAProxy runs as.
# noreuseport: or two fronts could hold one port, and the kernel would deal connections to both.
# Each retry asks who receives by then: while a container is down, requests wait for the agent to point elsewhere.
# Timeouts: a connect is to a machine's own bridge; a model may think for minutes, an idle client may not stay.
_HEAD = f"""\
global
  stats socket {INSIDE}/{SOCKET} mode 666 level admin
  nbthread 1
  maxconn 4000
  hard-stop-after 1s
  noreuseport
  lua-load {INSIDE}/{haproxy_shadow.FILE}
ring {TIMES}
  format raw
  maxlen 64
  size 131072
defaults
  timeout connect 1s
  timeout client 1m
  timeout server 10m
  timeout tunnel 1h
  timeout http-keep-alive 1m
  timeout http-request 30s
  timeout queue 10s
  option redispatch 1
  option clitcpka
  option srvtcpka
  retries 4
  no log
{haproxy_shadow.passage(INSIDE)}"""
_TLS = "ssl-min-ver TLSv1.2 ciphers ECDHE+AESGCM:ECDHE+CHACHA20 no-tls-tickets"  # the ciphers are 1.2's
_ONCE = "  http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }\n"
_CERTIFICATE = re.compile(rf" ssl crt {CERTIFICATES}/(\S+) ")
_BACKEND = re.compile(r"^backend (\S+)$", re.MULTILINE)
_SERVER = re.compile(r"^  server ([0-9a-f]+) (\S+):\d+ id \d+$", re.MULTILINE)


def backend(port: FrontPort) -> str:
    """The backend of a container port: another name than a frontend's, or `show stat` cannot tell them apart."""
    return f"to{port.container}"


def targets(spec: FrontSpec) -> dict[str, FrontPort]:
    """The backends by name: two host ports of one container port share theirs."""
    return {backend(port): port for port in spec.ports}


def config(spec: FrontSpec, member: Member | None) -> str:
    """The whole file. Without *member* every request is answered by 503."""
    text = _HEAD
    for number, port in enumerate(spec.ports):
        text += f"frontend on{number}\n  mode {_mode(port)}\n  bind {_bind(port)}\n"
        if port.http:
            text += f"  option forwardfor\n  log ring@{TIMES} format raw local0\n  log-format {_TIME}\n"
            text += haproxy_shadow.look(port)
            text += "  http-request set-header X-Forwarded-Proto https\n" if port.certificate else ""
            text += _ONCE if port.retry == IDEMPOTENT else ""
        text += f"  default_backend {backend(port)}\n"
    for name, port in targets(spec).items():
        text += f"backend {name}\n  mode {_mode(port)}\n  balance first\n"
        if port.http:
            # who closes or dies before the first byte of an answer has its request asked again of another:
            # scoring may be repeated, and a client that gets nothing would do the same. HAProxy can do so only
            # with a request it had whole before it passed on any of it (some clients send head and body apart)
            text += (
                "  option http-buffer-request\n  http-reuse safe\n  retry-on conn-failure empty-response\n"
            )
        if member is not None:
            text += f"  server {member.container} {member.address}:{port.container} id {HIGHEST}\n"
    return text


def member_in(text: str) -> Member | None:
    """The container that a file of ours serves."""
    found = _SERVER.search(text)
    return Member(found[1], found[2]) if found else None


def backends_in(text: str) -> tuple[str, ...]:
    """The backends that a file of ours names."""
    return tuple(_BACKEND.findall(text))


def certificates_in(text: str) -> tuple[str, ...]:
    """The credentials whose certificates a front of this file shows."""
    return tuple(sorted(set(_CERTIFICATE.findall(text))))


def _mode(port: FrontPort) -> str:
    return "http" if port.http else "tcp"


def _bind(port: FrontPort) -> str:
    where = f"[{port.address}]:{port.host}" if ":" in port.address else f"{port.address}:{port.host}"
    if not port.certificate:
        return where
    alpn = " alpn http/1.1" if port.http else ""
    return f"{where} ssl crt {CERTIFICATES}/{port.certificate} {_TLS}{alpn}"
