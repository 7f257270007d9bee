"""What a scrape sees: every family of the catalogue, under names that keep the rules, and nothing of the past."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from edgetender.metrics import CATALOGUE, STATES, Declared, Metrics
from edgetender.model.figures import CycleFigures, ModuleFigures
from edgetender.model.upstream import OutboxFigures, StreamFigures
from edgetender.sinks.prometheus import PrometheusSink
from edgetender.sinks.upstream import UpstreamSink
from tests.fakes.clock import NOON
from tests.fakes.store import FakeOutbox

SCORER = ModuleFigures("scorer", "running", ready=True, restarts=2, variant="cpu", version=7)
FULL = CycleFigures(
    health="healthy",
    engine_up=True,
    upstream_connected=True,
    outbox=OutboxFigures(3, 300, 10, 6, 1, (StreamFigures("event", 3, 300, 10, 6, (("quota", 1),), 7.5),)),
    desired_version=8,
    desired_code=406,
    accepted_version=7,
    candidate_version=8,
    waiting=(("apply", "window.apply"),),
    modules=(SCORER,),
    uptime_s=12.5,
    hardware={"arch": "amd64", "level": "v3", "accelerators": "nvidia", "driver": "550.1", "cuda": "12.4"},
    demotions=(("scorer", "tensorrt", "toolkit_missing"),),
    refusals=("manifest.rollback",),
)
DEVICE = {
    "cpuRatio": 0.25,
    "memoryTotalBytes": 8 * 2**30,
    "memoryAvailableBytes": 2**30,
    "diskTotalBytes": 2**35,
    "diskFreeBytes": 2**34,
    "temperatureCelsius": {"cpu_thermal/0": 48.3},
    "gpus": {
        "GPU-1": {
            "utilizationRatio": 0.4,
            "memoryTotalBytes": 2**31,
            "memoryUsedBytes": 2**30,
            "temperatureCelsius": 61,
        }
    },
}
MODULES = {
    "modules": {
        "scorer": {
            "cpuSeconds": 1.5,
            "memoryBytes": 4096,
            "receivedBytes": 10,
            "sentBytes": 20,
            "restarts": 2,
            "requests": 100,
            "errors": 1,
            "meanMilliseconds": 4.0,
            "p95Milliseconds": 8.0,
        }
    }
}


def scraped(metrics: Metrics) -> dict[str, list[Sample]]:
    """Samples by their name, with the prefix off."""
    found: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("edgetender_"), []).append(sample)
    return found


def full() -> Metrics:
    metrics = Metrics("0.1.0")
    metrics.cycle(FULL)
    sink = PrometheusSink(metrics)
    sink.take("device", DEVICE, NOON)
    sink.take("modules", MODULES, NOON)
    metrics.checks({"clock": 1})
    metrics.message_refused("scorer", "module.rate")
    metrics.certificates({"/etc/edgetender/device.pem": NOON})
    return metrics


def name_on_the_wire(declared: Declared) -> str:
    return declared.name + ("_total" if declared.kind == "counter" else "")


@pytest.mark.parametrize("declared", CATALOGUE, ids=lambda declared: declared.name)
def test_every_family_of_the_catalogue_has_a_sample_once_there_are_figures(declared: Declared) -> None:
    samples = scraped(full())[name_on_the_wire(declared)]
    assert {tuple(sorted(sample.labels)) for sample in samples} == {tuple(sorted(declared.labels))}


def test_nothing_is_exposed_that_the_catalogue_does_not_name() -> None:
    known = {name_on_the_wire(declared) for declared in CATALOGUE} | {"build_info"}
    assert {name for name in scraped(full()) if not name.startswith("process_")} == known


def test_the_figures_are_the_last_ones() -> None:
    metrics = full()
    assert value(metrics, "outbox_dropped_total") == 1
    assert value(metrics, "desired_version") == 8
    assert value(metrics, "container_cpu_seconds_total", module="scorer") == 1.5
    assert value(metrics, "device_temperature_celsius", sensor="cpu_thermal/0") == 48.3
    assert value(metrics, "module_restarts_total", module="scorer") == 2
    assert value(metrics, "upstream_connected") == 1
    assert value(metrics, "build_info", version="0.1.0") == 1
    metrics.cycle(CycleFigures(desired_version=9))
    assert value(metrics, "desired_version") == 9
    assert value(metrics, "cycles_total") == 2


def value(metrics: Metrics, name: str, **labels: str) -> float:
    (found,) = [one for one in scraped(metrics)[name] if labels.items() <= one.labels.items()]
    return found.value


def test_of_a_modules_states_exactly_one_is_1() -> None:
    states = {one.labels["state"]: one.value for one in scraped(full())["module_state"]}
    assert states == {state: float(state == "running") for state in STATES}


def test_a_module_that_is_gone_leaves_no_series() -> None:
    metrics = full()
    metrics.cycle(CycleFigures())
    metrics.sample("modules", {"modules": {}})
    assert b"scorer" not in metrics.exposition()


def test_a_module_that_is_gone_leaves_no_container_series_although_the_sample_is_older_than_the_cycle() -> (
    None
):
    """Samples are taken every minute, cycles run whenever something happens."""
    metrics = full()
    metrics.cycle(CycleFigures())
    assert b"scorer" not in metrics.exposition()


def test_what_is_not_known_is_absent_not_zero() -> None:
    metrics = Metrics("0.1.0")
    metrics.cycle(CycleFigures())
    metrics.sample("device", {"cpuRatio": 0.0, "diskFreeBytes": None})
    names = scraped(metrics)
    assert "desired_version" not in names
    assert "candidate_version" not in names
    assert "device_disk_free_bytes" not in names
    assert value(metrics, "device_cpu_ratio") == 0


def test_labels_of_the_whole_device_are_on_every_sample_of_ours() -> None:
    metrics = Metrics("0.1.0", {"edge_device": "line3-cam7"})
    metrics.cycle(FULL)
    samples = [sample for family in metrics.collect() for sample in family.samples]
    assert samples
    assert {sample.labels.get("edge_device") for sample in samples} == {"line3-cam7"}
    assert any(sample.labels.get("module") == "scorer" for sample in samples)


def test_a_label_with_quotes_and_line_breaks_is_still_one_label() -> None:
    metrics = Metrics("0.1.0")
    hostile = 'a"b\\c\nedgetender_health{state="healthy"} 1'
    metrics.sample("device", {"temperatureCelsius": {hostile: 1.0}})
    assert value(metrics, "device_temperature_celsius", sensor=hostile) == 1


@pytest.mark.parametrize("declared", CATALOGUE, ids=lambda declared: declared.name)
def test_names_keep_prometheus_rules(declared: Declared) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", declared.name)
    assert not declared.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
    assert not re.search(
        r"(milli|micro|kilo|mega|_ms|_kb|_mb|percent|minutes|hours|fahrenheit)", declared.name
    )
    assert declared.help.endswith(".")
    assert all(re.fullmatch(r"[a-z]+", label) for label in declared.labels)
    for word, unit in (
        ("cpu_seconds", "seconds"),
        ("memory", "bytes"),
        ("disk", "bytes"),
        ("uptime", "seconds"),
    ):
        if word in declared.name:
            assert declared.name.endswith(unit)


def test_every_kind_is_announced_before_its_samples() -> None:
    kinds = {f.name: f.type for f in text_string_to_metric_families(full().exposition().decode())}
    for declared in CATALOGUE:
        assert kinds[f"edgetender_{declared.name}"] == declared.kind


def test_the_upstream_sink_puts_canonical_samples_with_their_time_into_the_outbox() -> None:
    outbox = FakeOutbox()
    UpstreamSink(outbox).take("device", {"b": 1, "a": None}, NOON)
    (message,) = outbox.head()
    assert message.topic == "telemetry/device"
    assert message.body == b'{"a":null,"at":"2026-11-24T12:00:00.000Z","b":1}'
    assert message.expiry_s == 3600


def test_refusals_are_counted_by_their_reason() -> None:
    metrics = Metrics("0.1.0")
    for refusals in (("signature.invalid",), (), ("manifest.rollback",), ("signature.invalid",)):
        metrics.cycle(CycleFigures(refusals=refusals))

    text = metrics.exposition().decode()

    assert 'edgetender_manifests_refused_total{reason="signature.invalid"} 2.0' in text
    assert 'edgetender_manifests_refused_total{reason="manifest.rollback"} 1.0' in text
