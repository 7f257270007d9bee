"""The trust root moves on from upstream: as its own keys say, at once, for good; and what a lost state does not know."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgetender.model.ledger import Ledger
from edgetender.transports.iothub_twin import in_chunks, manifest_in
from edgetender.trust.marks import Marks
from edgetender.trust.roots import Roots
from tests.builders.loops import running
from tests.builders.signing import signed_root
from tests.builders.sites import KEYS, STATE, Site
from tests.services.strangers import STRANGER, as_root

SECOND = {"version": 2, "manifest": ["manifest-2"], "revoked": ["manifest-1"]}
THIRD = {"version": 3, "manifest": ["manifest-2"], "revoked": ["manifest-1"], "epoch": 2}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    Marks(site.home, site.home / "trust").begin()
    assert site.send(7) == (200, "")
    return site


def test_a_root_that_follows_counts_from_the_next_manifest_on_and_what_runs_goes_on(site: Site):
    desired, before = site.loop.last.ledger.desired, running(site.loop)

    site.bring(signed_root(KEYS, **SECOND))

    assert site.loop.last.ledger.desired == desired  # it is no manifest
    assert running(site.loop) == before
    assert site.send(8) == (403, "signature.revoked")
    assert site.send(8, by="manifest-2") == (200, "")


def test_a_root_and_what_its_keys_signed_may_arrive_together(site: Site):
    site.loop.push(signed_root(KEYS, **SECOND))
    site.loop.push(signed_root(KEYS, **THIRD))

    assert site.send(1, by="manifest-2", epoch=2) == (200, "")


def test_a_new_epoch_s_version_of_the_same_number_is_not_taken_for_what_runs(site: Site):
    """It is accepted once it runs, not because the older one does."""
    site.loop.push(signed_root(KEYS, **SECOND))
    site.loop.push(signed_root(KEYS, **THIRD))
    held = site.loop.wish("hold")

    assert site.send(7, by="manifest-2", epoch=2, NEW="yes") == (406, "")
    ledger = site.loop.last.ledger
    assert site.loop.store.decision(held).code == 200
    assert (ledger.accepted.epoch, ledger.candidate.epoch, ledger.settling_since) == (1, 2, None)
    site.loop.wish("release")
    site.loop.run(20)
    assert site.loop.last.ledger.accepted.epoch == 2


@pytest.mark.parametrize(("number", "wish"), [(7, {}), (1, {}), (7, {"to": "1:7"}), (1, {"to": 7})])
def test_after_a_new_epoch_the_way_back_leads_to_what_ran_before_it(
    site: Site, number: int, wish: dict[str, object]
):
    """Whatever the numbers: those of a new epoch may be the same, or lower."""
    site.loop.push(signed_root(KEYS, **SECOND))
    site.loop.push(signed_root(KEYS, **THIRD))
    assert site.send(number, by="manifest-2", epoch=2, NEW="yes") == (200, "")
    assert [(one.epoch, one.version, one.result) for one in site.loop.store.history()] == [
        (2, number, "running"), (1, 7, "superseded"),
    ]  # fmt: skip

    asked = site.loop.wish("rollback", **wish)
    site.loop.run(20)

    assert site.loop.store.decision(asked).code == 200
    accepted = site.loop.last.ledger.accepted
    assert (accepted.epoch, accepted.version, site.loop.last.ledger.candidate) == (1, 7, None)
    desired = site.loop.last.ledger.desired
    assert (desired.code, desired.epoch, desired.version) == (417, 2, number)
    assert [(one.epoch, one.result) for one in site.loop.store.history()] == [
        (2, "superseded"),
        (1, "running"),
    ]
    assert site.send(number + 1, by="manifest-2", epoch=2) == (200, "")


def test_a_number_alone_means_the_newest_epoch_that_has_it(site: Site):
    site.loop.push(signed_root(KEYS, **SECOND))
    site.loop.push(signed_root(KEYS, **THIRD))
    site.send(7, by="manifest-2", epoch=2, NEW="yes")
    site.send(8, by="manifest-2", epoch=2, NEWER="yes")

    site.loop.wish("rollback", to=7)
    site.loop.run(20)

    accepted = site.loop.last.ledger.accepted
    assert (accepted.epoch, accepted.version) == (2, 7)
    unknown = site.loop.wish("rollback", to=9)
    site.loop.cycle()
    refused = site.loop.store.decision(unknown)
    assert refused.code == 404
    assert refused.description.endswith("(kept: 1:7, 7, 8)")


@pytest.mark.parametrize(
    ("signers", "new", "why"),
    [
        (["root-1", "root-2"], {"version": 3}, "root.not_next"),
        (["root-4", "root-5"], {"version": 2, "root": ["root-4", "root-5"]}, "signature.invalid"),
        (["root-1"], {"version": 2}, "signature.threshold"),
        (["manifest-1"], {"version": 2}, "signature.other_role"),
        (["root-1", "root-2"], {"version": 1, "manifest": ["manifest-2"]}, "root.equivocation"),
    ],
)
def test_a_root_that_its_own_keys_did_not_make_the_next_is_refused(
    site: Site, signers: list[str], new: dict[str, object], why: str
):
    assert site.bring(signed_root(KEYS, signers, **new)) == (403, why)
    assert site.send(8) == (200, "")


@pytest.mark.parametrize("how", ["as it is", "in chunks"])
def test_it_comes_in_a_twin_as_well(site: Site, how: str):
    body = signed_root(KEYS, **SECOND)
    body = manifest_in({"deployment": json.loads(body) if how == "as it is" else in_chunks(body)})
    assert isinstance(body, bytes)

    site.bring(body)

    standing = site.loop.trust.standing()
    assert standing is not None
    assert standing.version == 2


def test_the_same_root_again_changes_nothing(site: Site):
    site.bring(signed_root(KEYS, **SECOND))
    kept = (site.home / "trust/root.2.json").stat()

    site.bring(signed_root(KEYS, ["root-2", "root-3"], **SECOND))  # signed by others, the same content

    assert (site.home / "trust/root.2.json").stat().st_ino == kept.st_ino
    assert site.loop.last.ledger.desired is not None
    assert site.loop.last.ledger.desired.code == 200


def test_it_counts_after_a_start_and_says_so_upstream(site: Site, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        site.bring(signed_root(KEYS, **SECOND))

    assert "a new trust root counts" in caplog.text
    site.lose(*STATE)
    standing = site.loop.trust.standing()
    assert standing is not None
    assert (standing.version, standing.epoch) == (2, 1)
    assert site.send(9) == (403, "signature.revoked")


def test_what_lies_in_the_agents_own_directory_is_verified_from_the_owners_root_on(site: Site):
    site.bring(signed_root(KEYS, **SECOND))
    stranger = signed_root(KEYS, ["x", "y"], version=3, root=["x", "y"])
    (site.home / "trust/root.3.json").write_bytes(stranger)
    (site.home / "trust/root.evil.json").write_bytes(stranger)

    roots = Roots(site.home, site.home / "trust")

    assert [root.version for root in [roots.current()] if root] == [2]
    (site.home / "trust/root.2.json").write_bytes(b"{}")
    assert [root.version for root in [roots.current()] if root] == [1]
    assert site.bring(signed_root(KEYS, **SECOND))[0] == 200  # what was damaged comes again
    assert [root.version for root in [roots.current()] if root] == [2]


def test_a_root_that_the_owner_brings_overtakes_what_came_from_upstream(site: Site):
    site.bring(signed_root(KEYS, **SECOND))
    (site.home / "root.json").write_bytes(signed_root(KEYS, **THIRD))

    root = site.loop.trust.root()

    assert root is not None
    assert root.version == 3


def test_a_root_that_cannot_be_written_down_is_refused(site: Site):
    (site.home / "trust/root.2.json").mkdir()

    code, why = site.bring(signed_root(KEYS, **SECOND))

    assert (code, why) == (403, "trust.root_unwritten")
    assert site.send(8) == (200, "")


def test_a_root_is_nothing_to_a_device_that_has_none(tmp_path: Path):
    site = Site(tmp_path)
    (tmp_path / "root.json").unlink()

    assert site.bring(signed_root(KEYS)) == (403, "trust.no_root")


# --- the state is lost

ALL = (*STATE, "trust/floor.a", "trust/floor.b", "trust/begun")


def test_a_device_that_lost_all_it_remembered_takes_nothing_until_root_names_a_version(site: Site):
    site.lose(*ALL)

    assert site.send(6) == (403, "trust.state_lost")
    assert site.send(8) == (403, "trust.state_lost")
    assert "TRUST_STATE_LOST" in site.loop.trust.notes()[0]

    assert reset(site, 7) == 200
    assert site.loop.trust.notes() == ()
    assert site.send(6) == (409, "manifest.rollback")
    assert site.send(8) == (200, "")
    assert reset(site, 3) == 409  # a floor is never lowered
    assert site.send(4) == (409, "manifest.rollback")


def test_it_is_not_lost_while_anything_remembers_the_version(site: Site):
    site.lose(*STATE, "trust/begun")

    assert site.send(6) == (409, "manifest.rollback")
    assert site.send(8) == (200, "")
    assert not Marks(site.home, site.home / "trust").lost()  # and is known again in all places


def test_the_state_of_another_device_is_none(site: Site):
    site.lose(*ALL)
    (site.home / "trust/begun").write_text("another's")

    assert site.send(8) == (403, "trust.state_lost")


def test_a_device_of_before_there_were_marks_lost_nothing(tmp_path: Path):
    assert Site(tmp_path).send(1) == (200, "")


def test_a_device_that_begins_has_nothing_to_lose(tmp_path: Path):
    site = Site(tmp_path)
    Marks(site.home, site.home / "trust").begin()
    mark = (site.home / "begun").read_bytes()
    Marks(site.home, site.home / "trust").begin()

    assert (site.home / "begun").read_bytes() == mark
    assert (site.home / "begun").stat().st_mode & 0o777 == 0o644
    assert (site.home / "trust/begun").stat().st_mode & 0o777 == 0o600
    assert site.send(1) == (200, "")


@as_root
def test_who_may_not_look_at_the_state_does_not_call_it_lost(open_folder: Path):
    owners, kept = open_folder / "etc", open_folder / "state" / "trust"
    owners.mkdir()
    kept.parent.mkdir(mode=0o700)
    marks = Marks(owners, kept)
    marks.begin()
    os.seteuid(STRANGER)
    try:
        assert not marks.lost()
    finally:
        os.seteuid(0)
    (kept / "begun").unlink()
    assert marks.lost()


def reset(site: Site, floor: object) -> int:
    body = json.dumps({"floor": floor}).encode()
    number = site.loop.store.deliver("trust-reset", "cli (uid 0)", body, site.loop.clock.now())
    site.loop.run(5)
    decision = site.loop.store.decision(number)
    assert decision is not None
    return decision.code


@pytest.mark.parametrize("floor", [0, -1, 2**53, True, "7", None])
def test_a_floor_is_a_version(site: Site, floor: object):
    site.lose(*ALL)

    assert reset(site, floor) == 400
    assert replace(site.loop.last.ledger, ticking=None) == Ledger(desired=None)
