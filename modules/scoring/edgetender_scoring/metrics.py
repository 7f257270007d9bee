"""What has been scored, how fast, and how is that shown to Prometheus? Written by the event loop."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgetender_scoring.collector import Collector

if TYPE_CHECKING:  # it needs numpy, which scripts may do without
    from edgetender_scoring.onnx_model import Model
    from edgetender_scoring.spans import Spans

_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Named = tuple[str, str]
"""A model's name and version."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of what was asked to be scored; rendered in Prometheus' text format."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._answers: dict[tuple[Named | None, int], int] = {}
        self._seconds = _Histogram(_BOUNDS)
        self._batches = _Histogram(_BATCHES)
        self._lock = threading.Lock()

    def scored(self, status: int, seconds: float, named: Named | None = None) -> None:
        """Count one answer, *seconds* after its request was complete; *named*: the model it is of."""
        key = named, status
        self._answers[key] = self._answers.get(key, 0) + 1
        self._seconds.add(seconds)

    def batched(self, requests: int) -> None:
        """Count one batch of so many requests. Any thread."""
        with self._lock:
            self._batches.add(requests)

    def render(
        self,
        *,
        in_flight: int,
        queued: int,
        threads: int,
        abandoned: int,
        named: Named | None,
        models: Sequence[Model],
        collectors: Sequence[Collector] = (),
        spans: Spans | None = None,
    ) -> bytes:
        lines = [
            *_head("info", "gauge", "The server that answers."),
            f'edgetender_scoring_info{{version="{self._version}"}} 1',
            *_head("requests_total", "counter", "Answers to what was to be scored, by status code."),
            *(
                f'edgetender_scoring_requests_total{{code="{code}"}} {count}'
                for code, count in sorted(self._by_code().items())
            ),
            *_head("duration_seconds", "histogram", "From a whole request to its answer."),
            *self._seconds.lines("edgetender_scoring_duration_seconds"),
            *_head("batch_requests", "histogram", "Requests that ran together, where a model is batched."),
            *self._batches.lines("edgetender_scoring_batch_requests"),
        ]
        for name, value, text in (
            ("in_flight", in_flight, "Requests taken and not yet answered."),
            ("queued", queued, "Requests that no thread has taken yet."),
            ("threads", threads, "Threads that score."),
            ("threads_abandoned", abandoned, "Threads stuck in a call past its time limit."),
        ):
            lines += [*_head(name, "gauge", text), f"edgetender_scoring_{name} {value}"]
        for one in collectors:
            if one.drift is not None:
                lines += _of_features(one.drift.latest)
                continue
            kept, dropped = ("sent", "send_dropped") if one.sends else ("collected", "collect_dropped")
            verb = kept if one.sends else "written"
            for name, value, text in (
                (f"{kept}_total", one.written, f"Records of production data {verb}."),
                (f"{dropped}_total", one.dropped, f"Records of the sample that were not {verb}."),
            ):
                lines += [*_head(name, "counter", text), f"edgetender_scoring_{name} {value}"]
        if spans is not None:
            for name, value, text in (
                ("spans_sent_total", spans.sent, "Spans that the collector has."),
                ("spans_dropped_total", spans.dropped, "Spans that it did not get."),
            ):
                lines += [*_head(name, "counter", text), f"edgetender_scoring_{name} {value}"]
        if models or named is not None:
            known = {(model.name, model.version) for model in models} | ({named} if named else set())
            lines += self._of_models(sorted(known), models)
        return ("\n".join(lines) + "\n").encode()

    def _by_code(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for (_, status), count in self._answers.items():
            found[status] += count
        return found

    def _of_models(self, known: Sequence[tuple[str, str]], models: Sequence[Model]) -> list[str]:
        lines = [*_head("model_info", "gauge", "A model that is served, and its version.")]
        lines += [f"edgetender_scoring_model_info{{{_names(*one)}}} 1" for one in known]
        lines += _head("inferences_total", "counter", "Answers of each model, by status code.")
        inferred = [(*named, status, count) for (named, status), count in self._answers.items() if named]
        for model, version, status, count in sorted(inferred):
            labels = f'{_names(model, version)},code="{status}"'
            lines.append(f"edgetender_scoring_inferences_total{{{labels}}} {count}")
        if not models:
            return lines
        lines += _head("provider_info", "gauge", "Where a model was asked to run, and where it runs.")
        for one in models:
            found = one.proof
            labels = f'requested="{found.requested}",actual="{found.actual}"'
            lines.append(f"edgetender_scoring_provider_info{{{_names(one.name, one.version)},{labels}}} 1")
        lines += _head("provider_nodes_ratio", "gauge", "The part of a model's nodes that a provider runs.")
        for one in models:
            for name, share in sorted(one.proof.share.items()):
                labels = f'{_names(one.name, one.version)},provider="{name}"'
                lines.append(f"edgetender_scoring_provider_nodes_ratio{{{labels}}} {share:.4f}")
        if judged := [one for one in models if one.golden is not None]:
            lines += _head(
                "known_answer_right", "gauge", "Whether a model answers its known input as packaged."
            )
            for one in judged:
                right = int(one.verdict.state != "failed")
                lines.append(
                    f"edgetender_scoring_known_answer_right{{{_names(one.name, one.version)}}} {right}"
                )
        return lines


def _names(model: str, version: str) -> str:
    return f'model="{_label(model)}",version="{_label(version)}"'


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class _Histogram:
    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._buckets[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str) -> list[str]:
        lines, below = [], 0
        for bound, count in zip(self._bounds, self._buckets, strict=False):
            below += count
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        total = below + self._buckets[-1]
        return [
            *lines,
            f'{name}_bucket{{le="+Inf"}} {total}',
            f"{name}_sum {self._sum:.6f}",
            f"{name}_count {total}",
        ]


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP edgetender_scoring_{name} {text}", f"# TYPE edgetender_scoring_{name} {kind}"


def _of_features(summary: Mapping[str, Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for name, text in (
        ("rows", "Rows of a feature that were compared with the baseline in the last hour."),
        ("mean", "Mean of a feature in the last hour."),
        ("stddev", "Standard deviation of a feature in the last hour."),
        ("psi", "Population stability index of a feature against the baseline."),
    ):
        lines += _head(f"feature_{name}", "gauge", text)
        lines += [
            f'edgetender_scoring_feature_{name}{{feature="{_label(feature)}"}} {one[name]}'
            for feature, one in summary.items()
            if one[name] is not None
        ]
    return lines
