"""Can the store be made smaller, without what is still referred to, and without a package that is being made?"""

import json

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import Permanent
from edgetender.packaging import InferenceConfig, Model, Workspace, oci_layout
from edgetender.packaging.deployment import Deployments
from edgetender.packaging.packager import Order, Packager
from tests.builders import packages


@pytest.fixture
def ws(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "ws"))
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w" * 5000)
    packages.rootfs(tmp_path)
    ws = Workspace(server_source=packages.server_source(tmp_path))
    ws.models.register(tmp_path / "weights.bin", "m")
    return ws


@pytest.fixture
def ask(capsys):
    def asked(*words):
        code = run([*map(str, words)], Session())
        said = capsys.readouterr()
        return int(code), said.out, said.err

    return asked


def packaged(ws, tmp_path, tag, *models):
    config = InferenceConfig(entry_script="score.py", folder=tmp_path)
    found = tuple(ws.models.get(one) for one in models)
    return Packager(ws).image(Order(found, config, tag, base=str(tmp_path / "rootfs-amd64")))


def made_anew(built):
    return [
        one.kind for one in built.layers if not one.reused and one.kind != "base"
    ]  # a directory is read each time


def blobs(ws):
    return {path.name for path in ws.layers().blobs.iterdir()}


def test_what_only_the_removed_image_was_made_of_goes_and_the_rest_can_be_packaged_again(ws, ask, tmp_path):
    packaged(ws, tmp_path, "plain:1")
    before = blobs(ws)
    packaged(ws, tmp_path, "model:1", "m")

    code, out, err = ask("image", "remove", "model:1")

    assert (code, out, "came free" in err) == (0, "removed model:1\n", True)
    assert blobs(ws) == before
    assert [one.reference for one in ws.images.list()] == ["plain:1"]
    assert made_anew(packaged(ws, tmp_path, "model:1", "m")) == ["model"]


def test_an_image_goes_by_its_id_and_several_go_together_or_not_at_all(ws, ask, tmp_path):
    packaged(ws, tmp_path, "plain:1")
    packaged(ws, tmp_path, "model:1", "m")

    code, _, err = ask("image", "remove", "plain:1", "none:1", "neither:2")
    assert (code, "image none:1" in err, "image neither:2" in err) == (4, True, True)
    assert len(ws.images.list()) == 2
    identity = ws.images.get("model:1").identity.removeprefix("sha256:")[:12]
    code, out, _ = ask("image", "remove", "plain:1", identity, "-o", "json")
    assert (code, json.loads(out)["images"]) == (0, ["plain:1", "model:1"])
    assert ask("images")[2].startswith("no image is here yet")


def test_an_image_that_a_device_was_given_from_here_stays_unless_forced(ws, ask, tmp_path):
    digest = packaged(ws, tmp_path, "plain:1").digest
    image = f"reg.example/plain@{digest}"
    Deployments(ws.root / "deployments").keep("line3-cam7", {"modules": {"a": {"image": image}}})

    code, _, err = ask("image", "remove", "plain:1")

    assert code == 1
    assert "cannot remove plain:1: line3-cam7 was given it from here" in err
    assert ask("image", "remove", "plain:1", "--force")[0] == 0


def test_pruning_leaves_images_whole_and_nothing_else(ws, ask, tmp_path):
    packaged(ws, tmp_path, "plain:1")
    packaged(ws, tmp_path, "model:1", "m")
    ask("image", "remove", "model:1", "plain:1")
    packaged(ws, tmp_path, "model:1", "m")
    with Workspace().images.making("base:1") as place:
        oci_layout.write(oci_layout.read(ws.images.get("model:1").layout), place)
    (ws.layers().blobs / ".part-dead").write_bytes(b"left by a kill")
    (ws.root / "install-dead").mkdir()

    assert ask("image", "prune")[0] == 0

    kept = ws.images.get("model:1")
    assert blobs(ws) == {path.name for path in (kept.layout / "blobs/sha256").iterdir()}
    assert not (ws.root / "install-dead").exists()
    assert made_anew(packaged(ws, tmp_path, "model:2", "m")) == []
    ask("image", "remove", "model:1", "model:2", "base:1")
    ask("image", "prune")
    assert blobs(ws) == set()
    assert packaged(ws, tmp_path, "model:1", "m").digest == kept.image.digest


def test_nothing_is_removed_while_a_package_is_made(ws, ask, tmp_path):
    packaged(ws, tmp_path, "plain:1")
    with ws.used(), ws.used():
        for words in (("image", "remove", "plain:1"), ("image", "prune"), ("model", "remove", "m:1")):
            code, _, err = ask(*words)
            assert (code, "a package is being made there" in err) == (1, True)
    assert ask("image", "remove", "plain:1")[0] == 0


def test_before_the_first_there_is_nothing_to_prune_and_no_store_comes_of_it(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "none"))
    assert ask("image", "prune")[0] == 0
    assert not (tmp_path / "none").exists()


def test_a_removed_version_is_gone_and_its_number_is_never_given_again(ws, ask, tmp_path):
    ws.models.register(tmp_path / "score.py", "m")

    assert ask("model", "remove", "m:2") == (0, "removed m:2\n", "")

    assert [one.reference for one in ws.models.list()] == ["m:1"]
    assert ws.models.get("m").version == 1
    code, _, err = ask("model", "show", "m:2")
    assert (code, "it was removed; its number stays taken" in err) == (4, True)
    code, _, err = ask("model", "register", tmp_path / "score.py", "--name", "m", "--version", "2")
    assert (code, "versions never change" in err) == (6, True)
    assert ws.models.register(tmp_path / "score.py", "m").version == 3
    code, _, err = ask("model", "remove", "m")
    assert (code, "names no version; here are m:1, m:3" in err) == (6, True)


def test_a_model_that_an_image_has_stays_unless_forced(ws, ask, tmp_path):
    packaged(ws, tmp_path, "model:1", "m")

    code, _, err = ask("model", "remove", "m:1")
    assert (code, "cannot remove m:1: model:1 has it" in err) == (1, True)
    with pytest.raises(Permanent, match="model:1 has it"):
        Model(ws, "m").delete()
    assert ask("model", "remove", "m:1", "--force")[0] == 0
    assert ask("model", "list")[2].startswith("no model is registered yet")
    assert ws.images.get("model:1").models == ("m:1",)
