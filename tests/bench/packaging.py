"""What does packaging again cost when only the entry script changed, against `docker build` of the same context?"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from demo.parts.dockerd import Dockerd
from edgetender.packaging import InferenceConfig, Workspace, oci_layout
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.model_store import from_path
from edgetender.packaging.packager import Order, Packager
from tests.bench.paired import paired
from tests.services.engine import REPOSITORY

PAIRS = 10
BASE = REPOSITORY / ".demo" / "base" / "base.tar"
_SCRIPT = "def init(): ...\ndef run(data):\n    return {number}\n"


def measure() -> None:
    if not BASE.is_file():
        print(f"   no base image in {BASE}: ./run demo makes it")
        return
    with tempfile.TemporaryDirectory(prefix="edgetender-bench-") as scratch:
        home = Path(scratch)
        engine = Dockerd(home / "dockerd")
        try:
            engine.start()
            _measure(home, Engine(engine.socket))
        finally:
            engine.remove()


def _measure(home: Path, engine: Engine) -> None:
    source, context = home / "source", home / "context"
    source.mkdir()
    (source / "requirements.txt").write_text("numpy\n")
    (home / "weights.bin").write_bytes(bytes(1_000_000))
    packager = Packager(Workspace(home / "store", base=str(BASE)))
    config = InferenceConfig("score.py", source_directory=str(source), requirements_file="requirements.txt")
    order = Order((from_path(home / "weights.bin", "m"),), config, "bench:1")
    blobs: list[set[str]] = []

    def ours(number: int) -> float:
        (source / "score.py").write_text(_SCRIPT.format(number=number))
        began = time.perf_counter()
        image = oci_layout.read(packager.image(order).layout)
        took = time.perf_counter() - began
        blobs.append({image.digest, oci_layout.config_digest(image), *(one.digest for one in image.layers)})
        return took

    def theirs(number: int) -> float:
        (context / "azureml-app" / "score.py").write_text(_SCRIPT.format(number=number))
        began = time.perf_counter()
        engine.build(context, "bench:docker", lambda _: None)
        return time.perf_counter() - began

    (source / "score.py").write_text(_SCRIPT.format(number=-9))
    made, _ = packager.assemble(order)
    engine.load(made.base, "bench.base:1")
    packager.context(order, context)
    dockerfile = context / "Dockerfile"
    adds = [line for line in dockerfile.read_text().splitlines() if not line.startswith("ADD base/")]
    dockerfile.write_text("\n".join(adds).replace("FROM scratch", "FROM bench.base:1") + "\n")
    for archive in (context / "base").iterdir():  # the engine has the base: it need not be sent each time
        archive.unlink()
    paired(ours, theirs, PAIRS).show("package, the script changed", "docker build, the script changed")
    _show_bytes(packager, blobs)


def _show_bytes(packager: Packager, blobs: list[set[str]]) -> None:
    """What a registry that holds the image before lacks of the one after."""
    store = packager.workspace.images.get("bench:1").image.blobs
    new = blobs[-1] - blobs[-2]
    size = sum(oci_layout.blob(store, digest).stat().st_size for digest in new)
    whole = sum(oci_layout.blob(store, digest).stat().st_size for digest in blobs[-1])
    print(f"   to be pushed: {size:,} bytes in {len(new)} blobs, of {whole:,} in {len(blobs[-1])}")
