"""Files that somebody put where the agent writes or listens: links are not followed, and what they point to is left."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgetender import durable
from edgetender.api.listeners import AddressTaken, bind_unix
from edgetender.lock import StateLock
from edgetender.model.examined import Floor, Identity
from edgetender.model.signed import Root
from edgetender.trust.device import DeviceTrust
from edgetender.trust.floor import FloorFiles
from edgetender.trust.marks import Marks
from edgetender.trust.roots import Roots
from tests.builders.signing import Keys, signed_root, trusted

KEYS = Keys()
PRECIOUS = b"somebody else's"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def untouched(victim: Path):
    yield
    assert victim.read_bytes() == PRECIOUS


def test_the_floor_takes_the_place_of_a_link_and_is_not_written_through_it(victim: Path, state: Path):
    for name in ("floor.a", "floor.b"):
        (state / name).symlink_to(victim)
    trust = DeviceTrust(victim.parent, Identity(), required=True, state=state)

    assert trust.keep(Floor(1, 7)) is True
    assert FloorFiles(state).read() == Floor(1, 7)


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
@pytest.mark.parametrize("name", ["root.2.json", ".root.2.json.new"])
def test_a_root_takes_the_place_of_a_link_and_not_of_its_target(
    victim: Path, state: Path, name: str, link: str
):
    (state / name).symlink_to(victim) if link == "symlink" else os.link(victim, state / name)
    root: Root = trusted(KEYS, version=2)

    Roots(victim.parent, state).keep(root, signed_root(KEYS, version=2))

    assert not (state / "root.2.json").is_symlink()
    assert (state / "root.2.json").read_bytes() == signed_root(KEYS, version=2)


def test_a_file_that_is_written_anew_is_a_new_file(victim: Path, state: Path):
    (state / ".x.new").symlink_to(victim)
    (state / "x").symlink_to(victim)

    durable.replace(state / "x", b"ours", mode=0o600)

    assert (state / "x").read_bytes() == b"ours"
    assert (state / "x").stat().st_mode & 0o777 == 0o600


def test_a_mark_that_is_a_link_is_none(victim: Path, state: Path):
    (victim.parent / "begun").write_bytes(PRECIOUS)
    (state / "begun").symlink_to(victim)

    assert Marks(victim.parent, state).lost()


def test_the_lock_is_not_taken_on_a_link(victim: Path, state: Path):
    (state / "lock").symlink_to(victim)

    with pytest.raises(OSError, match="symbolic"), StateLock(state / "lock"):
        pass


@pytest.mark.parametrize("kind", ["a link", "a link to a socket", "a fifo", "a directory"])
def test_what_stands_where_the_socket_shall_be_is_neither_followed_nor_removed(
    victim: Path, state: Path, kind: str
):
    place = state / "admin.sock"
    other = socket.socket(socket.AF_UNIX)
    other.bind(str(state / "others.sock"))
    match kind:
        case "a link":
            place.symlink_to(victim)
        case "a link to a socket":
            place.symlink_to(state / "others.sock")
        case "a fifo":
            os.mkfifo(place)
        case _:
            place.mkdir()
    before = place.lstat()

    with other, pytest.raises(AddressTaken, match="a file that is no socket is there"):
        bind_unix(place, None)

    assert place.lstat().st_ino == before.st_ino
    assert (state / "others.sock").is_socket()
