"""Are the schema and the examples what the agent takes today?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgetender.decide.planner import plan
from edgetender.decide.resolving import aim, resolve
from edgetender.documents import load_document
from edgetender.errors import ManifestInvalid
from edgetender.model.hardware import Fact, Hardware
from edgetender.model.ledger import Ledger
from edgetender.model.observed import Observed
from edgetender.model.plan import Create, Pull
from edgetender.model.reading import manifest_of
from edgetender.model.schema import manifest_schema
from tests.builders.json_schema import faults
from tests.builders.manifests import manifest, module, slot
from tests.fakes.clock import NOON

ROOM = Path(__file__).resolve().parents[2] / "deployment-manifests"
EXAMPLES = sorted(ROOM.glob("examples/*.yaml"))
PLAIN = Hardware((Fact("arch", "amd64", "test"), Fact("accelerator", "none", "test")))
NVIDIA = Hardware((Fact("arch", "amd64", "test"), Fact("accelerator", "nvidia", "test")))
ARM = Hardware((Fact("arch", "arm64", "test"), Fact("accelerator", None, "test", "no one looked")))

examples = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def test_the_schema_on_disk_is_the_model_s() -> None:
    on_disk = (ROOM / "schema/edgetender-v1.schema.json").read_text()
    wanted = json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"
    assert on_disk == wanted, "run: edgetender validate --schema > deployment-manifests/schema/…"


def test_every_key_of_the_schema_has_a_type_that_is_understood_and_most_say_what_they_mean() -> None:
    schema = manifest_schema()
    objects = [schema, *schema["$defs"].values()]
    properties = [(name, one) for each in objects for name, one in each.get("properties", {}).items()]
    silent = {name for name, one in properties if "description" not in one and "$ref" not in one}
    assert silent <= {"protocol", "path", "read_only"}  # these speak for themselves


@examples
def test_an_example_is_taken_and_fits_the_schema(path: Path) -> None:
    document = load_document(path).value
    manifest_of(document)
    assert faults(manifest_schema(), document) == []
    assert path.read_text().startswith(
        "# yaml-language-server: $schema=../schema/edgetender-v1.schema.json\n# "
    )


@examples
@pytest.mark.parametrize("hardware", [PLAIN, NVIDIA, ARM], ids=["plain", "nvidia", "arm"])
def test_an_example_resolves_and_plans_on_every_kind_of_device(path: Path, hardware: Hardware) -> None:
    document = load_document(path).value
    read = manifest_of(document)
    ledger = Ledger(candidate=slot(document))
    resolution = resolve(slot(document), read, hardware, ledger)
    assert resolution.blocked == ()
    first = plan(aim(resolution, None, Observed()), Observed(), ledger, NOON)
    assert {step.module for step in first.steps} == set(read.modules)
    assert all(isinstance(step, Pull) for step in first.steps)

    pinned = {
        f"{slot(document).sha256[:16]} {one.reference}": _pin(one.reference) for one in resolution.wanted
    }
    here = Observed(images=frozenset(pinned.values()) | {one.reference for one in resolution.wanted})
    ledger = Ledger(candidate=slot(document), resolved=pinned)
    target = aim(resolve(slot(document), read, hardware, ledger), None, here)
    second = plan(target, here, ledger, NOON)
    assert {type(step) for step in second.steps} <= {Create}
    assert {step.module for step in second.steps} == set(read.modules)


@pytest.mark.parametrize(
    ("hardware", "variant"),
    [(NVIDIA, "cuda"), (PLAIN, "cpu"), (ARM, "cpu-arm")],
    ids=["nvidia", "plain", "arm"],
)
def test_the_variants_example_runs_what_fits_the_device(hardware: Hardware, variant: str) -> None:
    document = load_document(ROOM / "examples/variants.yaml").value
    resolution = resolve(slot(document), manifest_of(document), hardware, Ledger())
    assert [one.variant for one in resolution.considered if one.verdict == "chosen"] == [variant]


def test_the_private_registry_s_image_is_fetched_with_the_named_credential() -> None:
    document = load_document(ROOM / "examples/private-registry.yaml").value
    (wanted,) = resolve(slot(document), manifest_of(document), PLAIN, Ledger()).wanted
    assert wanted.credential == "line3-registry"


WRONG: dict[str, dict[str, Any]] = {
    "an unknown key": manifest(1, scorer=module(colour="green")),
    "a name in capitals": manifest(1, Scorer=module()),
    "two sources": manifest(1, scorer=module(variants=[{"name": "a", "image": "x"}])),
    "no source": manifest(1, scorer={}),
    "two ways to be ready": manifest(1, scorer=module(health={"http": {}, "docker": True})),
    "a port that is none": manifest(1, scorer=module(ports=["6789"])),
    "a port out of range": manifest(1, scorer=module(ports=[{"host": 70000, "container": 1}])),
    "negative memory": manifest(1, scorer=module(resources={"memory": "-64MiB"})),
    "no cores": manifest(1, scorer=module(resources={"cpus": 0})),
    "a duration that is none": manifest(1, scorer=module(stop_grace="soon")),
    "a restart that is none": manifest(1, scorer=module(restart="sometimes")),
    "a relative path": manifest(1, scorer=module(volumes=[{"name": "a", "path": "data"}])),
    "a version of 0": manifest(1) | {"version": 0},
    "another schema": manifest(1) | {"schema": "edgetender/v2"},
    "nothing, and not on purpose": manifest(1) | {"modules": {}},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_agent_refuses_for_its_shape_does_not_fit_the_schema_either(name: str) -> None:
    with pytest.raises(ManifestInvalid):
        manifest_of(WRONG[name])
    assert faults(manifest_schema(), WRONG[name])


@pytest.mark.parametrize(
    "more",
    [
        {"ports": ["6789:5001", "0.0.0.0:6790:5001/udp", {"host": 1, "container": 2, "address": "::1"}]},
        {"image": None, "variants": [{"name": "a", "image": "x", "requires": {"tensorrt": ">=10"}}]},
        {"resources": {"memory": "1.5 GB", "cpus": 0.5, "pids": 8}, "stop_grace": "1h30m"},
        {"resources": {"memory": 8_000_000}, "stop_grace": 2.5, "health": {"http": None, "docker": True}},
    ],
    ids=["ports", "variants", "texts", "numbers"],
)
def test_every_spelling_fits_both(more: dict[str, Any]) -> None:
    document = manifest(1, scorer=module(**more))
    manifest_of(document)
    assert faults(manifest_schema(), document) == []


def _pin(reference: str) -> str:
    return reference if "@" in reference else f"{reference.rpartition(':')[0]}@sha256:{'b' * 64}"
