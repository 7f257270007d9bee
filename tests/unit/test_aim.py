"""What shall run now: which slot's containers, which pulls, and what is left alone?"""

from __future__ import annotations

from datetime import UTC

from edgetender.decide.changes import changes, summary
from edgetender.decide.planning import plan_document
from edgetender.decide.resolving import aim, pinned_image, resolution_key
from edgetender.model.gate import Hold, Rules
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.ledger import Condemnation, Demotion, Ledger
from edgetender.model.observed import Observed, Status
from edgetender.model.reading import manifest_of
from edgetender.model.window import window_of
from tests.builders.ledgers import container, holding, looked, resolution, target
from tests.builders.loops import AMD64
from tests.builders.manifests import SCORER, body, image, manifest, module, slot
from tests.fakes.clock import NOON

TAG, NEXT = "registry.example/scorer:1", image("next")
ONE, TWO = manifest(1), manifest(2, scorer=module(image=NEXT))
VARIANTS = [
    {"name": "cuda", "image": image("cuda"), "requires": {"accelerator": "nvidia"}, "env": {"DEVICE": "gpu"}},
    {"name": "cpu", "image": image("cpu")},
]
NVIDIA = Hardware((Fact("arch", "amd64", "test"), Fact("accelerator", "nvidia", "nvidia-smi")))


def here(*images: str) -> Observed:
    return Observed(images=frozenset(images))


# --- resolving


def test_the_first_variant_that_fits_is_turned_into_a_container():
    made = resolution(manifest(1, m={"variants": VARIANTS, "env": {"A": "1"}}), hardware=NVIDIA)
    (spec,) = made.containers
    assert (spec.variant, spec.image, spec.gpu) == ("cuda", image("cuda"), True)
    assert spec.env == (("A", "1"), ("DEVICE", "gpu"))


def test_a_module_without_a_fitting_variant_blocks_with_every_reason():
    made = resolution(manifest(1, m={"variants": VARIANTS[:1]}))
    assert made.containers == ()
    assert made.blocked == (
        ("m", "no variant fits this device (cuda: needs an NVIDIA accelerator, found none)"),
    )


def test_a_demoted_variant_is_passed_over_for_its_image_only():
    fallen = Ledger(demotions=(Demotion("m", "cuda", image("cuda"), "no such device", NOON),))
    newer = [VARIANTS[0] | {"image": image("cuda", "b")}, VARIANTS[1]]
    assert resolution(manifest(1, m={"variants": VARIANTS}), fallen, NVIDIA).containers[0].variant == "cpu"
    assert resolution(manifest(1, m={"variants": newer}), fallen, NVIDIA).containers[0].variant == "cuda"


def test_a_tag_runs_as_what_it_was_resolved_to_for_this_manifest():
    tagged = manifest(1, scorer=module(image=TAG))
    ledger = Ledger(resolved={resolution_key(slot(tagged), TAG): SCORER})
    assert resolution(tagged).containers == ()
    assert resolution(tagged, ledger).containers[0].image == SCORER
    assert pinned_image(slot(tagged), SCORER, Ledger()) == SCORER


def test_the_credential_s_name_travels_with_the_image():
    document = manifest(1) | {"registries": {"registry.example": {"credential": "plant"}}}
    assert resolution(document).wanted[0].credential == "plant"


def test_how_readiness_is_judged_is_not_part_of_what_a_container_is():
    probed = module(health={"http": {}}, restart="never", stop_grace=1)
    specs = [target(manifest(1, scorer=one)).spec("scorer") for one in (module(), probed)]
    assert specs[0].digest == specs[1].digest
    assert specs[0].digest != target(manifest(1, scorer=module(env={"X": "1"}))).spec("scorer").digest


# --- aiming


def test_with_nothing_deployed_everything_is_left_alone():
    aimed = aim(None, None, looked(container(target(ONE).spec("scorer"))))
    assert (aimed.version, aimed.containers, aimed.prune) == (None, (), False)


def test_the_accepted_version_is_the_target_while_the_candidate_s_images_are_fetched():
    aimed = aim(resolution(TWO), resolution(ONE), here(SCORER))
    assert (aimed.version, [spec.image for spec in aimed.containers]) == (1, [SCORER])
    assert [wanted.reference for wanted in aimed.fetch] == [NEXT]


def test_the_candidate_is_the_target_once_all_of_its_images_are_here():
    two = manifest(2, scorer=module(image=NEXT), other=module(image=image("other")))
    assert aim(resolution(two), resolution(ONE), here(SCORER, NEXT)).version == 1
    assert aim(resolution(two), resolution(ONE), here(NEXT, image("other"))).version == 2


def test_an_image_that_runs_already_needs_no_pull_though_its_name_is_gone():
    runs = container(target(ONE).spec("scorer"), Status.EXITED)
    assert aim(resolution(ONE), None, looked(runs, images=frozenset())).version == 1


def test_a_first_candidate_that_is_not_here_prunes_nothing():
    aimed = aim(resolution(ONE), None, here())
    assert (aimed.version, aimed.prune, [w.reference for w in aimed.fetch]) == (None, False, [SCORER])


