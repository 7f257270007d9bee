"""Do both kinds of package give the same image? The real server on a Debian base, in a real engine."""

import contextlib
import gzip
import json
import tarfile
import time
import urllib.request
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import docker
import pytest

from demo.parts.process import free_port
from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.cli.package_compared import compare, comparison_lines
from edgetender.errors import ConfigInvalid, EngineDown
from edgetender.packaging import DirectBuilder, InferenceConfig, Model, Workspace, oci_layout
from edgetender.packaging.build_context import write
from edgetender.packaging.dockerfile import MICROMAMBA
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.layer import Entry, pack
from edgetender.packaging.model_store import from_path
from edgetender.packaging.packager import Order, Packager
from tests.services.engine import REPOSITORY

pytestmark = pytest.mark.engine
BASE = REPOSITORY / ".demo" / "base" / "base.tar"
EXAMPLE = REPOSITORY / "modules" / "scoring" / "examples" / "diabetes"
SCRIPT = "import json, os\ndef init(): ...\ndef run(data):\n    return [sum(row) for row in json.loads(data)['data']]\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
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
        return urllib.request.urlopen(f"{url}{path}", body, timeout=5).read()

    client = docker.DockerClient(base_url=engine.address)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                ask("/")
                break
            assert time.monotonic() < deadline, client.containers.get(identity).logs().decode()
            time.sleep(0.1)
        yield ask
    finally:
        client.containers.get(identity).remove(force=True)
        client.close()


@pytest.mark.parametrize("with_base", ["FROM a name", "ADD the base's layers"])
def test_docker_build_of_the_folder_gives_the_same_tree_the_same_settings_and_the_same_answers(
    made, engine_socket, tmp_path, with_base
):
    _, _, assembled = made
    engine = Engine(engine_socket)
    base_name = "base.test/debian:12" if with_base.startswith("FROM") else None
    if base_name:
        engine.load(assembled.base, base_name)
    engine.load(assembled.image, "kinds.test/direct:1")
    write(assembled, tmp_path / "context", base_name=base_name, steps=None, tag="kinds.test/docker:1")
    said = []

    engine.build(tmp_path / "context", "kinds.test/docker:1", said.append)

    (one, direct), (other, built) = (
        of_engine(engine, f"kinds.test/{kind}:1") for kind in ("direct", "docker")
    )
    assert {
        path: (direct.get(path), built.get(path))
        for path in direct.keys() | built.keys()
        if direct.get(path) != built.get(path)
    } == {}
    settings = ("Entrypoint", "User", "WorkingDir", "ExposedPorts", "StopSignal", "Labels")
    assert {key: one[key] for key in settings} == {key: other[key] for key in settings}
    assert sorted(one["Env"]) == sorted(other["Env"])
    assert not other.get("Cmd")
    assert any("Successfully built" in line for line in said)
    body = json.dumps({"data": [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]]}).encode()
    answers = []
    for kind in ("direct", "docker"):
        with serving(engine, f"kinds.test/{kind}:1") as ask:
            answers.append((ask("/score", body), ask("/")))
    assert answers == [(b"[55,55]", b"Healthy")] * 2


def test_pull_gives_the_image_to_the_engine_and_says_what_docker_says(made, engine_socket, capsys):
    folder, config, _ = made
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    package = Model.package(ws, [Model.register(ws, folder / "weights.bin", "pulled")], config)

    package.wait_for_creation(show_output=True)
    package.pull()
    assert f"Status: Downloaded newer image for {package.location}\n" in capsys.readouterr().out
    package.pull()
    assert f"Status: Image is up to date for {package.location}\n" in capsys.readouterr().out
    found = Engine(engine_socket).inspect(package.location)
    assert found["Id"] == ws.images.get(package.location).identity
    assert found["Config"]["Labels"]["io.edgetender.models"] == "pulled:1"


def test_steps_are_run_by_the_engine_and_the_server_stays_the_server(made, engine_socket, tmp_path):
    folder, config, _ = made
    source = folder / "source"
    (source / "steps").write_text(
        'RUN echo "made by a step" > /etc/step && chmod 755 /etc/step\nENV STEP=1\nUSER nobody\n'
    )
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    order = Order((), replace(config, extra_docker_file_steps="steps"), "kinds.test/steps:1")
    said = []

    built = Packager(ws, said.append).image(order)

    image = oci_layout.read(built.layout)
    run = image.config["config"]
    assert run["Entrypoint"] == ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"]
    assert (run["User"], "STEP=1" in run["Env"]) == ("65532:65532", True)
    assert "packaging kinds.test/steps:1 for linux/amd64, builder docker" in said
    found = tree(
        gzip.decompress(oci_layout.blob(image.blobs, layer.digest).read_bytes()) for layer in image.layers
    )
    assert found["etc/step"][1:4] == (0o755, 0, 0)
    assert found["var/azureml-app/score.py"][-1] == sha256(SCRIPT.encode()).hexdigest()


def test_an_engine_that_is_not_there_is_named(made, tmp_path):
    with pytest.raises(
        EngineDown, match=r"no container engine answers at unix:///.*; start one, or name it by DOCKER_HOST"
    ):
        Engine(f"unix://{tmp_path}/nothing.sock").has("any:1")


