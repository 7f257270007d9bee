"""Does the unit do what it says, under a real systemd as PID 1?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from demo.parts.waiting import until
from tests.system.machine import Machine, booted, cgroups, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.system

UNIT = "edgetender.service"
CONFIG = "etc/edgetender/config.toml"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if reason := why_not():
        pytest.skip(reason)
    with booted(tmp_path_factory.mktemp("machine")) as started:
        yield started


@pytest.fixture
def running(machine: Machine) -> Iterator[Machine]:
    """The service started once more, from nothing."""
    started = machine.run("systemctl", "start", UNIT, within_s=60)
    assert started.returncode == 0, machine.journal(UNIT)[-3000:]
    yield machine
    machine.run("systemctl", "stop", UNIT, within_s=60)


def test_the_unit_is_clean_and_its_exposure_stays_low(
    machine: Machine, record_property: Callable[[str, object], None]
) -> None:
    verified = machine.run("systemd-analyze", "verify", UNIT)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    rated = machine.run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT).stdout
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", rated)
    assert exposure is not None, rated
    record_property("exposure", exposure[1])
    print(f"exposure level {exposure[1]}")  # noqa: T201  the figure belongs into the run's log
    assert float(exposure[1]) <= 1.5


def test_it_gets_ready_and_stays_without_an_engine_and_says_so(running: Machine) -> None:
    assert running.property_of(UNIT, "ActiveState") == "active"
    status = until(
        lambda: re.search("engine", running.property_of(UNIT, "StatusText"), re.IGNORECASE),
        "the status text naming the engine",
        within_s=15,
        every_s=0.3,
    )
    assert status
    assert running.property_of(UNIT, "NRestarts") == "0"
    told = running.run("edgetender", "status")
    assert re.search("engine", told.stdout + told.stderr, re.IGNORECASE), told


def test_it_runs_as_its_own_user_and_can_write_its_own_state_only(running: Machine) -> None:
    pid = running.property_of(UNIT, "MainPID")
    owner = running.run("stat", "--format=%U:%G", f"/proc/{pid}").stdout.strip()
    assert owner == "edgetender:edgetender"
    capabilities = running.run("grep", "CapEff", f"/proc/{pid}/status").stdout
    assert int(capabilities.split()[1], 16) == 0
    mounts = running.run("cat", f"/proc/{pid}/mountinfo").stdout
    assert re.search(r" /var/lib/edgetender rw", mounts), mounts
    assert re.search(r" / / ro| / ro,", mounts), mounts
    modes = running.run("stat", "--format=%a %U", "/var/lib/edgetender", "/run/edgetender").stdout.split("\n")
    assert modes[:2] == ["700 edgetender", "755 edgetender"]
    doors = running.run("sh", "-c", "stat --format='%n %a %U:%G' /run/edgetender/*.sock").stdout.splitlines()
    assert doors == [
        "/run/edgetender/admin.sock 660 edgetender:edgetender",
        "/run/edgetender/ro.sock 660 edgetender:edgetender-read",
    ]


def test_sigterm_ends_it_cleanly_and_quickly(running: Machine) -> None:
    assert running.run("systemctl", "stop", UNIT, within_s=60).returncode == 0
    assert running.property_of(UNIT, "Result") == "success"  # not "timeout": nobody had to kill it
    assert running.property_of(UNIT, "ExecMainStatus") == "0"


def test_a_daemon_that_hangs_is_restarted_by_the_watchdog(machine: Machine) -> None:
    dropin = machine.root / f"etc/systemd/system/{UNIT}.d/fast.conf"
    dropin.parent.mkdir(parents=True, exist_ok=True)
    dropin.write_text("[Service]\nWatchdogSec=5\nRestartSec=0\n")
    machine.run("systemctl", "daemon-reload")
    try:
        assert machine.run("systemctl", "start", UNIT, within_s=60).returncode == 0
        hung = machine.property_of(UNIT, "MainPID")
        machine.run("kill", "-STOP", hung)

        def replaced() -> bool:
            now = machine.property_of(UNIT, "MainPID")
            return now not in ("0", hung) and machine.property_of(UNIT, "ActiveState") == "active"

        until(replaced, "the watchdog's restart", every_s=0.3)
        assert int(machine.property_of(UNIT, "NRestarts")) >= 1  # more where it is hard to come up in 5 s
        assert "watchdog" in machine.journal(UNIT).lower()
    finally:
        machine.run("systemctl", "stop", UNIT, within_s=60)
        dropin.unlink()
        machine.run("systemctl", "daemon-reload")


def test_a_broken_configuration_exits_78_names_every_fault_and_is_not_tried_again(machine: Machine) -> None:
    config = machine.root / CONFIG
    good = config.read_text()
    config.write_text('devise = "line3-cam7"\n[engine]\nsocket = 7\n')
    try:
        machine.run("systemctl", "start", UNIT, within_s=60)
        assert machine.property_of(UNIT, "ExecMainStatus") == "78"
        assert machine.property_of(UNIT, "ActiveState") == "failed"
        assert machine.property_of(UNIT, "NRestarts") == "0"
        journal = machine.journal(UNIT)
        assert "config.toml:1" in journal, journal[-2000:]
        assert "config.toml:3" in journal, journal[-2000:]
    finally:
        config.write_text(good)
        machine.run("systemctl", "reset-failed", UNIT)


def test_an_encrypted_credential_reaches_the_daemon_and_without_it_it_says_which_is_missing(
    machine: Machine,
) -> None:
    config, override = machine.root / CONFIG, machine.root / f"etc/systemd/system/{UNIT}.d/credential.conf"
    good = config.read_text()
    config.write_text(
        'device = "cam7"\n[transport]\nkind = "mqtt"\nhost = "127.0.0.1"\nport = 1\ntls = false\n'
        'username = "cam7"\npassword_credential = "line3-broker"\n'
    )
    (machine.root / "etc/edgetender/plain.json").write_text('{"username": "cam7", "password": "canary-5d0f"}')
    sealed = "/etc/edgetender/line3-broker.cred"
    try:
        machine.run("systemctl", "start", UNIT, within_s=60)
        assert "line3-broker" in machine.journal(UNIT)
        machine.run("systemctl", "stop", UNIT, within_s=60)
        made = machine.run(
            "systemd-creds",
            "encrypt",
            "--with-key=host",
            "--name=line3-broker",
            "/etc/edgetender/plain.json",
            sealed,
        )
        assert made.returncode == 0, made.stderr
        assert b"canary" not in (machine.root / sealed.lstrip("/")).read_bytes()
        override.parent.mkdir(parents=True, exist_ok=True)
        override.write_text(f"[Service]\nLoadCredentialEncrypted=line3-broker:{sealed}\n")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "reset-failed", UNIT)
        started = machine.run("systemctl", "start", UNIT, within_s=60)
        assert started.returncode == 0, machine.journal(UNIT)[-3000:]
        assert machine.property_of(UNIT, "ActiveState") == "active"
        assert "canary-5d0f" not in machine.journal(UNIT)
    finally:
        machine.run("systemctl", "stop", UNIT, within_s=60)
        override.unlink(missing_ok=True)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "reset-failed", UNIT)
        config.write_text(good)


def test_a_machine_leaves_neither_mounts_nor_cgroups_nor_processes(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    before = cgroups()
    machine = Machine(tmp_path, "edgetender-short")
    try:
        machine.prepare()
        machine.start()
        init = machine.init
        assert init is not None
        assert init.runs
    finally:
        machine.stop()
    assert not init.runs
    mounts = Path("/proc/self/mounts").read_text()
    assert not [name for name in (str(tmp_path), "edgetender-short") if name in mounts]
    assert cgroups() == before
