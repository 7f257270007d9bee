"""An image is looked at before it is fetched, and of an index the child of the processor's level is taken."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from edgetender.decide.bookkeeping import record_pull
from edgetender.decide.resolving import pinned_image, resolve
from edgetender.errors import DiskFull
from edgetender.model.image import ImageFacts, ImageTraits, parse_reference
from edgetender.model.ledger import Ledger
from edgetender.model.plan import PullOutcome
from edgetender.model.reading import manifest_of
from edgetender.model.target import ImageWanted
from edgetender.puller import Puller
from edgetender.registry.manifests import Descriptor, Index, choose
from tests.builders.hardware import gpu, machine, variant
from tests.builders.manifests import image, manifest, slot
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.engine import FakeEngine
from tests.fakes.registry import FakeImages

NAME = "registry.example/team/scorer"
INDEX, CHILD = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def fetched(wanted: ImageWanted, level: str = "", **more: Any) -> tuple[PullOutcome, FakeEngine]:
    """What one pull ends with, its worker run on this thread."""
    engine, images = FakeEngine(registry=[f"{NAME}@{INDEX}", f"{NAME}@{CHILD}"]), FakeImages()
    said = {"digest": CHILD, "index_digest": INDEX, "architecture": "amd64", "variant": level, "os": "linux"}
    given = said | {"download_bytes": 2**20, "layers": ()} | more
    images.hold(parse_reference(f"{NAME}:1"), ImageFacts(**given))
    puller = Puller(
        engine, images, FakeCredentials(), FakeClock(), architecture="amd64", level=level, stall_s=60,
        wake=lambda: None, stopping=threading.Event(),
    )  # fmt: skip
    puller.submit(wanted)
    puller.close(1)
    puller.work()
    (outcome,) = puller.finished()
    return outcome, engine


def test_an_image_that_nobody_has_looked_at_is_only_looked_at():
    env = ("PATH=/bin", "NVIDIA_REQUIRE_CUDA=cuda>=12.8")
    outcome, engine = fetched(ImageWanted("m", f"{NAME}:1", looked=False), env=env)
    assert (outcome.pinned, outcome.error) == (None, None)
    assert outcome.traits == ImageTraits("amd64", "", ("NVIDIA_REQUIRE_CUDA=cuda>=12.8",), (), (), 2**20)
    assert engine.effects == []
    assert not engine.images()


def test_one_that_was_looked_at_is_fetched_by_the_index_s_digest():
    outcome, engine = fetched(ImageWanted("m", f"{NAME}:1"))
    assert outcome.pinned == f"{NAME}@{INDEX}"
    assert f"{NAME}@{INDEX}" in engine.images()


def test_of_an_index_with_levels_the_child_that_fits_is_fetched_by_its_own_digest():
    outcome, engine = fetched(ImageWanted("m", f"{NAME}@{INDEX}"), level="v3")
    assert outcome.pinned == f"{NAME}@{CHILD}"
    assert f"{NAME}@{INDEX}" not in engine.images()
    held = slot(manifest(1, m={"image": f"{NAME}@{INDEX}"}))
    after = record_pull(Ledger(accepted=held), outcome, NOON)
    assert pinned_image(held, f"{NAME}@{INDEX}", after) == f"{NAME}@{CHILD}"


def test_disk_that_a_variant_asks_for_must_be_free_before_the_first_byte():
    outcome, engine = fetched(ImageWanted("m", f"{NAME}:1", disk_bytes=10**15))
    assert isinstance(outcome.error, DiskFull)
    assert not engine.images()


@pytest.mark.parametrize(
    ("architecture", "level", "expected"),
    [
        ("amd64", "v4", "v3"), ("amd64", "v3", "v3"), ("amd64", "v2", "v2"), ("amd64", "v1", ""), ("amd64", "", ""),
        ("arm64", "v8.2", "v8.2"), ("arm64", "v9", "v8.2"), ("arm64", "v8.1", "v8"), ("arm64", "", "v8"),
        ("arm", "v6", "v6"), ("arm", "v7", "v7"),
    ],
)  # fmt: skip
def test_the_highest_level_that_this_processor_has_is_taken(architecture: str, level: str, expected: str):
    there = {"amd64": ("", "v2", "v3"), "arm64": ("v8", "v8.2"), "arm": ("v6", "v7")}
    children = tuple(
        Descriptor(f"sha256:{n}", 1, "", "linux", arch, name)
        for n, (arch, names) in enumerate(there.items())
        for name in names
    )
    found = choose(Index(children), architecture, level)
    assert found is not None
    assert found.variant == expected


def resolved(ledger: Ledger, document: dict[str, Any], hardware: Any) -> Any:
    return resolve(slot(document), manifest_of(document), hardware, ledger)


def test_what_an_image_turns_out_to_ask_for_leaves_it_for_the_next_before_a_layer_came():
    document = manifest(1, m={"variants": [variant("cuda", {"accelerator": "nvidia"}), variant("cpu")]})
    host = machine(gpu(), cuda="12.4", nvidia_driver="550.1")
    ledger = Ledger(candidate=slot(document))
    first = resolved(ledger, document, host)
    assert [(one.reference, one.looked) for one in first.wanted] == [(image("cuda"), False)]
    traits = ImageTraits("amd64", "", ("NVIDIA_REQUIRE_CUDA=cuda>=12.8",))
    ledger = record_pull(ledger, PullOutcome(first.wanted[0], traits=traits), NOON)
    then = resolved(ledger, document, host)
    assert [one.reference for one in then.wanted] == [image("cpu")]
    assert then.considered[0].because == (
        "needs image.NVIDIA_REQUIRE_CUDA cuda>=12.8, found cuda 12.4, driver 550.1"
    )
    newer = resolved(ledger, document, machine(gpu(), cuda="12.8", nvidia_driver="570.1"))
    assert [(one.reference, one.looked) for one in newer.wanted] == [(image("cuda"), True)]