def test_conda_packages_are_installed_by_micromamba_in_a_stage_of_its_own(made, engine_socket, tmp_path):
    """The real micromamba image cannot be had here: one of its name stands in, that makes a prefix like conda's."""
    folder, config, assembled = made
    engine = Engine(engine_socket)
    engine.load(assembled.base, "base.test/debian:12")
    standin = tmp_path / "standin"
    standin.mkdir()
    (standin / "Dockerfile").write_text("FROM base.test/debian:12\nCOPY micromamba /usr/bin/micromamba\n")
    (standin / "micromamba").write_text(
        '#!/bin/sh\n[ "$1" = clean ] && exit\nmkdir -p "$4/bin" && cp "$6" "$4" && ln -s /usr/bin/python3.11 "$4/bin/python"\n'
    )
    (standin / "micromamba").chmod(0o755)
    engine.build(standin, MICROMAMBA, lambda _: None)
    source = folder / "source"
    (source / "conda.yml").write_text("dependencies: [python=3.11, libblas, {pip: [orjson]}]\n")
    changed = replace(config, requirements_file=None, conda_file="conda.yml")
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)

    built = Packager(ws).image(Order((), changed, "kinds.test/conda:1"))

    assert oci_layout.read(built.layout).config["config"]["Entrypoint"][0] == "/opt/environment/bin/python"
    with serving(engine, "kinds.test/conda:1") as ask:
        assert ask("/score", b'{"data": [[1, 2]]}') == b"[3]"
    with pytest.raises(ConfigInvalid, match="--builder docker"):
        Packager(ws).image(Order((), changed, "kinds.test/conda:2", builder="direct"))
    (source / "conda.yml").write_text("dependencies: [libblas]\n")
    with pytest.raises(ConfigInvalid, match=r"name its version, like python=3\.12"):
        Packager(ws).image(Order((), changed, "kinds.test/conda:3"))


def test_a_fault_of_the_base_is_pinned_on_it_by_the_default_base(made, engine_socket, tmp_path, capsys):
    folder, _, assembled = made
    broken = pack(
        [Entry("usr/lib/python3.11/json/__init__.py", b"raise ImportError('a broken base')")],
        assembled.base.blobs,
    )
    config = dict(assembled.base.config) | {
        "rootfs": {
            "type": "layers",
            "diff_ids": [*assembled.base.config["rootfs"]["diff_ids"], broken.diff_id],
        }
    }
    oci_layout.write(
        oci_layout.put_image(assembled.base.blobs, config, (*assembled.base.layers, broken)), tmp_path / "own"
    )
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    order = Order(
        (),
        InferenceConfig("score.py", source_directory=str(folder / "source")),
        "kinds.test/blame:1",
        base=f"oci:{tmp_path / 'own'}",
    )
    packager = Packager(ws)

    compared = compare(packager, order, packager.image(order))

    assert (compared["own"]["serves"], compared["default"]["serves"]) == (False, True), compared
    assert "a broken base" in compared["own"]["why"]
    assert comparison_lines(compared)[-1].startswith("the fault is the own base's")


def test_the_documents_commands_pull_list_and_run_the_image(made, engine_socket, monkeypatch, capsys):
    """`docker images`, then `docker run -p 6789:5001 --name mycontainer IMAGEID`, and the documents' client."""
    folder, config, _ = made
    monkeypatch.setenv("EDGETENDER_STORE", str(folder / "store"))
    monkeypatch.setenv("DOCKER_HOST", engine_socket)
    Packager(Workspace(base=str(BASE))).image(Order((), config, "documents:1"))
    port = free_port()

    assert run(["pull", "documents:1"], Session()) == 0
    assert "Status: Downloaded newer image for documents:1\n" in capsys.readouterr().out
    assert run(["images", "-o", "json"], Session()) == 0
    (image,) = [
        one for one in json.loads(capsys.readouterr().out)["images"] if one["repository"] == "documents"
    ]
    assert run(["run", "-p", f"{port}:5001", "--name", "mycontainer", image["id"][7:19]], Session()) == 0
    said = capsys.readouterr()
    assert f"scores at http://localhost:{port}/score" in said.err
    client = docker.DockerClient(base_url=engine_socket)
    try:
        container = client.containers.get("mycontainer")
        assert container.id == said.out.strip()
        assert container.image.id == image["id"]
        assert container.ports == {"5001/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
        assert run(["run", "-p", f"{port}:5001", "--name", "mycontainer", "documents:1"], Session()) == 1
        assert "already in use" in capsys.readouterr().err
    finally:
        client.containers.get("mycontainer").remove(force=True)
        client.close()


def test_an_onnx_model_without_code_answers_its_golden_request(made, engine_socket, tmp_path):
    """The documents' client, word for word, on a model that only the server knows how to run."""
    pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
    pytest.importorskip("onnxruntime", reason="onnxruntime comes with the extra onnx")
    from tests.builders import onnx_models

    folder, _, _ = made
    ws = Workspace(folder / "store", base=str(BASE), engine=engine_socket)
    model = Model.register(ws, onnx_models.mlp(tmp_path / "net.onnx"), "net")
    package = Model.package(ws, [model])
    package.wait_for_creation()
    package.pull()
    image = ws.images.get(package.location).image
    with tarfile.open(oci_layout.blob(image.blobs, image.layers[-1].digest)) as tar:
        golden = json.load(tar.extractfile("var/azureml-app/golden.json"))
        assert "var/azureml-app/azureml-models/net/1/net.optimized.onnx" in tar.getnames()

    with serving(Engine(engine_socket), package.location) as ask:
        answer = json.loads(ask("/score", json.dumps(golden["request"]).encode()))
        rows = json.loads(ask("/score", b'{"data":[[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}'))

    relative, absolute = golden["tolerance"]["relative"], golden["tolerance"]["absolute"]
    assert answer == [pytest.approx(row, rel=relative, abs=absolute) for row in golden["response"]]
    assert len(rows) == 2
