"""What may a manifest say, and is everything wrong with it said at once?"""

from __future__ import annotations

from typing import Any

import pytest

from edgetender.errors import ManifestInvalid
from edgetender.model.manifest import Manifest
from edgetender.model.quantity import parse_duration, parse_size
from edgetender.model.reading import manifest_of
from edgetender.model.units import duration_text, size_text
from tests.builders.manifests import SCORER, manifest, module


def faults(document: Any) -> list[tuple[str, str]]:
    with pytest.raises(ManifestInvalid) as refused:
        manifest_of(document)
    return [(problem.path, problem.code) for problem in refused.value.problems]


def read(**more: Any) -> Any:
    return manifest_of(manifest(1, scorer=module(**more))).modules["scorer"]


def test_five_faults_in_five_places_are_all_said_at_once_each_with_its_path():
    document = manifest(
        1,
        scorer={"image": "scorer:1:2", "ports": ["70000:1"], "resources": {"memory": "1 stone"}},
        other={"image": SCORER, "health": {"http": {"path": "no-slash"}}, "colour": "red"},
    )
    assert faults(document) == [
        ("modules.other.colour", "key.unknown"),
        ("modules.other.health.http.path", "string_pattern_mismatch"),
        ("modules.scorer.image", "value_error"),
        ("modules.scorer.ports[0].host", "less_than_equal"),
        ("modules.scorer.resources.memory", "value_error"),
    ]


def test_what_is_missing_is_named():
    assert faults({"schema": "edgetender/v1"}) == [
        ("deployment", "key.missing"), ("modules", "key.missing"), ("version", "key.missing"),
    ]  # fmt: skip


@pytest.mark.parametrize("document", [None, [], "x", 7])
def test_what_is_no_object_is_no_manifest(document):
    assert faults(document) == [("", "type.object")]


@pytest.mark.parametrize("schema", [None, "edgetender/v2", 1])
def test_another_schema_is_not_guessed_at(schema):
    assert faults(manifest(1) | {"schema": schema}) == [("schema", "schema.unknown")]


@pytest.mark.parametrize("version", [0, -1, 2**53, 1.0, "1", True, None])
def test_a_version_is_a_whole_number_from_one_to_what_every_reader_can_hold(version):
    assert [path for path, _ in faults(manifest(1) | {"version": version})] == ["version"]


@pytest.mark.parametrize("name", ["", "Upper", "-a", "a-", "a b", "a/b", "x" * 64])
def test_names_are_short_lower_case_and_plain(name):
    assert [path for path, _ in faults(manifest(1, **{name: module()}))]
    assert faults(manifest(1) | {"deployment": name})


def test_removing_everything_must_be_meant():
    empty = manifest(1) | {"modules": {}}
    assert faults(empty) == [("modules", "modules.empty")]
    assert faults(empty | {"allow_empty": False}) == [("modules", "modules.empty")]
    assert manifest_of(empty | {"allow_empty": True}).modules == {}


# --- images and variants


def test_a_module_has_an_image_or_variants_and_not_both():
    variants = [{"name": "a", "image": SCORER}]
    assert faults(manifest(1, scorer={})) == [("modules.scorer", "value_error")]
    assert faults(manifest(1, scorer={"image": SCORER, "variants": variants})) == [
        ("modules.scorer", "value_error")
    ]
    assert faults(manifest(1, scorer={"variants": variants * 2})) == [("modules.scorer", "value_error")]


def test_an_image_is_one_variant_named_default():
    assert [(v.name, v.image) for v in read().choices] == [("default", SCORER)]


def test_requirements_that_this_agent_does_not_know_do_not_refuse_the_manifest():
    variants = [{"name": "npu", "image": SCORER, "requires": {"npu": {"tops": 8}}}]
    assert manifest_of(manifest(1, scorer={"variants": variants}))


# --- ports


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("6789:5001", ("127.0.0.1", 6789, 5001, "tcp")),
        ("0.0.0.0:6789:5001/udp", ("0.0.0.0", 6789, 5001, "udp")),
        ({"host": 1, "container": 2, "address": "::1"}, ("::1", 1, 2, "tcp")),
    ],
)
def test_a_port_is_written_short_or_long_and_binds_to_loopback_unless_it_says_otherwise(text, port):
    (one,) = read(ports=[text]).ports
    assert (one.address, one.host, one.container, one.protocol) == port


