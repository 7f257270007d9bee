"""Does the store keep models as they were, each version once?"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgetender.errors import ConfigInvalid, NotFound, Permanent
from edgetender.packaging import ModelStore
from edgetender.packaging.model_store import from_path


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    return path


def test_before_the_first_model_there_is_none_and_no_folder(store, tmp_path):
    assert store.list() == ()
    with pytest.raises(NotFound, match="none of that name"):
        store.get("diabetes")
    assert not (tmp_path / "models").exists()


def test_versions_count_up_and_keep_what_they_were(store, model):
    first = store.register(model, "diabetes", framework="Onnx", tags={"area": "health"})
    model.write_bytes(b"two")
    second = store.register(model, "diabetes")

    assert (first.version, second.version) == (1, 2)
    assert store.get("diabetes", 1) == first
    assert store.get("diabetes") == second
    assert first.path.read_bytes() == b"one"
    assert (first.tags, first.framework) == ({"area": "health"}, "Onnx")
    assert first.sha256 != second.sha256
    assert [one.reference for one in store.list()] == ["diabetes:1", "diabetes:2"]


def test_what_others_leave_in_its_folder_is_no_model(store, model, tmp_path):
    store.register(model, "diabetes")
    for name in (".DS_Store", "lost+found"):
        (tmp_path / "models" / name).mkdir()
    (tmp_path / "models" / "notes.txt").touch()

    assert [one.reference for one in store.list()] == ["diabetes:1"]


def test_a_version_is_never_replaced(store, model):
    store.register(model, "diabetes", version=5)

    with pytest.raises(ConfigInvalid, match="versions never change"):
        store.register(model, "diabetes", version=5)
    assert store.register(model, "diabetes").version == 6


def test_a_folder_is_a_model_too(store, tmp_path):
    folder = tmp_path / "network"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "graph.onnx").write_text("g")

    kept = store.register(folder, "net")

    assert (kept.path / "inner" / "graph.onnx").read_text() == "g"
    assert kept.path.name == "network"
    assert kept.sha256 == from_path(folder, "net").sha256


def test_an_interrupted_registration_leaves_no_version(store, model, tmp_path):
    (tmp_path / "models" / "diabetes" / ".part-1").mkdir(parents=True)

    assert store.list() == ()
    assert store.register(model, "diabetes").version == 1


@pytest.mark.parametrize("name", ["", "-x", "a/b", "..", "ä", "n" * 256])
def test_a_name_that_is_none_is_refused(store, model, name):
    with pytest.raises(ConfigInvalid):
        store.register(model, name)


def test_what_is_not_there_is_said_with_what_is(store, model):
    store.register(model, "diabetes")

    with pytest.raises(NotFound, match="its versions are 1"):
        store.get("diabetes", 2)
    with pytest.raises(NotFound, match="name a file or a directory"):
        store.register(model.with_name("nowhere"), "diabetes")


def test_links_inside_a_model_stay_links_and_count(store, tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    (folder / "v1.onnx").write_text("g")
    (folder / "current.onnx").symlink_to("v1.onnx")
    kept = store.register(folder, "net")

    assert (kept.path / "current.onnx").is_symlink()
    assert from_path(kept.path, "net").sha256 == kept.sha256
    assert (store.download(kept, tmp_path / "copy") / "current.onnx").read_text() == "g"
    (folder / "current.onnx").unlink()
    assert from_path(folder, "net").sha256 != kept.sha256


def test_many_registering_at_once_each_get_a_version_of_their_own(store, model):
    with ThreadPoolExecutor(8) as crowd:
        versions = list(crowd.map(lambda _: store.register(model, "busy").version, range(24)))

    assert sorted(versions) == list(range(1, 25))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_full_disk_is_named_by_a_download_and_by_a_registration_and_holds_nothing_of_either(
    tmp_path, model
):
    small, weights = tmp_path / "small", tmp_path / "net"
    small.mkdir()
    weights.mkdir()
    (weights / "weights.bin").write_bytes(bytes(2**20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], check=True)
    try:
        kept = ModelStore(tmp_path / "models").register(weights, "net")
        full = f"the disk of {small} is full; make room, or name another directory"
        with pytest.raises(Permanent, match=f"^cannot download net:1: {full}$"):
            ModelStore(tmp_path / "models").download(kept, small)
        with pytest.raises(Permanent, match=f"^cannot register net: the disk of {small} is full; make room"):
            ModelStore(small).register(weights, "net")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_no_package_has_is_not_kept_with_a_model(store, tmp_path):
    folder = tmp_path / "net"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "python").symlink_to("/usr/bin/python3")
    (folder / "weights").write_text("w")

    assert [one.name for one in store.register(folder, "net").path.iterdir()] == ["weights"]
