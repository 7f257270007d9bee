"""Every metric of the agent: the catalogue, and the last figures as Prometheus reads them.

Names follow prometheus.io/docs/practices/naming: base units, ratios from 0 to 1, counters end in `_total`.
Families are made from the last figures at each scrape, so a module that is gone leaves no series behind.
"""

from __future__ import annotations

import platform
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from edgetender.model.figures import CycleFigures
from edgetender.model.upstream import StreamFigures

STATES = ("running", "starting", "pulling", "waiting", "unhealthy", "backoff", "stopped", "blocked")
HEALTHS = ("healthy", "degraded", "waiting", "starting", "engine down")


@dataclass(frozen=True, slots=True)
class Declared:
    """One line of the catalogue; *name* without the prefix and, for counters, without `_total`."""

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


CATALOGUE = (
    Declared("uptime_seconds", "gauge", "Seconds since the agent started."),
    Declared("cycles", "counter", "Reconcile cycles that ended."),
    Declared("manifests_refused", "counter", "Manifests refused, by each reason's code.", ("reason",)),
    Declared("health", "gauge", "1 for the word that describes the device now.", ("state",)),
    Declared("engine_up", "gauge", "Whether the container engine answered in the last cycle."),
    Declared("upstream_connected", "gauge", "Whether the upstream link is there."),
    Declared("outbox_messages", "gauge", "Messages that wait to go up.", ("stream",)),
    Declared("outbox_bytes", "gauge", "Their size.", ("stream",)),
    Declared("outbox_oldest_age_seconds", "gauge", "How long the oldest of them has waited.", ("stream",)),
    Declared("outbox_accepted", "counter", "Messages ever put into the outbox.", ("stream",)),
    Declared("outbox_delivered", "counter", "Messages the far side has acknowledged.", ("stream",)),
    Declared(
        "outbox_dropped", "counter", "Messages lost to the outbox's bounds, or refused.", ("stream", "reason")
    ),
    Declared(
        "messages_refused",
        "counter",
        "Requests with messages that were not taken from a module.",
        ("module", "reason"),
    ),
    Declared("desired_version", "gauge", "The manifest version received last."),
    Declared("desired_status", "gauge", "Its code: 200 running, 406 applying, 4xx refused or rolled back."),
    Declared("accepted_version", "gauge", "The manifest version that is accepted."),
    Declared("candidate_version", "gauge", "The manifest version on its way; absent when there is none."),
    Declared(
        "update_waiting",
        "gauge",
        "1 for what that version waits for, with its images (download) or its containers (apply).",
        ("phase", "reason"),
    ),
    Declared("module_state", "gauge", "1 for the state the module is in.", ("module", "state")),
    Declared("module_ready", "gauge", "Whether the module answers its readiness check.", ("module",)),
    Declared("module_version", "gauge", "The manifest version its container was made for.", ("module",)),
    Declared("module_restarts", "counter", "Times its container was started again.", ("module",)),
    Declared("module_variant", "gauge", "1 for the variant that runs.", ("module", "variant")),
    Declared("container_cpu_seconds", "counter", "CPU time its container has used.", ("module",)),
    Declared("container_memory_bytes", "gauge", "Memory its container holds.", ("module",)),
    Declared("container_received_bytes", "counter", "Bytes its container received.", ("module",)),
    Declared("container_sent_bytes", "counter", "Bytes its container sent.", ("module",)),
    Declared("module_requests", "counter", "Requests its front passed on to it.", ("module",)),
    Declared("module_request_errors", "counter", "Those answered with 5xx, or not at all.", ("module",)),
    Declared(
        "module_response_seconds", "gauge", "Mean time of its newest answers, by its front.", ("module",)
    ),
    Declared(
        "module_response_tail_seconds", "gauge", "95 % of them began within this, by its front.", ("module",)
    ),
    Declared(
        "check_status", "gauge", "What a check found last: 0 well, 1 a warning, 2 an error.", ("check",)
    ),
    Declared(
        "certificate_expiry_timestamp_seconds",
        "gauge",
        "Until when a certificate is good: of a file on this device the first to end, or the broker's own.",
        ("certificate",),
    ),
    Declared("device_cpu_ratio", "gauge", "Part of all cores in use, 0 to 1."),
    Declared("device_memory_total_bytes", "gauge", "Memory of the device."),
    Declared("device_memory_available_bytes", "gauge", "Memory that could be had without swapping."),
    Declared("device_disk_total_bytes", "gauge", "Size of the disk with the agent's state."),
    Declared("device_disk_free_bytes", "gauge", "Free space there."),
    Declared("gpu_utilization_ratio", "gauge", "Part of the time in which an NVIDIA card worked.", ("gpu",)),
    Declared("gpu_memory_total_bytes", "gauge", "Its memory.", ("gpu",)),
    Declared("gpu_memory_used_bytes", "gauge", "What of it is in use.", ("gpu",)),
    Declared("gpu_temperature_celsius", "gauge", "Its temperature.", ("gpu",)),
    Declared(
        "hardware", "gauge", "1 for what this device is.", ("arch", "level", "accelerators", "driver", "cuda")
    ),
    Declared(
        "variant_demoted", "gauge", "1 for a variant that did not hold.", ("module", "variant", "reason")
    ),
    Declared("device_temperature_celsius", "gauge", "Temperatures the kernel knows.", ("sensor",)),
)
_BY_NAME = {declared.name: declared for declared in CATALOGUE}
_DEVICE = {  # sample key -> metric
    "cpuRatio": "device_cpu_ratio",
    "memoryTotalBytes": "device_memory_total_bytes",
    "memoryAvailableBytes": "device_memory_available_bytes",
    "diskTotalBytes": "device_disk_total_bytes",
    "diskFreeBytes": "device_disk_free_bytes",
}
_GPU = {
    "utilizationRatio": "gpu_utilization_ratio",
    "memoryTotalBytes": "gpu_memory_total_bytes",
    "memoryUsedBytes": "gpu_memory_used_bytes",
    "temperatureCelsius": "gpu_temperature_celsius",
}
_CONTAINER = {
    "cpuSeconds": "container_cpu_seconds",
    "memoryBytes": "container_memory_bytes",
    "receivedBytes": "container_received_bytes",
    "sentBytes": "container_sent_bytes",
    "requests": "module_requests",
    "errors": "module_request_errors",
}
_TIMES = {"meanMilliseconds": "module_response_seconds", "p95Milliseconds": "module_response_tail_seconds"}