def test_a_missing_image_of_the_accepted_version_is_fetched_again_also_beside_a_candidate():
    assert [w.reference for w in aim(None, resolution(ONE), here()).fetch] == [SCORER]
    assert [w.reference for w in aim(resolution(TWO), resolution(ONE), here()).fetch] == [SCORER, NEXT]


def test_a_blocked_candidate_leaves_the_accepted_version_and_says_why():
    blocked = resolution(manifest(2, scorer={"variants": VARIANTS[:1]}))
    aimed = aim(blocked, resolution(ONE), here(SCORER, image("cuda")))
    assert (aimed.version, aimed.prune) == (1, True)
    assert "needs an NVIDIA accelerator" in dict(aimed.blocked)["scorer"]


# --- changes


def test_each_module_is_added_changed_removed_or_kept():
    before = manifest_of(manifest(1, keep=module(), change=module(), gone=module()))
    after = manifest_of(manifest(2, keep=module(), change=module(env={"T": "1"}, image=NEXT), new=module()))
    found = {one.module: one for one in changes(before, after)}
    assert {name: one.action for name, one in found.items()} == {
        "keep": "keep", "change": "change", "gone": "remove", "new": "add",
    }  # fmt: skip
    assert [(f.field, f.before, f.after) for f in found["change"].fields] == [
        ("env.T", None, "1"), ("image", SCORER, NEXT),
    ]  # fmt: skip
    assert summary(changes(before, after)) == "~change -gone +new"


def test_against_nothing_everything_is_added():
    assert summary(changes(None, manifest_of(ONE))) == "+scorer"


def test_a_value_spelled_as_its_default_is_no_change():
    spelled = manifest_of(manifest(2, scorer=module(restart="always", health={"interval": "5s"})))
    assert summary(changes(manifest_of(ONE), spelled)) == ""


# --- the plan a person asks for


def planned(document, ledger: Ledger | None = None, observed: Observed | None = None):
    return plan_document(body(document), ledger or holding(ONE), AMD64, observed)


def test_a_plan_says_what_would_change_with_which_variant_and_what_must_be_pulled():
    told = planned(TWO, observed=here(SCORER))
    assert (told["version"], told["runningVersion"], told["deployment"]) == (2, 1, "line3")
    (one,) = told["modules"]
    assert (one["name"], one["change"], one["variant"], one["why"]) == (
        "scorer", "change", "default", "needs nothing in particular",
    )  # fmt: skip
    assert one["details"] == [{"what": "image", "from": SCORER, "to": NEXT}]
    assert told["notes"] == [f"needs a pull: {NEXT}"]


def test_a_plan_says_why_a_manifest_would_be_refused():
    condemned = holding(ONE, condemned={slot(TWO).sha256: Condemnation(2, "it crashed", NOON)})
    assert "taken back" in planned(TWO, condemned)["notes"][0]
    assert "use 3 or higher" in planned(ONE, holding(TWO))["notes"][0]
    assert "other content" in planned(manifest(2), holding(TWO))["notes"][0]
    assert planned(TWO, holding(TWO))["notes"] == []


def test_a_plan_says_why_no_better_variant_is_taken():
    told = planned(manifest(2, scorer={"variants": VARIANTS}))
    (one,) = told["modules"]
    assert (one["variant"], one["why"]) == ("cpu", "cuda rejected: needs an NVIDIA accelerator, found none")
    better = plan_document(body(manifest(2, scorer={"variants": VARIANTS})), holding(ONE), NVIDIA, None)
    assert (better["modules"][0]["variant"], "rejected" in better["modules"][0]["why"]) == ("cuda", False)


def test_a_plan_says_which_module_cannot_run_here_and_which_goes():
    told = planned(manifest(2, new={"variants": VARIANTS[:1]}))
    why = {one["name"]: one["why"] for one in told["modules"]}
    assert why["scorer"] == "the manifest has no such module"
    assert "needs an NVIDIA accelerator" in why["new"]
    told = planned(manifest(2, new={"variants": [VARIANTS[0] | {"requires": {"accelerator": "cuda"}}]}))
    assert "needs the accelerator cuda, found none" in str(told["modules"])


def test_a_plan_says_what_the_version_would_wait_for_and_until_when():
    night = Rules(apply=(window_of("0 2 * * sat for 4h", lambda _: UTC),))
    told = plan_document(body(TWO), holding(ONE), AMD64, here(SCORER), night, NOON)
    assert told["notes"][-1] == (
        "would wait 3d 14h, until 2026-11-28T02:00:00.000Z: apply is for 0 2 * * sat for 4h (override: --now)"
    )
    held = holding(ONE, holds={"": Hold("cli (uid 0)", NOON, None, "fair")})
    told = plan_document(body(TWO), held, AMD64, here(SCORER), night, NOON)
    assert (
        told["notes"][-1]
        == "would wait: the device is held by cli (uid 0): fair (edgetender release ends it)"
    )
    open_now = plan_document(body(TWO), holding(ONE), AMD64, here(SCORER), Rules(), NOON)
    assert not [note for note in open_now["notes"] if "wait" in note]
