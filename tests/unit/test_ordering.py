"""Who waits for whom, as the manifest says it and as IoT Edge said it."""

from __future__ import annotations

import pytest

from edgetender.convert.iotedge import convert
from edgetender.errors import ManifestInvalid
from edgetender.model.reading import manifest_of
from tests.builders.iotedge import edge_deployment, edge_module
from tests.builders.manifests import manifest, module


def faults(**wishes: list[str]) -> list[tuple[str, str]]:
    document = manifest(1, **{name: module(depends_on=wanted) for name, wanted in wishes.items()})
    try:
        manifest_of(document)
    except ManifestInvalid as error:
        return [(one.path, str(one.message)) for one in error.problems]
    return []


def test_modules_may_depend_on_others_of_the_manifest():
    assert faults(db=[], scorer=["db"], page=["scorer", "db"]) == []


def test_a_module_that_is_not_there_cannot_be_waited_for():
    assert faults(scorer=["db"]) == [("modules.scorer.depends_on[0]", "there is no module 'db'")]


def test_a_circle_is_refused_at_each_of_its_links():
    assert faults(a=["b"], b=["c"], c=["a"], d=["a"]) == [
        ("modules.a.depends_on[0]", "each waits for the other: a → b → c → a"),
        ("modules.b.depends_on[0]", "each waits for the other: b → c → a → b"),
        ("modules.c.depends_on[0]", "each waits for the other: c → a → b → c"),
    ]
    assert faults(a=["a"]) == [("modules.a.depends_on[0]", "each waits for the other: a → a")]


def test_a_circle_is_named_beside_other_faults():
    document = manifest(1, a=module(depends_on=["a"], restart="sometimes"))
    with pytest.raises(ManifestInvalid) as refused:
        manifest_of(document)
    assert {one.path for one in refused.value.problems} == {"modules.a.depends_on[0]", "modules.a.restart"}


def test_the_startup_order_of_iot_edge_becomes_dependencies():
    made = convert(
        [
            edge_deployment(
                db=edge_module(startupOrder=0),
                Cache=edge_module(startupOrder=0),
                scorer=edge_module(startupOrder=7),
                page=edge_module(),
            )
        ],
        version=1,
    )
    waits = {name: one.get("depends_on") for name, one in made.manifest["modules"].items()}
    assert waits == {"db": None, "cache": None, "scorer": ["cache", "db"], "page": ["scorer"]}
    said = {
        note.path.rpartition("modules.")[2]: str(note) for note in made.notes if note.code == "iotedge.order"
    }
    assert "starts when cache, db can serve" in said["scorer.startupOrder"]
    assert "page.startupOrder" not in said


def test_without_a_startup_order_nobody_waits():
    made = convert([edge_deployment(db=edge_module(), scorer=edge_module())], version=1)
    assert all("depends_on" not in one for one in made.manifest["modules"].values())
