"""A packaged model in a real container is proven by the real prober, or demoted for what is wrong with it."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from edgetender.engine.http_exchange import http_exchange
from edgetender.engine.http_probe import http_probe
from edgetender.model.ledger import Demotion
from edgetender.packaging import Model, Workspace, oci_layout
from edgetender.packaging.engine_api import Engine
from tests.builders.hardware import machine, variant
from tests.builders.loops import Loop
from tests.builders.manifests import image, manifest
from tests.services.packaged import BASE, serving

pytest.importorskip("onnx", reason="onnx comes with the extra onnx")
pytest.importorskip("onnxruntime", reason="onnxruntime comes with the extra onnx")
pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@dataclass(frozen=True)
class Scorer:
    """The packaged model, serving: where, and what it is known to answer."""

    port: int
    golden: dict[str, Any]

    def probe(self, _address: str, _port: int, path: str, timeout_s: float) -> str | None:
        return http_probe("127.0.0.1", self.port, path, timeout_s)

    def exchange(self, _address: str, _port: int, *asked: Any) -> Any:
        return http_exchange("127.0.0.1", self.port, *asked)

    @property
    def known(self) -> dict[str, Any]:
        """The packaged input and answer, as a manifest has them."""
        return {"body": self.golden["request"], "expect": self.golden["response"]}


@pytest.fixture(scope="module")
def scorer(packaged: Any, own_engine: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scorer]:
    from tests.builders import onnx_models

    folder, _, _ = packaged
    ws = Workspace(folder / "store", base=str(BASE), engine=own_engine.socket)
    file = onnx_models.mlp(tmp_path_factory.mktemp("proof") / "net.onnx")
    package = Model.package(ws, [Model.register(ws, file, "proven")])
    package.wait_for_creation()
    package.pull()
    layers = ws.images.get(package.location).image
    with tarfile.open(oci_layout.blob(layers.blobs, layers.layers[-1].digest)) as tar:
        known = tar.extractfile("var/azureml-app/golden.json")
        assert known is not None
        golden = json.load(known)
    with serving(Engine(own_engine.socket), package.location) as ask:
        yield Scorer(ask.port, golden)


def loop(scorer: Scorer, *variants: dict[str, Any], exchange: Any = None) -> Loop:
    """A whole loop whose containers are, for whoever asks them, the one that scores."""
    made = Loop(hardware=machine(), probe=scorer.probe, exchange=exchange or scorer.exchange)
    made.puller.registry |= {image(one["name"]) for one in variants}
    made.push(manifest(1, m={"variants": list(variants)}))
    for _ in range(120):
        made.clock.advance(max(0.05, min(made.cycle(), 1.0)))
        if made.last.ledger.accepted is not None:
            break
    return made


def ends(made: Loop) -> tuple[list[str], tuple[Demotion, ...]]:
    """What serves in the end, and what did not hold."""
    return [c.variant for c in made.engine.containers() if c.running], made.last.ledger.demotions


FALLBACK = variant("plain")


def test_a_model_that_runs_where_it_should_rightly_and_quickly_is_accepted(scorer: Scorer):
    proof = {"min_share": 1.0, "p95_max": "5s", "warmup": 2, "runs": 10, "golden": scorer.known}
    made = loop(scorer, variant("proven", provider=CPU, probe=proof), FALLBACK)
    assert made.last.ledger.accepted is not None
    assert ends(made) == (["proven"], ())


def test_the_report_on_the_hardware_proves_as_well(scorer: Scorer):
    said = json.loads(scorer.exchange("", 0, "GET", "/health/hardware?runs=5", b"", 10.0)[1])
    assert said["node_share"] == {CPU: 1.0}
    assert said["golden"] == {"state": "passed", "passed": True}
    proof = {"path": "/health/hardware?runs=5", "min_share": 0.99}
    assert ends(loop(scorer, variant("proven", provider=CPU, probe=proof), FALLBACK)) == (["proven"], ())


def test_a_provider_that_is_not_active_demotes_until_driver_or_engine_change(scorer: Scorer):
    for path in ({}, {"path": "/health/hardware?runs=2"}):
        made = loop(scorer, variant("cuda", provider=CUDA, probe=path), FALLBACK)
        serving, (fallen,) = ends(made)
        assert serving == ["plain"]
        assert (fallen.variant, fallen.code, fallen.part) == ("cuda", "provider_not_active", "driver+engine")
        assert f"{CUDA} is required, it runs on {CPU}" in fallen.reason
        assert fallen.until is None


def test_a_known_answer_that_is_off_demotes_until_the_image_changes(scorer: Scorer):
    off = [[value + 0.01 for value in row] for row in scorer.golden["response"]]
    golden = scorer.known | {"expect": off}
    serving, (fallen,) = ends(loop(scorer, variant("cuda", probe={"golden": golden}), FALLBACK))
    assert serving == ["plain"]
    assert (fallen.code, fallen.part, fallen.until) == ("wrong_answer", "", None)
    tolerant = variant("cuda", probe={"golden": golden | {"tolerance": 0.02}})
    assert ends(loop(scorer, tolerant, FALLBACK)) == (["cuda"], ())


def test_one_that_is_too_slow_is_demoted_for_an_hour(scorer: Scorer):
    proof = {"p95_max": "1ms", "warmup": 1, "runs": 5, "golden": scorer.known}

    def slowly(*asked: Any) -> Any:
        status, body, seconds, error = scorer.exchange(*asked)
        return status, body, max(seconds, 0.002), error  # however quick this machine is

    made = loop(scorer, variant("cuda", probe=proof), FALLBACK, exchange=slowly)
    serving, (fallen,) = ends(made)
    assert serving == ["plain"]
    assert (fallen.code, fallen.times) == ("slow", 1)
    assert fallen.until is not None
    assert (fallen.until - fallen.at).total_seconds() == pytest.approx(3600, abs=5)


def test_what_the_server_says_of_its_own_times_decides_where_the_quickest_is_wanted(scorer: Scorer):
    """Both variants are the same container: as quick, so the first of the list stays."""

    def as_quick(*asked: Any) -> Any:
        status, body, seconds, error = scorer.exchange(*asked)
        said = json.loads(body)
        assert said["latency_ms"]["p95"] > 0
        said["latency_ms"]["p95"] = 2.0  # a busy machine may hold up one of them
        return status, json.dumps(said).encode(), seconds, error

    wanted = {"variants": [variant("cuda"), variant("cpu")], "select": {"mode": "measured", "min_gain": 0.9}}
    made = Loop(hardware=machine(cpu_features=("avx2",)), probe=scorer.probe, exchange=as_quick)
    made.puller.registry |= {image("cuda"), image("cpu")}
    made.push(manifest(1, m=wanted))
    for _ in range(60):
        made.clock.advance(1.0)
        made.cycle()
    assert ends(made) == (["cuda"], ())
    figures = [one.p95_s for one in made.last.ledger.measured.values()]
    assert figures == [0.002, 0.002]
