"""Signed manifests at a device's door: for whom, since when, after what; nothing that is refused has an effect."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edgetender.clock import rfc3339
from edgetender.decide.admission import Admission, admit, floor_held, take
from edgetender.model.examined import Identity
from edgetender.model.ledger import Delivery, Ledger
from edgetender.model.observed import Observed
from edgetender.trust.device import DeviceTrust
from tests.builders.manifests import body, delivery, manifest, module
from tests.builders.signing import Keys, deployment, signed, signed_root
from tests.fakes.clock import NOON

KEYS = Keys()
OWN = Identity("cam7", ("line3",), "amd64")
DAY = timedelta(days=1)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


class Door:
    """A device with a trust root, and what it remembers."""

    def __init__(self, home: Path, *, required: bool = False) -> None:
        self.home = home
        self.trust = DeviceTrust(home, OWN, required=required)
        self.ledger = Ledger()
        self.now = NOON

    def install(self, **more: Any) -> None:
        (self.home / "root.json").write_bytes(signed_root(KEYS, **more))

    def knock(self, envelope: bytes) -> Admission:
        came = Delivery(1, "manifest", "mqtt", envelope, self.now)
        admission = admit(came, self.ledger, self.trust.examine(envelope, self.now))
        self.ledger = take(self.ledger, admission)
        return admission

    def refused(self, envelope: bytes) -> tuple[int, str, str]:
        """Code, path and reason; and nothing else came of it."""
        before = self.ledger
        admission = self.knock(envelope)
        ((path, reason, _),) = admission.desired.problems
        assert admission.slot is None
        assert replace(self.ledger, desired=before.desired) == before
        return admission.desired.code, path, reason


def version(number: int, **more: Any) -> bytes:
    return signed(KEYS, deployment(manifest(number), **more))


def test_what_a_trusted_key_signed_for_this_device_is_taken(door: Door):
    door.install()

    assert door.knock(version(7)).desired.code == 406
    assert (door.ledger.floor_epoch, door.ledger.floor) == (1, 7)


def test_an_unsigned_manifest_is_refused_where_a_root_is_installed(door: Door):
    door.install()

    assert door.refused(body(manifest(3))) == (403, "", "signature.missing")
    assert door.ledger.desired
    assert door.ledger.desired.version == 3


def test_the_twin_of_iot_edge_is_unsigned(door: Door):
    door.install()
    twin = b'{"schemaVersion":"1.1","runtime":{"type":"docker"},"modules":{},"$version":4}'

    assert door.refused(twin)[2] == "signature.missing"


def test_a_changed_envelope_is_refused_with_the_version_it_claims(door: Door):
    door.install()
    stranger = signed(KEYS, deployment(manifest(9)), by=["stranger"])

    assert door.refused(stranger) == (403, "signatures", "signature.invalid")
    assert door.ledger.desired
    assert door.ledger.desired.version == 9


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ({"devices": ["cam8"]}, "target.other_device"),
        ({"groups": ["line4"]}, "target.other_device"),
        ({"devices": ["cam7"], "architectures": ["arm64"]}, "target.other_hardware"),
        ({}, "target.none"),
    ],
)
def test_what_is_for_others_is_refused(door: Door, targets: Any, reason: str):
    door.install()

    assert door.refused(version(1, targets=targets))[2] == reason


@pytest.mark.parametrize(
    "targets", [{"devices": ["cam7"]}, {"groups": ["line3"], "devices": ["x"], "architectures": ["amd64"]}]
)
def test_what_names_the_device_or_its_group_is_taken(door: Door, targets: Any):
    door.install()

    assert door.knock(version(1, targets=targets)).slot is not None


@pytest.mark.parametrize(
    ("issued", "until", "reason"),
    [
        (NOON - 2 * DAY, NOON - DAY, "manifest.expired"),
        (NOON - DAY, NOON, "manifest.expired"),
        (NOON, NOON + 3650 * DAY, "manifest.validity"),
        (NOON, NOON - DAY, "manifest.validity"),
        (NOON + DAY, NOON + 2 * DAY, "manifest.issued_in_future"),
    ],
)
def test_what_is_not_to_be_taken_now_is_refused(door: Door, issued: datetime, until: datetime, reason: str):
    door.install()

    envelope = version(1, issued_at=rfc3339(issued), not_after=rfc3339(until))

    assert door.refused(envelope)[2] == reason


def test_what_runs_goes_on_when_its_time_is_over(door: Door):
    door.install()
    envelope = version(1)
    door.knock(envelope)
    door.now = NOON + 90 * DAY

    assert door.knock(envelope).seen  # the broker retains it


def test_a_clock_that_was_set_back_lets_nothing_in_that_ended(door: Door):
    door.install()
    door.knock(version(1))
    old = version(2, issued_at=rfc3339(NOON - 3 * DAY), not_after=rfc3339(NOON - DAY))
    door.now = NOON - 2 * DAY

    assert door.refused(old)[2] == "manifest.expired"


def test_a_device_whose_clock_begins_in_1970_takes_what_holds(door: Door):
    door.install()
    door.now = datetime(1970, 1, 1, tzinfo=UTC)

    assert door.knock(version(1)).slot is not None
    assert door.ledger.trusted_at == NOON - timedelta(hours=1)  # so late it is at least


def test_an_older_version_is_a_rollback_and_another_of_the_same_an_equivocation(door: Door):
    door.install()
    door.knock(version(7))
    other = signed(KEYS, deployment(manifest(7, scorer=module(env={"A": "1"}))))

    assert door.refused(version(6)) == (409, "version", "manifest.rollback")
    assert door.refused(other) == (409, "version", "manifest.equivocation")
    assert door.knock(version(7, not_after=rfc3339(NOON + 2 * DAY))).seen  # signed anew, the same content


def test_a_version_that_would_use_up_the_numbers_is_refused(door: Door):
    door.install()
    door.knock(version(7))

    assert door.refused(version(1_000_008)) == (403, "manifest.version", "manifest.version_range")
    assert door.refused(version(2**63))[1:] == ("version", "less_than_equal")
    assert door.knock(version(1_000_007)).slot is not None


def test_a_new_epoch_of_the_root_begins_the_versions_anew(door: Door):
    door.install()
    door.knock(version(999_999))
    door.install(version=2, epoch=2)

    assert door.refused(version(1))[2] == "manifest.epoch"
    assert door.knock(version(1, epoch=2)).slot is not None
    assert (door.ledger.floor_epoch, door.ledger.floor) == (2, 1)
    assert floor_held(door.ledger, Observed()) == door.ledger


def test_the_versions_of_containers_hold_where_the_ledger_was_lost(door: Door):
    door.install()
    door.ledger = Ledger(floor=7)  # what labels say: no epoch

    assert door.refused(version(6))[2] == "manifest.rollback"
    assert door.knock(version(8)).slot is not None


def test_a_root_that_was_brought_in_counts_from_the_next_manifest_on(door: Door):
    door.install()
    door.knock(version(1))
    door.install(version=2, manifest=["manifest-2"], revoked=["manifest-1"])

    assert door.refused(version(2))[2] == "signature.revoked"
    assert door.knock(signed(KEYS, deployment(manifest(2)), by=["manifest-2"])).slot is not None


def test_without_a_root_an_open_device_takes_what_is_unsigned_and_says_so(door: Door):
    (note,) = door.trust.notes()

    assert "whoever reaches this device decides what runs on it" in note
    assert door.knock(body(manifest(1))).slot is not None
    assert door.refused(version(2))[2] == "trust.no_root"


def test_without_a_root_a_device_that_wants_signatures_takes_nothing(tmp_path: Path):
    door = Door(tmp_path, required=True)

    assert door.refused(body(manifest(1)))[2] == "trust.no_root"
    assert door.refused(version(1))[2] == "trust.no_root"
    assert "no manifest is taken" in door.trust.notes()[0]


def test_a_root_that_cannot_be_read_or_that_others_can_change_lets_nothing_in(door: Door):
    door.install()
    root = door.home / "root.json"
    root.chmod(0o666)
    assert door.refused(version(1))[2] == "trust.root_unusable"
    assert "others can change it" in door.trust.notes()[0]

    root.chmod(0o644)
    root.write_bytes(b"{}")
    assert door.refused(version(1))[2] == "trust.root_unusable"

    root.unlink()
    root.symlink_to("/dev/null")
    assert door.refused(version(1))[2] == "trust.root_unusable"


def test_without_trust_a_manifest_is_taken_as_it_is():
    assert admit(delivery(manifest(1)), Ledger()).slot is not None
