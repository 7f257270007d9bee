"""A container image of 2 MB, made without a registry, that behaves well or badly on demand.

    PORT=5001          serve HTTP there: `/` says ok, `/cgi-bin/env` prints the environment
    READY_AFTER=n      `/cgi-bin/ready` answers 503 for the first n seconds
    EXIT_AFTER=n       end by itself after n seconds, with EXIT_CODE (default 0)
    IGNORE_TERM=1      keep serving through SIGTERM, until SIGKILL
    UNHEALTHY=1        `/` answers 404, so that an HTTP probe never succeeds
    LINES=n            print n numbered lines first, then `started`

`/cgi-bin/crash?code=3` ends PID 1 with that code.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import docker

from demo.parts import busybox

if TYPE_CHECKING:
    from pathlib import Path

NAME = "edgetender.test/probe:1"

_PROBE = """\
#!/bin/sh
n=1; while [ "$n" -le "${LINES:-0}" ]; do echo "line $n"; n=$((n + 1)); done
echo started
date +%s > /tmp/started
[ -n "$UNHEALTHY" ] && rm /www/index.html
httpd -f -p "${PORT:-5001}" -h /www &
trap 'exit "$(cat /tmp/code)"' USR1
if [ -n "$IGNORE_TERM" ]; then trap : TERM; else trap 'echo draining; exit 0' TERM; fi
if [ -n "$EXIT_AFTER" ]; then
    echo "${EXIT_CODE:-0}" > /tmp/code
    (sleep "$EXIT_AFTER"; kill -USR1 1) &
fi
while :; do wait; sleep 1 & wait $!; done
"""
_CGI = {
    "env": 'echo "Content-Type: text/plain"; echo; env',
    "crash": 'echo "${QUERY_STRING#code=}" > /tmp/code; kill -USR1 1; echo "Content-Type: text/plain"; echo',
    "ready": """\
[ $(($(date +%s) - $(cat /tmp/started))) -ge "${READY_AFTER:-0}" ] || echo "Status: 503 Not Yet"
echo "Content-Type: text/plain"; echo; echo ready""",
}


def build(socket: str, cache: Path, name: str = NAME, *, extra: dict[str, bytes] | None = None) -> str:
    """Import the image into the engine at *socket* and return its name. *extra* files make another digest."""
    files = {
        "bin/busybox": busybox.fetch(cache).read_bytes(),
        "probe": _PROBE.encode(),
        "www/index.html": b"ok\n",
    }
    files |= {f"www/cgi-bin/{cgi}": f"#!/bin/sh\n{body}\n".encode() for cgi, body in _CGI.items()}
    files |= {"etc/passwd": b"root:x:0:0:root:/:/bin/sh\n"} | (extra or {})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder, mode in (("tmp", 0o1777), ("www/cgi-bin", 0o755)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            tar.addfile(entry)
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
        for applet in ("sh", "cat", "date", "env", "httpd", "kill", "rm", "sleep", "wget", "echo", "["):
            entry = tarfile.TarInfo(f"bin/{applet}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(entry)
    repository, _, tag = name.rpartition(":")
    client = docker.APIClient(base_url=socket, timeout=60)
    try:
        client.import_image_from_data(
            archive.getvalue(),
            repository=repository,
            tag=tag,
            changes=['ENTRYPOINT ["/probe"]', "EXPOSE 5001/tcp", "ENV PATH=/bin"],
        )
    finally:
        client.close()
    return name