@pytest.mark.parametrize(
    "text", ["5001", "a:b", "1:2:3:4", "1:2/sctp", "0:1", "1:65536", "-1:1", "", 5001, None]
)
def test_what_is_no_port_mapping_is_refused_with_its_place(text):
    assert faults(manifest(1, scorer=module(ports=[text])))[0][0].startswith("modules.scorer.ports[0]")


@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("1:1", "1:2", True),
        ("1:1", "1:1/udp", False),
        ("127.0.0.1:1:1", "127.0.0.2:1:1", False),
        ("0.0.0.0:1:1", "127.0.0.2:1:1", True),
        ("127.0.0.2:1:1", "0.0.0.0:1:1", True),
        ("1:1", {"host": 1, "container": 1, "address": "::"}, True),
    ],
)
def test_a_host_port_is_given_once_also_between_modules(first, second, conflict):
    document = manifest(1, a=module(ports=[first]), b=module(ports=[second]))
    if conflict:
        assert faults(document) == [("modules.b.ports[0].host", "port.conflict")]
    else:
        assert manifest_of(document)


# --- volumes, environment, resources, health


def test_a_volume_is_one_of_the_engine_s_at_an_absolute_path():
    (volume,) = read(volumes=[{"name": "models", "path": "/models", "read_only": True}]).volumes
    assert (volume.name, volume.path, volume.read_only) == ("models", "/models", True)
    for wrong in (
        {"name": "/etc", "path": "/x"},
        {"name": "m", "path": "x"},
        {"name": "m", "path": "/x:ro"},
        {"name": "m"},
    ):
        assert faults(manifest(1, scorer=module(volumes=[wrong])))[0][0].startswith(
            "modules.scorer.volumes[0]"
        )


@pytest.mark.parametrize(
    "env", [{"1X": "y"}, {"X=": "y"}, {"": "y"}, {"X": "a\0b"}, {"X": "é" * 33_000}, {"X": 1}]
)
def test_an_environment_has_names_texts_and_a_bound_also_a_variant_s(env):
    assert faults(manifest(1, scorer=module(env=env)))[0][0].startswith("modules.scorer.env")
    variants = [{"name": "a", "image": SCORER, "env": env}]
    assert faults(manifest(1, scorer={"variants": variants}))[0][0].startswith(
        "modules.scorer.variants[0].env"
    )


def test_resources_are_limits_the_engine_can_keep():
    resources = read(resources={"memory": "256MiB", "cpus": 1.5, "pids": 100}).resources
    assert (resources.memory, resources.cpus, resources.pids) == (256 * 2**20, 1.5, 100)
    for wrong in ({"memory": "5MiB"}, {"cpus": 0}, {"cpus": 1025}, {"pids": 0}, {"pids": 1.5}, {"gpus": 1}):
        assert faults(manifest(1, scorer=module(resources=wrong)))[0][0].startswith(
            "modules.scorer.resources"
        )


def test_readiness_is_judged_in_one_way():
    assert read().health.http is None
    assert read(health={"http": {}}).health.http.port == 5001
    assert faults(manifest(1, scorer=module(health={"http": {}, "docker": True}))) == [
        ("modules.scorer.health", "value_error")
    ]


# --- sizes and durations


@pytest.mark.parametrize(
    ("text", "size"),
    [("256MiB", 2**28), ("1.5 GB", 1_500_000_000), ("10k", 10_000), ("0", 0), (7, 7), (" 1Ki ", 1024)],
)
def test_a_size_is_bytes_or_text_with_a_unit(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "1 stone", "-1", "1e9", "MiB", True, None, [], -1, 10**400, -(10**400), "9" * 400 + "GB"]
)
def test_what_is_no_size_is_said(text):
    with pytest.raises(ValueError):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("250ms", 0.25), ("1.5 h", 5400), (3, 3.0), ("0s", 0)]
)
def test_a_duration_is_seconds_or_text_with_units(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "90", "1y", "-1s", "s", True, None, -1, 10**400, -(10**400), "367d", "1s and more"]
)
def test_what_is_no_duration_is_said(text):
    with pytest.raises(ValueError):
        parse_duration(text)


def test_sizes_and_durations_are_told_in_few_words():
    assert [size_text(size) for size in (0, 1023, 1536, 2**30)] == ["0 B", "1023 B", "1.5 KiB", "1 GiB"]
    assert [duration_text(s) for s in (0, 41.9, 7500, 540_000)] == ["0s", "41s", "2h 5m", "6d 6h"]


def test_a_manifest_is_a_value_that_nobody_changes():
    made = manifest_of(manifest(1))
    assert isinstance(made, Manifest)
    with pytest.raises(ValueError, match="frozen"):
        made.version = 2
