"""What do packages look like in an engine? One real package for all tests, its file tree, and how to run it."""

from __future__ import annotations

import contextlib
import json
import tarfile
import urllib.request
from hashlib import sha256
from io import BytesIO

import pytest

from demo.parts.process import free_port
from demo.parts.waiting import TimedOut, until
from edgetender.packaging import DirectBuilder, InferenceConfig
from edgetender.packaging.model_store import from_path
from tests.services.engine import REPOSITORY

BASE = REPOSITORY / ".demo" / "base" / "base.tar"
SCRIPT = "import json, os\ndef init(): ...\ndef run(data):\n    return [sum(row) for row in json.loads(data)['data']]\n"


@pytest.fixture(scope="session")
def packaged(tmp_path_factory):
    """The image kind: assembled without an engine, of a model, a script with assets and an environment."""
    if not BASE.is_file():
        pytest.skip(f"no base image in {BASE}: ./run demo makes it")
    folder = tmp_path_factory.mktemp("packages")
    source = folder / "source"
    (source / "inner").mkdir(parents=True)
    (source / "score.py").write_text(SCRIPT)
    (source / "inner" / "labels.txt").write_text("a\n")
    (source / "latest.txt").symlink_to("inner/labels.txt")
    (source / "tool.sh").write_text("#!/bin/sh\n")
    (source / "tool.sh").chmod(0o755)
    (source / "requirements.txt").write_text("orjson\n")
    (folder / "weights.bin").write_bytes(b"w" * 1000)
    config = InferenceConfig("score.py", source_directory=str(source), requirements_file="requirements.txt")
    builder = DirectBuilder(folder / "store")
    return folder, config, builder.assemble((from_path(folder / "weights.bin", "m", 4),), config, BASE)


def tree(layers):
    """What the layers, one upon the other, hold: path → (type, mode, owner, time or link, content's hash)."""
    found = {}
    for layer in layers:
        with tarfile.open(fileobj=BytesIO(layer)) as tar:
            for one in tar:
                digest = sha256(tar.extractfile(one).read()).hexdigest() if one.isreg() else one.linkname
                when = one.mtime if one.isreg() else None  # the engine dates directories itself
                found[one.name.removeprefix("./").strip("/")] = (
                    one.type,
                    one.mode & 0o7777,
                    one.uid,
                    one.gid,
                    when,
                    digest,
                )
    found.pop("", None)
    for path, entry in found.items():  # which of a file's names is called the first is the archiver's choice
        if entry[0] == tarfile.LNKTYPE:
            found[path] = found[entry[-1].removeprefix("./")]
    return found


def of_engine(engine, reference):
    archive = BytesIO()
    engine.save(reference, archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(manifest["Config"]))
        return config["config"], tree(tar.extractfile(name).read() for name in manifest["Layers"])


@contextlib.contextmanager
def serving(engine, reference):
    """Run the image and return a function that scores."""
    port = free_port()
    identity = engine.run(reference, name=None, ports={5001: ("127.0.0.1", port)}, env=[])
    url = f"http://127.0.0.1:{port}"

    def ask(path, body=None):
        return urllib.request.urlopen(f"{url}{path}", body, timeout=60).read()

    ask.port = port  # for clients of their own

    import docker  # not at the top: every test run loads this file

    client = docker.DockerClient(base_url=engine.address)
    try:

        def answers() -> bool:
            with contextlib.suppress(OSError):
                return bool(ask("/"))
            return False

        try:
            until(answers, "an answer of the container", every_s=0.1)
        except TimedOut as late:
            raise AssertionError(client.containers.get(identity).logs().decode()) from late
        yield ask
    finally:
        client.containers.get(identity).remove(force=True)
        client.close()
