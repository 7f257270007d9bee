"""May this document become the candidate?"""

from __future__ import annotations

import json

import pytest

from edgetender.decide.admission import admit, floor_held, take
from edgetender.model.ledger import Condemnation, Desired, Ledger
from edgetender.model.observed import Status
from tests.builders.iotedge import edge_agent, edge_deployment, edge_module
from tests.builders.ledgers import container, holding, looked, target
from tests.builders.manifests import delivery, manifest, module, slot
from tests.fakes.clock import NOON

ONE, TWO, OTHER_TWO = manifest(1), manifest(2), manifest(2, scorer=module(env={"X": "1"}))


def codes(admission) -> list[str]:
    return [code for _, code, _ in admission.desired.problems]


def test_a_first_manifest_is_taken_whatever_its_version():
    admission = admit(delivery(manifest(41)), Ledger())
    assert (admission.slot.version, admission.desired.code) == (41, 406)
    assert take(Ledger(), admission).floor == 41


def test_a_higher_version_is_taken_and_raises_the_floor():
    ledger = take(holding(ONE), admit(delivery(TWO), holding(ONE)))
    assert (ledger.candidate.version, ledger.accepted.version, ledger.floor) == (2, 1, 2)


def test_a_lower_version_is_refused_with_its_reason_and_what_helps():
    admission = admit(delivery(ONE), holding(TWO))
    assert (admission.slot, admission.desired.code, codes(admission)) == (None, 409, ["manifest.rollback"])
    assert "send version 3 or higher" in admission.desired.description


def test_the_same_version_with_other_content_is_refused():
    admission = admit(delivery(OTHER_TWO), holding(TWO))
    assert (admission.slot, admission.desired.code, codes(admission)) == (
        None,
        409,
        ["manifest.equivocation"],
    )
    assert "version 3" in admission.desired.description


def test_the_same_content_spelled_differently_is_the_same_manifest():
    spelled = (
        b'{ "version":2, "modules":{"scorer":{"image":"%s"}}, "schema":"edgetender/v1","deployment":"line3" }'
    )
    body = spelled % TWO["modules"]["scorer"]["image"].encode()
    assert admit(delivery(body), holding(TWO)).seen


@pytest.mark.parametrize(
    ("ledger", "code"), [(holding(TWO), 200), (holding(ONE, TWO), 406)], ids=["accepted", "candidate"]
)
def test_a_known_manifest_is_answered_with_what_became_of_it_also_after_others_were_refused(ledger, code):
    refused = take(ledger, admit(delivery(ONE), ledger))
    admission = admit(delivery(TWO), refused)
    assert (admission.seen, admission.desired.version, admission.desired.code) == (True, 2, code)
    assert take(refused, admission) == refused


def test_a_condemned_manifest_is_refused_with_the_reason_of_then():
    ledger = holding(ONE, condemned={slot(TWO).sha256: Condemnation(2, "it crashed", NOON)})
    admission = admit(delivery(TWO), ledger)
    assert (admission.desired.code, codes(admission)) == (417, ["manifest.condemned"])
    assert "it crashed" in admission.desired.description
    assert admit(delivery(TWO), take(ledger, admission)).seen


def test_a_condemned_manifest_s_version_may_not_come_with_other_content():
    ledger = holding(ONE, TWO, condemned={slot(TWO).sha256: Condemnation(2, "it crashed", NOON)})
    assert codes(admit(delivery(OTHER_TWO), ledger)) == ["manifest.equivocation"]


def test_what_is_no_manifest_is_refused_with_every_fault_and_its_version_if_it_has_one():
    admission = admit(delivery(manifest(7, scorer={"bogus": 1, "image": "UPPER"})), holding(ONE))
    assert (admission.desired.version, admission.desired.code) == (7, 400)
    assert [path for path, _, _ in admission.desired.problems] == [
        "modules.scorer.bogus",
        "modules.scorer.image",
    ]
    for body in (b"", b"[]", b"{", b'{"version": true}', b'{"version": 1e3}'):
        assert admit(delivery(body), holding(ONE)).desired.version is None


def test_a_refused_manifest_changes_only_what_is_reported():
    ledger = holding(TWO)
    after = take(ledger, admit(delivery(ONE), ledger))
    assert after.desired == Desired(1, 409, after.desired.description, NOON, after.desired.problems)
    assert (after.accepted, after.candidate, after.floor) == (ledger.accepted, None, 2)


def test_a_thousand_faults_are_told_by_fifty():
    admission = admit(delivery(manifest(1) | {f"k{n}": 1 for n in range(1000)}), Ledger())
    assert len(admission.desired.problems) == 50
    assert admission.desired.description.startswith("cannot accept the manifest: 1000 faults")


def test_with_the_state_lost_what_runs_says_how_far_the_versions_got():
    spec = target(TWO).spec("scorer")
    ledger = floor_held(Ledger(), looked(container(spec, Status.EXITED, version=2)))
    assert ledger.floor == 2
    assert admit(delivery(ONE), ledger).desired.code == 409
    assert admit(delivery(TWO), ledger).slot.version == 2
    assert floor_held(holding(TWO), looked(container(spec, version=2))) == holding(TWO)


def test_an_iot_edge_twin_is_taken_as_the_version_that_its_hub_counts():
    twin = edge_agent(scorer=edge_module()) | {"$version": 12}
    admission = admit(delivery(json.dumps(twin).encode()), Ledger())
    assert admission.slot is not None
    assert (admission.slot.version, admission.slot.deployment) == (12, "iotedge")
    assert json.loads(admission.slot.body)["schema"] == "edgetender/v1"


def test_what_an_iot_edge_twin_asks_for_in_vain_is_refused_with_its_path_and_version():
    twin = edge_agent(scorer=edge_module(options={"User": "0"})) | {"$version": 12}
    admission = admit(delivery(json.dumps(twin).encode()), Ledger())
    assert (admission.desired.version, admission.desired.code) == (12, 400)
    [(path, code, _)] = admission.desired.problems
    assert (path, code) == ("modules.scorer.settings.createOptions.User", "iotedge.unsupported")


def test_an_iot_edge_file_has_no_version_and_says_what_helps():
    admission = admit(delivery(json.dumps(edge_deployment(a=edge_module())).encode()), Ledger())
    assert admission.desired.code == 400
    assert "convert --version" in admission.desired.description
