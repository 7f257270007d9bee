"""What happens to a package in the engine of its author: pulled, run, tried, compared."""

import json
import tarfile

import docker
import pytest

from demo.parts.identities import Authority
from demo.parts.process import free_port
from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.cli.package_compared import compare, comparison_lines
from edgetender.errors import EngineDown
from edgetender.packaging import InferenceConfig, Model, Workspace, oci_layout
from edgetender.packaging.engine_api import Engine
from edgetender.packaging.layer import Entry, pack
from edgetender.packaging.packager import Order, Packager
from tests.builders.shell import Shell
from tests.services.packaged import BASE, SCRIPT, serving

pytestmark = pytest.mark.engine


def test_an_image_that_serves_tls_is_found_to_serve_and_its_address_says_how(
    packaged, engine_socket, monkeypatch, capsys
):
    folder, _, _ = packaged
    monkeypatch.setenv("DOCKER_HOST", engine_socket)
    pair = Authority(folder / "secured").issue("cam7.invalid")
    pair.key.chmod(0o644)  # in a test it is in the image
    (folder / "secured" / "score.py").write_text(SCRIPT)
    config = InferenceConfig("score.py", source_directory="secured", folder=folder)
    Packager(Workspace(folder / "store", base=str(BASE))).image(Order((), config, "secured:1"))
    port, root = free_port(), "/var/azureml-app"
    try:
        said = Shell(capsys).run(
            "run", "secured:1", "-p", f"{port}:5001", "--name", "secured", "--store", str(folder / "store"),
            "-e", f"EDGETENDER_SCORING_TLS_CERT={root}/{pair.certificate.name}",
            "-e", f"EDGETENDER_SCORING_TLS_KEY={root}/{pair.key.name}",
        )  # fmt: skip
    finally:
        Engine(engine_socket).remove("secured")
    assert (said.code, f"scores at https://localhost:{port}/score" in said.err) == (0, True)


def test_an_image_that_cannot_serve_is_no_success_and_says_why(packaged, engine_socket, monkeypatch, capsys):
    folder, _, _ = packaged
    monkeypatch.setenv("DOCKER_HOST", engine_socket)
    (folder / "fails.py").write_text("def init(): raise ValueError('no model here')\ndef run(data): ...\n")
    config = InferenceConfig("fails.py", folder=folder)
    Packager(Workspace(folder / "store", base=str(BASE))).image(Order((), config, "fails:1"))
    words = (
        "run",
        "fails:1",
        "-p",
        f"{free_port()}:5001",
        "--name",
        "failing",
        "--store",
        str(folder / "store"),
    )
    try:
        said = Shell(capsys).run(*words)
    finally:
        Engine(engine_socket).remove("failing")
    assert said.code == 1
    assert "cannot serve fails:1: it ends with exit code 3: " in said.err
    assert "init() raised ValueError: no model here; docker logs failing" in said.err
    assert "scores at" not in said.err


def test_pull_gives_the_image_to_the_engine_and_says_what_docker_says(packaged, engine_socket, capsys):
    folder, config, _ = packaged
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


def test_an_engine_that_is_not_there_is_named(packaged, tmp_path):
    with pytest.raises(
        EngineDown, match=r"no container engine answers at unix:///.*; start one, or name it by DOCKER_HOST"
    ):
        Engine(f"unix://{tmp_path}/nothing.sock").has("any:1")


def test_a_fault_of_the_base_is_pinned_on_it_by_the_default_base(packaged, engine_socket, tmp_path, capsys):
    folder, _, assembled = packaged
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


def test_the_documents_commands_pull_list_and_run_the_image(packaged, engine_socket, monkeypatch, capsys):
    """`docker images`, then `docker run -p 6789:5001 --name mycontainer IMAGEID`, and the documents' client."""
    folder, config, _ = packaged
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


def test_an_onnx_model_without_code_answers_its_golden_request(packaged, engine_socket, tmp_path):
    """The documents' client, word for word, on a model that only the server knows how to run."""
    pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
    pytest.importorskip("onnxruntime", reason="onnxruntime comes with the extra onnx")
    from tests.builders import onnx_models

    folder, _, _ = packaged
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
