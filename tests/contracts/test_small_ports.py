"""The ports of one method, each on its fake and on the real thing: Credentials, Sink; and each probe."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from edgetender.errors import CredentialUnusable
from edgetender.metrics import Metrics
from edgetender.model.hardware import Fact
from edgetender.model.image import Credential
from edgetender.ports import Credentials, Sink
from edgetender.probes import PROBES
from edgetender.secret import Secret
from edgetender.sinks.prometheus import PrometheusSink
from edgetender.sinks.upstream import UpstreamSink
from edgetender.store.outbox import SqliteOutbox
from edgetender.trust.credentials import CredentialFiles
from tests.fakes.clock import FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.sink import FakeSink

NOW = datetime(2026, 11, 24, 8, 15, tzinfo=UTC)
SECRET = "canary-41c0ffee"


@pytest.fixture(params=["fake", "files"])
def credentials(request: pytest.FixtureRequest, tmp_path: Path) -> Credentials:
    """One that holds `hub` and nothing else."""
    if request.param == "fake":
        return FakeCredentials({"hub": Credential("line3", Secret(SECRET), "hub")})
    file = tmp_path / "hub"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"username": "line3", "password": SECRET}))
    return CredentialFiles(tmp_path, systemd_directory=None)


def test_a_credential_is_found_by_its_name_and_prints_no_secret(credentials: Credentials) -> None:
    found = credentials.get("hub")
    assert (found.username, found.password.reveal(), found.name) == ("line3", SECRET, "hub")
    assert SECRET not in repr(found)


def test_a_credential_that_is_not_there_is_refused_by_name_with_what_helps(credentials: Credentials) -> None:
    with pytest.raises(CredentialUnusable, match=r"cannot use the credential 'other'.*missing.*put"):
        credentials.get("other")


@pytest.fixture(params=["fake", "upstream", "prometheus"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Sink, Callable[[], str]]]:
    """A sink, and what has come out at its other end as text."""
    match request.param:
        case "fake":
            fake = FakeSink()
            yield fake, lambda: json.dumps([sample for _, sample, _ in fake.taken])
        case "upstream":
            outbox = SqliteOutbox(tmp_path / "queue.db", clock=FakeClock())
            yield UpstreamSink(outbox), lambda: "".join(m.body.decode() for m in outbox.head())
            outbox.close()
        case "prometheus":
            metrics = Metrics("0")
            yield PrometheusSink(metrics), lambda: metrics.exposition().decode()


def test_a_sink_hands_on_the_figures_it_takes(sink: tuple[Sink, Callable[[], str]]) -> None:
    port, came_out = sink
    port.take("device", {"memoryTotalBytes": 123456789, "cpuRatio": 0.25}, NOW)
    # Prometheus's text format writes large numbers as floats
    assert "123456789" in came_out() or "1.23456789e+08" in came_out()
    assert "0.25" in came_out()


def test_a_sink_takes_streams_and_keys_it_does_not_know(sink: tuple[Sink, Callable[[], str]]) -> None:
    port, came_out = sink
    port.take("of-tomorrow", {"anything": [1, {"deep": None}]}, NOW)
    port.take("device", {"alsoNew": "text", "cpuRatio": 0.5}, NOW)
    assert "0.5" in came_out()


def nothing(_root: Path) -> Iterator[Fact]:
    yield Fact("arch", None, "fake", "this probe knows nothing")


@pytest.fixture(params=["fake", *PROBES])
def probe(request: pytest.FixtureRequest) -> Callable[[Path], Iterator[Fact]]:
    return nothing if request.param == "fake" else import_module(f"edgetender.probes.{request.param}").probe


def test_a_probe_of_an_empty_machine_raises_nothing_and_says_why_it_does_not_know(
    probe: Callable[[Path], Iterator[Fact]], tmp_path: Path
) -> None:
    facts = list(probe(tmp_path))
    assert facts
    assert all(fact.detail for fact in facts if fact.value is None)
    assert all(fact.source for fact in facts)


def test_a_probe_of_a_machine_full_of_garbage_raises_nothing(
    probe: Callable[[Path], Iterator[Fact]], tmp_path: Path
) -> None:
    for name in ("proc/cpuinfo", "proc/meminfo", "proc/driver/nvidia/version", "etc/os-release"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"\xff\x00: : :\n\n=\n" * 50)
    (tmp_path / "sys/bus/pci/devices/0000:00:00.0/vendor").mkdir(
        parents=True
    )  # a directory where a file is meant
    assert list(probe(tmp_path))


def test_a_probe_of_this_machine_names_each_fact_once(probe: Callable[[Path], Iterator[Fact]]) -> None:
    names = [fact.name for fact in probe(Path("/"))]
    assert len(names) == len(set(names))
