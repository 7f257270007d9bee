"""Several packages are made at once by one process: their notes do not get into each other's way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgetender.packaging.layer_store import LayerStore


def test_notes_of_one_key_are_kept_by_many_threads_at_once(tmp_path: Path) -> None:
    store = LayerStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.keep("python", {"number": number}), range(400)))
    assert store.note("python") is not None
    assert [path.name for path in tmp_path.rglob("*python*")] == ["python.json"]
