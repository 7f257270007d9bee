"""TensorRT's engines: kept for one model, runtime and driver, and thrown away once where they do not load."""

import pytest

from edgetender_scoring.engine_cache import folder, opened
from edgetender_scoring.providers import ModelUnusable

REBUILD = "the engine plan file is generated on an incompatible device, expecting compute 7.5 got compute 6.1"


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a model")
    return path


def driver(tmp_path, version):
    path = tmp_path / "version"
    path.write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu Oct  1 2026\n")
    return path


def test_engines_of_another_driver_or_runtime_are_thrown_away(tmp_path, model):
    cache = tmp_path / "cache"
    first = folder(cache, model, "1.23", driver(tmp_path, "550.54.14"))
    (first / "an.engine").write_bytes(b"e")
    assert folder(cache, model, "1.23", driver(tmp_path, "550.90.07")) == first
    assert (first / "an.engine").exists(), "a driver of the same major runs them"
    newer = folder(cache, model, "1.23", driver(tmp_path, "580.65.06"))
    assert (newer.is_dir(), first.exists()) == (True, False)
    assert [one.name for one in cache.iterdir()] == [newer.name]
    folder(cache, model, "1.24", driver(tmp_path, "580.65.06"))
    assert not newer.exists()


def test_another_models_engines_are_left_alone(tmp_path, model):
    cache, no_driver = tmp_path / "cache", tmp_path / "none"
    mine = folder(cache, model, "1.23", no_driver)
    model.write_bytes(b"another model")
    assert folder(cache, model, "1.23", no_driver) != mine
    assert mine.exists()


def test_a_model_that_does_not_load_with_its_cache_is_loaded_once_more_without_it(tmp_path):
    (tmp_path / "an.engine").write_bytes(b"of another card")
    tries = []

    def attempt():
        tries.append([one.name for one in tmp_path.iterdir()])
        if tries[-1]:
            raise ModelUnusable(REBUILD)
        return "loaded"

    assert opened(attempt, tmp_path) == "loaded"
    assert tries == [["an.engine"], []]


@pytest.mark.parametrize("kept", [None, "an empty folder", "an engine"])
def test_what_does_not_load_without_a_cache_either_is_said_once(tmp_path, kept):
    if kept == "an engine":
        (tmp_path / "an.engine").write_bytes(b"e")
    tries = []

    def attempt():
        tries.append(1)
        raise ModelUnusable(REBUILD)

    with pytest.raises(ModelUnusable, match="expecting compute"):
        opened(attempt, tmp_path if kept else None)
    assert len(tries) == (2 if kept == "an engine" else 1)