Values = Iterable[tuple[tuple[str, ...], float | None]]


class Metrics:
    """Every sample has *labels* too. Threads: `cycle` from the reconciler, `sample` from the sampler, else any."""

    def __init__(self, version: str, labels: Mapping[str, str] | None = None) -> None:
        self._version, self._labels = version, dict(labels or {})
        self._lock = threading.Lock()
        self._cycles = 0
        self._refused: Counter[str] = Counter()
        self._messages_refused: Counter[tuple[str, str]] = Counter()
        self._figures = CycleFigures()
        self._samples: dict[str, Mapping[str, Any]] = {}
        self._checks: Mapping[str, int] = {}
        self._ends: Mapping[str, datetime] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def cycle(self, figures: CycleFigures) -> None:
        with self._lock:
            self._figures = figures
            self._cycles += 1
            self._refused.update(figures.refusals)

    def engine(self, *, up: bool, health: str) -> None:
        with self._lock:
            self._figures = replace(self._figures, engine_up=up, health=health)

    def message_refused(self, module: str, reason: str) -> None:
        with self._lock:
            self._messages_refused[module, reason] += 1

    def sample(self, stream: str, sample: Mapping[str, Any]) -> None:
        with self._lock:
            self._samples[stream] = sample

    def checks(self, levels: Mapping[str, int]) -> None:
        """0 well, 1 a warning, 2 an error, by check."""
        with self._lock:
            self._checks = levels

    def certificates(self, ends: Mapping[str, datetime]) -> None:
        """Until when each is good."""
        with self._lock:
            self._ends = ends

    def exposition(self) -> bytes:
        """Prometheus's text format, 0.0.4."""
        return bytes(generate_latest(self._registry))

    def collect(self) -> Iterator[Metric]:
        """Prometheus's collector protocol."""
        for family in self._families():
            if self._labels:
                family.samples = [one._replace(labels=one.labels | self._labels) for one in family.samples]
            yield family

    def _families(self) -> Iterator[Metric]:
        with self._lock:
            figures, cycles, samples = self._figures, self._cycles, dict(self._samples)
            checks, ends, refused = self._checks, self._ends, dict(self._refused)
            here = {one.name for one in figures.modules}
            messages_refused = [
                (who, count) for who, count in self._messages_refused.items() if who[0] in here
            ]
        about = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("edgetender_build", "What runs here.", value=about)
        yield _family("cycles", [((), cycles)])
        yield _family("manifests_refused", [((reason,), count) for reason, count in refused.items()])
        yield from _of_cycle(figures)
        yield _family("messages_refused", messages_refused)
        yield from _of_modules(figures)
        yield from _of_containers(samples.get("modules", {}), here)
        yield _family("check_status", [((name,), level) for name, level in checks.items()])
        yield _family(
            "certificate_expiry_timestamp_seconds", [((name,), end.timestamp()) for name, end in ends.items()]
        )
        yield from _of_device(samples.get("device", {}))


