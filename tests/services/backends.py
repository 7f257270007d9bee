"""Servers that behave in the ways servers do when they are told to end, as one image that needs no registry.

`KIND` says which: `graceful` answers what it has taken and closes, `rude` closes idle connections at once,
`exits` is gone in the middle of everything; `uvicorn`, `gunicorn` and `http.server` are those servers as they
come, with an application that does the same. `WORK_MS` is how long an answer takes, `ID` what it says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tarfile
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import docker

NAME = "edgetender.test/backends:1"

POPULAR = {
    "uvicorn": ("uvicorn", "h11", "click", "typing_extensions"),
    "gunicorn": ("gunicorn", "packaging"),
    "http.server": (),
}

_APPLICATION = """\
import asyncio, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
WORK_S, BODY = float(os.environ.get("WORK_MS", "2")) / 1e3, os.environ["ID"].encode()
time.sleep(float(os.environ.get("READY_AFTER", "0")))

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(WORK_S)
    head = [(b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": BODY})

def wsgi(environ, start):
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    time.sleep(WORK_S)
    start("200 OK", [("Content-Length", str(len(BODY)))])
    return [BODY]

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(WORK_S)
        self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(BODY), BODY))
    do_GET = do_POST
    def log_message(self, *_):
        pass

if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 5001), Handler).serve_forever()
"""
_SERVER = """\
import asyncio, os, signal, time
COMMANDS = {
    "uvicorn": "-m uvicorn --app-dir / --host 0.0.0.0 --port 5001 --log-level warning application:asgi",
    "gunicorn": "-m gunicorn --chdir / --bind 0.0.0.0:5001 --worker-class gthread --threads 8 application:wsgi",
    "http.server": "/application.py",
}
if command := COMMANDS.get(os.environ.get("KIND", "")):
    os.execve("/usr/bin/python3", ["python3", *command.split()], os.environ | {"PYTHONPATH": "/packages"})
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


def build(socket: str, base: Path, name: str = NAME, *, packages: Path | None = None) -> str:
    """Import the image into the engine at *socket*, on the demo's *base* (Debian with Python).

    What servers need is looked for here, and in the folder *packages*.
    """
    client = docker.APIClient(base_url=socket, timeout=120)
    with contextlib.closing(client):
        with contextlib.suppress(docker.errors.ImageNotFound):
            client.inspect_image(name)
            return name
        program = io.BytesIO()
        with tarfile.open(fileobj=program, mode="w") as tar:
            for file, text in (("server.py", _SERVER), ("application.py", _APPLICATION)):
                entry = tarfile.TarInfo(file)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text.encode()))
            wanted = (package for kind in popular(packages) for package in POPULAR[kind])
            for package in dict.fromkeys(wanted):
                found = _spec(package, packages)
                assert found is not None
                assert found.origin is not None
                origin = Path(found.origin)
                place = origin.parent if found.submodule_search_locations else origin
                tar.add(place, f"packages/{place.name}", filter=_without_bytecode)
        repository, _, tag = name.rpartition(":")
        client.import_image_from_file(str(base), repository=f"{repository}-base", tag=tag)
        made = client.create_container(f"{repository}-base:{tag}", "true")
        client.put_archive(made["Id"], "/", program.getvalue())
        changes = 'ENTRYPOINT ["python3", "/server.py"]'
        client.commit(made["Id"], repository=repository, tag=tag, changes=changes)
        client.remove_container(made["Id"])
    return name


def popular(packages: Path | None = None) -> tuple[str, ...]:
    """Those of POPULAR whose packages are installed here, or in that folder."""
    return tuple(
        kind for kind, names in POPULAR.items() if all(_spec(name, packages) is not None for name in names)
    )


def _spec(package: str, packages: Path | None) -> ModuleSpec | None:
    there = PathFinder.find_spec(package, [str(packages)]) if packages is not None else None
    return there or importlib.util.find_spec(package)


def _without_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry
