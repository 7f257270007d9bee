"""Servers that behave in the ways servers do when they are told to end, as one image that needs no registry.

`KIND` says which: `graceful` answers what it has taken and closes, `rude` closes idle connections at once,
`exits` is gone in the middle of everything. `WORK_MS` is how long an answer takes, `ID` what it says.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import docker

NAME = "edgetender.test/backends:1"

_SERVER = """\
import asyncio, os, signal, time
KIND, WORK_S, ID = os.environ.get("KIND", "graceful"), float(os.environ.get("WORK_MS", "2")) / 1e3, os.environ["ID"]
ready_at = time.monotonic() + float(os.environ.get("READY_AFTER", "0"))
ending = asyncio.Event()
open_ones = {}

async def serve(reader, writer):
    open_ones[writer] = "idle"
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            open_ones[writer] = "busy"
            lines = head.decode().lower().split("\\r\\n")
            size = next((int(l.split(":")[1]) for l in lines if l.startswith("content-length:")), 0)
            if size:
                await reader.readexactly(size)
            await asyncio.sleep(WORK_S)
            close = "connection: close" in lines or (ending.is_set() and KIND == "graceful")
            status = "200 OK" if time.monotonic() >= ready_at else "503 Not Yet"
            body = ID.encode()
            kind = "application/json" if body[:1] in b"[{" else "text/plain"
            writer.write((f"HTTP/1.1 {status}\\r\\nContent-Length: {len(body)}\\r\\nContent-Type: {kind}\\r\\n"
                          f"Connection: {'close' if close else 'keep-alive'}\\r\\n\\r\\n").encode() + body)
            await writer.drain()
            open_ones[writer] = "idle"
            if close:
                break
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        open_ones.pop(writer, None)
        writer.close()

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
    server = await asyncio.start_server(serve, "0.0.0.0", 5001, backlog=512)
    print("started", flush=True)
    await ending.wait()
    if KIND == "exits":
        os._exit(0)
    if KIND == "rude":
        server.close()
        for writer in list(open_ones):
            writer.close()
        await asyncio.sleep(0.05)
        return
    until = time.monotonic() + 3
    quiet = 0
    while time.monotonic() < until and quiet < 5:
        await asyncio.sleep(0.05)
        quiet = quiet + 1 if not open_ones else 0
    server.close()

asyncio.run(main())
"""


def build(socket: str, base: Path, name: str = NAME) -> str:
    """Import the image into the engine at *socket*, on the demo's *base* (Debian with Python)."""
    client = docker.APIClient(base_url=socket, timeout=120)
    with contextlib.closing(client):
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.inspect_image(name)
            return name
        program = io.BytesIO()
        with tarfile.open(fileobj=program, mode="w") as tar:
            entry = tarfile.TarInfo("server.py")
            entry.size = len(_SERVER)
            tar.addfile(entry, io.BytesIO(_SERVER.encode()))
        repository, _, tag = name.rpartition(":")
        client.import_image_from_file(str(base), repository=f"{repository}-base", tag=tag)
        made = client.create_container(f"{repository}-base:{tag}", "true")
        client.put_archive(made["Id"], "/", program.getvalue())
        changes = 'ENTRYPOINT ["python3", "/server.py"]'
        client.commit(made["Id"], repository=repository, tag=tag, changes=changes)
        client.remove_container(made["Id"])
    return name
