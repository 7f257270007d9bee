"""Who may look, and who may order: every route at every door, asked by somebody who has no right to it."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from edgetender.api.routes import ROUTES, Access
from edgetender.cli.output import Session
from tests.fakes.house import FakeHouse
from tests.services.api import served
from tests.services.strangers import STRANGER, as_root, ask_all_as_stranger, foreign_group

PLACES = {"name": "live.js", "module": "scorer"}
FORBIDDEN = "403"


def asked(*kinds: Access) -> list[str]:
    """A request for each route that is for these."""
    found = []
    for route in ROUTES:
        path = re.sub(r"{(\w+)}", lambda place: PLACES.get(place[1], "1"), route.path)
        if route.access in kinds and route.path not in ("/v1/live", "/v1/events"):
            found.append(f"{route.method} {path}")
    return found


LOOK, ORDER = asked(Access.READ), asked(Access.TRUSTED, Access.ROOT)


@as_root
def test_a_stranger_has_no_success_at_any_door(open_folder: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "edgetender.audit")
    house, orders, readers = FakeHouse(), foreign_group(0).gr_name, foreign_group(1).gr_name
    with served(house, open_folder / "admin.sock", group=orders, read_group=readers) as api:
        doors = (api.path, api.path.with_name("ro.sock"))
        for door in doors:
            assert set(ask_all_as_stranger(door, LOOK + ORDER)) == {"no way in"}
            door.chmod(0o666)  # somebody meant well
            assert set(ask_all_as_stranger(door, LOOK + ORDER)) == {FORBIDDEN}
    assert (house.submitted, house.asked) == ([], [])
    refused = [one for one in caplog.records if one.name == "edgetender.audit"]
    posts = [one for one in LOOK + ORDER if one.startswith("POST")]
    assert len(refused) == len(doors) * len(posts)
    assert {(one.levelname, one.fields["uid"]) for one in refused} == {("WARNING", STRANGER)}  # type: ignore[attr-defined]
    assert all(one.fields["pid"] for one in refused)  # type: ignore[attr-defined]


@as_root
def test_who_may_look_may_not_order(open_folder: Path):
    house, orders, readers = FakeHouse(), foreign_group(0), foreign_group(1)
    house.said["scorer"] = ["ready"]
    with served(house, open_folder / "admin.sock", group=orders.gr_name, read_group=readers.gr_name) as api:
        reading = api.path.with_name("ro.sock")
        assert (reading.stat().st_mode & 0o777, reading.stat().st_gid) == (0o660, readers.gr_gid)
        looked = ask_all_as_stranger(reading, LOOK, readers.gr_gid)
        assert set(looked) <= {
            "200",
            "400",
            "404",
        }  # nothing to plan, no such version: the asker's own faults
        assert looked.count("200") > len(looked) / 2
        assert set(ask_all_as_stranger(reading, ORDER, readers.gr_gid)) == {FORBIDDEN}
        assert set(ask_all_as_stranger(api.path, LOOK + ORDER, readers.gr_gid)) == {"no way in"}
        assert set(ask_all_as_stranger(reading, ORDER, readers.gr_gid, orders.gr_gid)) == {FORBIDDEN}
    assert house.submitted == []
    assert not reading.exists()


@as_root
def test_root_itself_does_not_order_at_the_door_that_reads(open_folder: Path):
    house = FakeHouse()
    with served(house, open_folder / "admin.sock", read_group=foreign_group().gr_name) as api:
        reading = api.path.with_name("ro.sock")
        with served(house, open_folder / "other.sock"):
            from edgetender.api import wire

            with wire.request(str(reading), "POST", "/v1/rollback", b"", timeout_s=5) as answer:
                assert answer.status == 403
            with wire.request(str(reading), "GET", "/v1/history", b"", timeout_s=5) as answer:
                assert answer.status == 200


def test_a_command_of_who_may_only_look_asks_at_the_door_that_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "config.toml").write_text(f'[api]\nsocket = "{tmp_path}/admin.sock"\n')
    monkeypatch.setenv("EDGETENDER_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("EDGETENDER_HOST", raising=False)
    assert Session().client().path == f"{tmp_path}/admin.sock"
    with served(FakeHouse(), tmp_path / "admin.sock", read_group="no-such-group-here"):
        allowed = {f"{tmp_path}/ro.sock"}
        monkeypatch.setattr("os.access", lambda path, _mode: str(path) in allowed)
        assert Session().client().path == f"{tmp_path}/ro.sock"
        allowed.add(f"{tmp_path}/admin.sock")
        assert Session().client().path == f"{tmp_path}/admin.sock"