def _family(name: str, values: Values) -> Metric:
    declared = _BY_NAME[name]
    kind = CounterMetricFamily if declared.kind == "counter" else GaugeMetricFamily
    family = kind(f"edgetender_{name}", declared.help, labels=declared.labels)
    for labels, value in values:
        if value is not None:
            family.add_metric(labels, value)
    return family


def _of_cycle(figures: CycleFigures) -> Iterator[Metric]:
    for name, value in (
        ("uptime_seconds", figures.uptime_s),
        ("engine_up", figures.engine_up),
        ("upstream_connected", figures.upstream_connected),
        ("desired_version", figures.desired_version),
        ("desired_status", figures.desired_code),
        ("accepted_version", figures.accepted_version),
        ("candidate_version", figures.candidate_version),
    ):
        yield _family(name, [((), value)])
    yield _family("update_waiting", [(one, 1) for one in figures.waiting])
    if figures.hardware:
        names = _BY_NAME["hardware"].labels
        yield _family("hardware", [(tuple(figures.hardware.get(name, "") for name in names), 1)])
    yield _family("variant_demoted", [(one, 1) for one in dict.fromkeys(figures.demotions)])
    yield from _of_streams(figures.outbox.streams)
    yield _family("health", [((word,), word == figures.health) for word in HEALTHS])


def _of_streams(streams: Iterable[StreamFigures]) -> Iterator[Metric]:
    for name, value in (
        ("outbox_messages", attrgetter("queued")),
        ("outbox_bytes", attrgetter("queued_bytes")),
        ("outbox_oldest_age_seconds", attrgetter("oldest_s")),
        ("outbox_accepted", attrgetter("accepted")),
        ("outbox_delivered", attrgetter("delivered")),
    ):
        yield _family(name, [((one.name,), value(one)) for one in streams])
    dropped = [((one.name, reason), count) for one in streams for reason, count in one.dropped]
    yield _family("outbox_dropped", dropped)


def _of_modules(figures: CycleFigures) -> Iterator[Metric]:
    modules = figures.modules
    yield _family(
        "module_state", [((one.name, state), state == one.state) for one in modules for state in STATES]
    )
    yield _family("module_ready", [((one.name,), one.ready) for one in modules])
    yield _family("module_version", [((one.name,), one.version) for one in modules])
    yield _family("module_restarts", [((one.name,), one.restarts) for one in modules])
    yield _family("module_variant", [((one.name, one.variant), 1) for one in modules if one.variant])


def _of_containers(sample: Mapping[str, Any], existing: set[str]) -> Iterator[Metric]:
    """Of *existing* modules only: the last sample may be older than the last cycle."""
    modules = {name: said for name, said in sample.get("modules", {}).items() if name in existing}
    for key, name in _CONTAINER.items():
        yield _family(name, [((module,), said.get(key)) for module, said in modules.items()])
    for key, name in _TIMES.items():
        times = [((module,), said.get(key)) for module, said in modules.items()]
        yield _family(name, [(module, ms and ms / 1000) for module, ms in times])


def _of_device(sample: Mapping[str, Any]) -> Iterator[Metric]:
    for key, name in _DEVICE.items():
        yield _family(name, [((), sample.get(key))])
    temperatures = sample.get("temperatureCelsius", {})
    yield _family(
        "device_temperature_celsius", [((sensor,), value) for sensor, value in temperatures.items()]
    )
    cards = sample.get("gpus", {})
    for key, name in _GPU.items():
        yield _family(name, [((card,), said.get(key)) for card, said in cards.items()])
