"""How are checks run, and whom are their results told?"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edgetender.checks.checker import Checker
from edgetender.checks.finding import Check, Severity, fail, ok, warn
from edgetender.checks.looking import Means, looking, wanted_images
from edgetender.checks.running import choose, run_checks
from edgetender.config.settings import Settings
from edgetender.errors import LinkDown, NotFound
from edgetender.eventlog import EventLog
from edgetender.metrics import Metrics
from edgetender.model.ledger import Ledger
from tests.builders.devices import FakeNetwork, certificate, device, mqtt
from tests.builders.ledgers import holding
from tests.builders.manifests import SCORER, manifest, module, slot
from tests.fakes.clock import NOON, FakeClock
from tests.fakes.credentials import FakeCredentials
from tests.fakes.engine import FakeEngine
from tests.fakes.registry import FakeImages
from tests.fakes.store import FakeOutbox


def check(name: str, run=lambda _: ok("well"), needs=(), fix=None) -> Check:
    return Check(name, f"{name} is well", "runtime", "It matters.", run, needs, fix)


def bad(_device):
    return fail("broken", "repair it")


def raising(error: Exception):
    def run(_device):
        raise error

    return run


# --- running them ---


def test_results_come_in_the_checks_order_whatever_depends_on_what(tmp_path: Path) -> None:
    checks = [check("a", needs=("b",)), check("b"), check("c", needs=("a",))]
    results = run_checks(checks, device(tmp_path))
    assert [(r.check.id, r.finding.severity) for r in results] == [(n, Severity.OK) for n in "abc"]


def test_what_follows_from_a_failure_is_passed_over_and_names_its_cause(tmp_path: Path) -> None:
    checks = [check("cause", bad), check("effect", bad, ("cause",)), check("other", bad)]
    checks.append(check("effects-effect", bad, ("effect",)))
    _, *effects, other, last = run_checks(checks, device(tmp_path))
    for effect in (*effects, last):
        assert (effect.finding.severity, effect.finding.said) == (Severity.SKIPPED, "follows from cause")
    assert other.finding.severity is Severity.ERROR


def test_a_warning_is_no_cause_and_a_cause_that_is_not_asked_counts_as_well(tmp_path: Path) -> None:
    checks = [check("cause", lambda _: warn("hm", "look")), check("effect", bad, ("cause",))]
    assert run_checks(checks, device(tmp_path))[1].finding.severity is Severity.ERROR
    assert run_checks(checks[1:], device(tmp_path))[0].finding.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("error", "said", "repair"),
    [
        (LinkDown("cannot do it: no file; put it there"), "cannot do it: no file", "put it there"),
        (OSError(5, "Input/output error"), "Input/output error", "edgetender check a"),
        (ZeroDivisionError("ours"), "the check itself failed: ZeroDivisionError: ours", "report"),
    ],
)
def test_a_check_that_raises_costs_only_itself(tmp_path: Path, error, said, repair) -> None:
    broken, well = run_checks([check("a", raising(error)), check("b")], device(tmp_path))
    assert broken.finding.severity is Severity.ERROR
    assert said in broken.finding.said
    assert repair in broken.finding.repair
    assert well.finding.severity is Severity.OK


def test_a_check_that_does_not_end_is_left_alone(tmp_path: Path) -> None:
    ends = threading.Event()

    def hang(_device):
        ends.wait()
        return ok("late")

    for deadline_s in (0.2, 2, 20):  # a busy machine may take longer than the first for the other one
        late, well = run_checks([check("slow", hang), check("b")], device(tmp_path), deadline_s=deadline_s)
        if well.finding.severity is Severity.OK:
            break
    ends.set()
    assert (late.finding.said, late.finding.repair) == (
        "gave no answer in time",
        "try it alone: edgetender check slow",
    )
    assert well.finding.severity is Severity.OK


def test_fix_repairs_what_has_a_safe_fix_and_looks_again(tmp_path: Path) -> None:
    state = {"broken": True}

    def run(_device):
        return fail("open", "close it") if state["broken"] else ok("closed")

    def fix(_device):
        state["broken"] = False
        return "closed it"

    fixable, other = check("a", run, fix=fix), check("b", bad)
    unfixed, _ = run_checks([fixable, other], device(tmp_path))
    assert (unfixed.finding.said, unfixed.fixed) == ("open", "")
    fixed, rest = run_checks([fixable, other], device(tmp_path), fix=True)
    assert (fixed.finding.severity, fixed.fixed) == (Severity.OK, "closed it")
    assert rest.finding.severity is Severity.ERROR


def test_a_fix_that_is_refused_says_so_and_the_finding_stands(tmp_path: Path) -> None:
    (result,) = run_checks(
        [check("a", bad, fix=raising(PermissionError(1, "Operation not permitted")))],
        device(tmp_path),
        fix=True,
    )
    assert result.finding.severity is Severity.ERROR
    assert "Operation not permitted" in result.fixed


def test_checks_are_chosen_by_id_and_an_unknown_one_is_named() -> None:
    checks = [check("a"), check("b"), check("c")]
    assert [c.id for c in choose(checks, (), ())] == ["a", "b", "c"]
    assert [c.id for c in choose(checks, ("c", "a"), ())] == ["a", "c"]
    assert [c.id for c in choose(checks, (), ("b",))] == ["a", "c"]
    for ids, skipped in ((("x",), ()), ((), ("x",))):
        with pytest.raises(NotFound, match="cannot find the check 'x': there are a, b, c"):
            choose(checks, ids, skipped)


# --- telling of them ---


class World:
    """A checker whose network can be cut, and what it told."""

    def __init__(self, folder: Path, **transport: Any) -> None:
        self.clock, self.network = FakeClock(), FakeNetwork()
        self.outbox, self.levels, self.figures = FakeOutbox(self.clock), {}, Metrics("0.1.0")
        self.stopping = threading.Event()
        found = device(
            folder,
            transport=mqtt(tls=False, host="hub.example", **transport),
            network=self.network,
            clock=self.clock,
        )
        self.checker = Checker(
            look=lambda: found,
            clock=self.clock,
            events=EventLog("line3-cam7", self.outbox, self.clock.now()),
            levels=self.levels.update,
            ends=self.figures.certificates,
            interval_s=0.01,
            stopping=self.stopping,
        )

    def events(self) -> list[tuple[str, str]]:
        return [(m.topic, json.loads(m.body)["check"]) for m in self.outbox.head()]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_check_that_begins_to_fail_is_an_event_once_and_once_more_when_it_is_well(world: World) -> None:
    world.checker.run(["dns"])
    assert world.events() == []
    world.network.dead.add("hub.example")
    world.checker.run(["dns"])
    world.checker.run(["dns"])
    assert world.events() == [("event/check.failed", "dns")]
    world.network.dead.clear()
    world.checker.run(["dns"])
    assert world.events()[1:] == [("event/check.passed", "dns")]


def test_a_certificate_that_will_expire_is_an_event_and_a_metric_weeks_before(tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    file.write_bytes(certificate(NOON + timedelta(days=40)))
    world = World(tmp_path, certificate=file)
    told = []
    for days in (0, 11, 15, 15):  # 40, 29, 14 days before the end, and a day behind it
        world.clock.advance(days * 86400)
        world.checker.run(["certificates"])
        told.append((world.levels["certificates"], [kind.partition(".")[2] for kind, _ in world.events()]))
    assert told == [(0, []), (1, ["warned"]), (1, []), (2, ["failed"])]  # an event is kept for a week
    file.write_bytes(certificate(world.clock.now() + timedelta(days=365)))
    world.checker.run(["certificates"])
    assert world.events()[-1] == ("event/check.passed", "certificates")


def test_until_when_a_certificate_is_good_is_a_metric(tmp_path: Path) -> None:
    file = tmp_path / "device.pem"
    ends = [NOON + timedelta(days=days) for days in (40, 12)]
    file.write_bytes(b"".join(map(certificate, ends)))
    world = World(tmp_path, certificate=file)
    assert b"certificate_expiry_timestamp_seconds{" not in world.figures.exposition()
    world.checker.run(["certificates"])
    world.checker.run(["dns"])
    [told] = [
        line
        for line in world.figures.exposition().decode().splitlines()
        if "expiry_timestamp_seconds{" in line
    ]
    assert told.startswith(f'edgetender_certificate_expiry_timestamp_seconds{{certificate="{file}"}} ')
    assert float(told.split()[-1]) == min(ends).timestamp()


def test_levels_are_those_of_the_newest_results_and_what_was_passed_over_has_none(world: World) -> None:
    world.checker.run()
    assert (world.levels["docker-api"], world.levels["upstream-tls"]) == (0, 1)
    assert "certificates" not in world.levels
    world.network.dead.add("hub.example")
    world.checker.run(["dns"])
    assert world.levels["dns"] == 2


def test_the_newest_of_each_check_is_kept_with_its_time(world: World) -> None:
    assert world.checker.latest() == ()
    world.checker.run()
    first = world.clock.now()
    world.clock.advance(60)
    world.checker.run(["clock"])
    times: dict[str, datetime] = {result.check.id: at for result, at in world.checker.latest()}
    assert times["clock"] == world.clock.now()
    assert times["dns"] == first


def test_the_thread_runs_them_again_and_again_until_it_is_stopped(world: World) -> None:
    thread = threading.Thread(target=world.checker.work)
    thread.start()
    deadline = time.monotonic() + 20
    while not world.checker.latest() and time.monotonic() < deadline:
        world.stopping.wait(0.01)
    world.stopping.set()
    thread.join(60)
    assert world.checker.latest()
    assert not thread.is_alive()


# --- what they look with ---


def means(settings: Settings) -> Means:
    return Means(settings, FakeEngine(), FakeImages(), FakeCredentials(), FakeClock(), lambda: None)  # type: ignore[arg-type, return-value]


def test_the_configuration_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('device = "line3-cam7"\n')
    assert looking(file, means(Settings())).faults == ()
    file.write_text('device = "line3 cam7"\n')
    found = looking(file, means(Settings()))
    assert [problem.path for problem in found.faults] == [f"{file}:1"]
    assert found.files == (file,)


def test_wanted_are_the_images_of_both_slots_with_their_credentials() -> None:
    accepted = manifest(1) | {"registries": {"registry.example": {"credential": "line3"}}}
    candidate = manifest(2, ocr=module())
    found = wanted_images(holding(accepted, candidate), device_hardware())
    assert [(one.module, one.reference, one.credential) for one in found] == [
        ("scorer", SCORER, "line3"),
        ("ocr", SCORER, None),
    ]
    assert wanted_images(Ledger(), device_hardware()) == ()


def test_a_manifest_of_another_release_is_passed_over() -> None:
    unreadable = replace(slot(manifest(1)), body='{"schema": "edgetender/v0"}')
    assert wanted_images(Ledger(accepted=unreadable), device_hardware()) == ()


def device_hardware():
    from tests.builders.loops import AMD64

    return AMD64
