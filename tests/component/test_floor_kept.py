"""The state database is gone, or an old one is back: what was replaced does not return, what was newest does."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgetender.model.examined import Floor
from edgetender.trust.floor import FloorFiles
from tests.builders.loops import running
from tests.builders.sites import STATE, Site
from tests.fakes.clock import NOON


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    assert site.send(7, A="1") == (200, "")
    assert site.send(8, A="2") == (200, "")
    return site


def test_an_old_manifest_does_not_come_back_with_a_new_database(site: Site):
    site.lose(*STATE)

    assert site.send(7, A="1") == (409, "manifest.rollback")
    assert site.send(8, A="other") == (409, "manifest.equivocation")
    assert running(site.loop) == {}


def test_the_newest_manifest_comes_back_by_its_redelivery(site: Site):
    site.lose(*STATE)

    assert site.send(8, A="2") == (200, "")
    assert set(running(site.loop)) == {"scorer"}


@pytest.mark.parametrize("slot", ["floor.a", "floor.b"])
def test_one_of_the_two_files_is_enough_to_refuse_what_is_older_than_both(site: Site, slot: str):
    site.lose(*STATE, f"trust/{slot}")

    assert site.send(6) == (409, "manifest.rollback")


def test_files_that_are_gone_are_written_again_from_the_database(site: Site):
    site.lose("trust/floor.a", "trust/floor.b")
    assert site.send(9) == (200, "")

    kept = FloorFiles(site.home / "trust").read()

    assert kept is not None
    assert (kept.epoch, kept.version) == (1, 9)


def test_a_torn_or_foreign_file_is_none(tmp_path: Path):
    floors = FloorFiles(tmp_path)
    assert floors.read() is None
    floors.write(Floor(1, 5, "a", NOON))
    floors.write(Floor(1, 6, "b", NOON))
    floors.write(Floor(1, 7, "c", None))
    assert floors.read() == Floor(1, 7, "c", None)

    (tmp_path / "floor.a").write_bytes(
        (tmp_path / "floor.a").read_bytes().replace(b'"version":7', b'"version":1')
    )
    assert floors.read() == Floor(1, 6, "b", NOON)
    for body in (b"", b"[]", b"\xff" * 99, b'{"check":1}', b"{" * 3000):
        (tmp_path / "floor.b").write_bytes(body)
        assert floors.read() is None
    (tmp_path / "floor.a").unlink()
    (tmp_path / "floor.a").symlink_to("/dev/zero")
    assert floors.read() is None


def test_a_directory_that_cannot_be_written_stops_nothing(site: Site):
    (site.home / "trust/floor.a").unlink()
    (site.home / "trust/floor.b").unlink()
    (site.home / "trust").rmdir()
    (site.home / "trust").write_text("in the way")

    assert site.send(9) == (200, "")
