"""Each check of the configuration and the runtime, where all is well and where not: what it says, what repairs it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from edgetender.checks import CHECKS, all_checks
from edgetender.checks.finding import Severity
from edgetender.config.settings import TrustSettings
from edgetender.errors import EngineRefused, Problem
from edgetender.model.hardware import Fact, Hardware
from edgetender.store.outbox import SqliteOutbox
from edgetender.store.state import SqliteStore
from tests.builders.devices import (
    GIB,
    HARDWARE,
    FakeDisks,
    device,
    down,
    look,
    mqtt,
    says,
    told,
)
from tests.builders.signing import Keys, signed_root
from tests.fakes.engine import FakeEngine

OK, WARN, ERROR, SKIPPED = Severity.OK, Severity.WARN, Severity.ERROR, Severity.SKIPPED


def test_every_check_is_registered_under_its_own_name_and_says_why_it_matters() -> None:
    for name, check in zip(CHECKS, all_checks(), strict=True):
        assert check.id == name.replace("_", "-")
        assert check.title
        assert check.group in {"configuration", "runtime", "connectivity"}
        assert check.why.endswith(".")


def test_every_check_follows_only_from_checks_before_it() -> None:
    ids = [check.id for check in all_checks()]
    assert all(need in ids[: ids.index(check.id)] for check in all_checks() for need in check.needs)


def test_every_file_of_a_check_is_registered() -> None:
    folder = Path(import_module("edgetender.checks").__file__).parent
    found = {path.stem for path in folder.glob("*.py") if "\nCHECK = " in path.read_text()}
    assert found == set(CHECKS)


@pytest.mark.parametrize("name", [name for name in CHECKS if name != "trust_root"])
def test_on_a_new_device_nothing_fails(name: str, tmp_path: Path) -> None:
    assert look(name, tmp_path).severity in (OK, SKIPPED)


def test_an_open_device_is_told_that_it_trusts_whoever_reaches_it(tmp_path: Path) -> None:
    anyone = {"trust": TrustSettings("open", tmp_path / "trust")}
    says(look("trust_root", tmp_path, **anyone), WARN, "no trust root is installed", "edgetender init")


def test_a_device_that_wants_signatures_fails_without_a_root_and_is_well_with_one(tmp_path: Path) -> None:
    signed = {"trust": TrustSettings("signed", tmp_path / "trust")}
    says(look("trust_root", tmp_path, **signed), ERROR, "no manifest is taken", "edgetender init")

    (tmp_path / "trust").mkdir()
    (tmp_path / "trust/root.json").write_bytes(signed_root(Keys()))
    says(look("trust_root", tmp_path, **signed), OK, "version 1", "1 key signed")

    policy = tmp_path / "policy.toml"
    policy.write_text("[ports]\nfirst = 0\n")
    guarded = {"trust": TrustSettings("signed", tmp_path / "trust", policy)}
    says(look("trust_root", tmp_path, **guarded), ERROR, "no manifest is taken", "ports.first", "policy.toml")

    (tmp_path / "trust/root.json").write_bytes(b"")
    says(look("trust_root", tmp_path, **signed), ERROR, "edgetender trust show")


# --- configuration ---


def test_a_configuration_with_faults_fails_with_the_first_and_their_number(tmp_path: Path) -> None:
    faults = (Problem("c.toml:3", "config.unknown", "unknown key 'x'"), Problem("c.toml:4", "a", "b"))
    says(
        look("config_parse", tmp_path, faults=faults),
        ERROR,
        "c.toml:3: unknown key 'x' (and 1 more)",
        "edgetender config check",
    )


def test_a_sound_configuration_names_its_files(tmp_path: Path) -> None:
    says(look("config_parse", tmp_path, files=(Path("/etc/a.toml"),)), OK, "/etc/a.toml")


def test_a_credential_that_others_can_read_fails_and_is_closed_by_the_fix(tmp_path: Path) -> None:
    file = tmp_path / "credentials" / "hub registry"
    file.parent.mkdir()
    file.touch(mode=0o644)
    file.chmod(0o644)
    check = import_module("edgetender.checks.permissions").CHECK
    says(check.run(device(tmp_path)), ERROR, f"chmod go-rwx '{file}'")
    assert str(file) in check.fix(device(tmp_path))
    says(check.run(device(tmp_path)), OK)
    assert file.stat().st_mode & 0o777 == 0o600
    assert check.fix(device(tmp_path)) == ""


def test_a_configuration_that_others_can_change_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.touch()
    file.chmod(0o666)
    says(look("permissions", tmp_path, files=(file,)), WARN, f"chmod go-w {file}")
    import_module("edgetender.checks.permissions").CHECK.fix(device(tmp_path, files=(file,)))
    says(look("permissions", tmp_path, files=(file,)), OK)


def test_a_key_of_this_device_that_others_can_read_fails(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.touch()
    key.chmod(0o640)
    says(look("permissions", tmp_path, transport=mqtt(key=key)), ERROR, f"chmod go-rwx {key}")


def test_a_link_among_the_credentials_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "elsewhere").touch()
    (tmp_path / "elsewhere").chmod(0o644)
    (tmp_path / "credentials" / "hub").symlink_to(tmp_path / "elsewhere")
    says(look("permissions", tmp_path), OK)


# --- runtime ---


class OldEngine(FakeEngine):
    def facts(self):
        return replace(super().facts(), version="19.03.15", api_version="1.40")


class RefusingEngine(FakeEngine):
    def facts(self):
        raise EngineRefused("cannot use the engine: it speaks API 1.12, 1.41 is needed")


def test_an_engine_that_does_not_answer_fails_with_what_starts_it(tmp_path: Path) -> None:
    says(look("docker_api", tmp_path, engine=down()), ERROR, "systemctl start docker")


@pytest.mark.parametrize("engine", [OldEngine(), RefusingEngine()])
def test_an_engine_that_is_too_old_fails(tmp_path: Path, engine: FakeEngine) -> None:
    says(look("docker_api", tmp_path, engine=engine), ERROR, "1.41", "apt-get install docker.io")


def test_an_engine_of_api_1_41_is_new_enough(tmp_path: Path) -> None:
    says(look("docker_api", tmp_path), OK, "20.10.24, API 1.41")


@pytest.mark.parametrize(
    ("driver", "options", "severity"),
    [
        ("json-file", {}, WARN),
        ("json-file", {"max-size": "10m"}, OK),
        ("local", {}, OK),
        ("journald", {}, OK),
        ("fluentd", {}, OK),
    ],
)
def test_logs_without_bound_are_a_warning(tmp_path: Path, driver, options, severity) -> None:
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/docker/daemon.json").write_text(json.dumps({"log-opts": options}))
    says(look("docker_log_rotation", tmp_path, engine=told(log_driver=driver)), severity)


@pytest.mark.parametrize("text", ["", "[]", '{"log-opts": []}', "{"])
def test_an_engines_configuration_that_cannot_be_read_bounds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/docker/daemon.json").write_text(text)
    says(look("docker_log_rotation", tmp_path, engine=told(log_driver="json-file")), WARN, "daemon.json")


@pytest.mark.parametrize(
    ("free", "total", "severity"),
    [(50, 100, OK), (10, 100, OK), (9, 100, WARN), (4, 100, ERROR), (0.4, 2, ERROR), (0, 0, ERROR)],
)
def test_room_is_judged_in_part_and_in_bytes(tmp_path: Path, free, total, severity) -> None:
    disks = FakeDisks(int(free * GIB), int(total * GIB))
    says(
        look("disk_space", tmp_path, disks=disks), severity, "free in", "docker" if severity is not OK else ""
    )


def test_the_fuller_disk_is_told_and_the_engines_is_looked_at(tmp_path: Path) -> None:
    class TwoDisks(FakeDisks):
        def space(self, path: Path) -> tuple[int, int]:
            return (1 * GIB, 100 * GIB) if path.name == "docker" else (50 * GIB, 100 * GIB)

    (tmp_path / "docker").mkdir()
    engine = told(data_root=str(tmp_path / "docker"))
    says(look("disk_space", tmp_path, disks=TwoDisks(), engine=engine), ERROR, f"{tmp_path}/docker")
    says(look("disk_space", tmp_path, disks=TwoDisks(), engine=down()), OK, f"{tmp_path}/state")


@pytest.mark.parametrize(
    ("free", "total", "severity"), [(900, 1000, OK), (99, 1000, WARN), (19, 1000, ERROR), (0, 0, OK)]
)
def test_inodes_can_run_out_too(tmp_path: Path, free, total, severity) -> None:
    says(
        look("disk_inodes", tmp_path, disks=FakeDisks(inodes_free=free, inodes_total=total)),
        severity,
        "inodes",
    )


def test_whole_databases_are_whole_also_while_they_are_open(tmp_path: Path) -> None:
    made = device(tmp_path)
    store, outbox = (
        SqliteStore(made.settings.state_dir / "state.db"),
        SqliteOutbox(made.settings.state_dir / "queue.db"),
    )
    says(look("storage", tmp_path), OK, "state.db and queue.db are whole")
    store.close()
    outbox.close()


@pytest.mark.parametrize("damage", [b"garbage" * 2000, b""], ids=["garbage", "empty"])
def test_a_damaged_database_fails_and_a_restart_repairs_it(tmp_path: Path, damage: bytes) -> None:
    (device(tmp_path).settings.state_dir / "state.db").write_bytes(damage)
    says(look("storage", tmp_path), ERROR, "state.db: ", "systemctl restart edgetender")


def test_a_page_that_a_disk_lost_is_found(tmp_path: Path) -> None:
    path = device(tmp_path).settings.state_dir / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.executemany("INSERT INTO a VALUES (?)", [("x" * 500,)] * 100)
        connection.commit()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + bytes(4096) + whole[12288:])
    says(look("storage", tmp_path), ERROR, "queue.db: ")


def test_a_database_that_was_damaged_before_is_a_warning_to_look_at_the_disk(tmp_path: Path) -> None:
    (device(tmp_path).settings.state_dir / "state.db.damaged-20261124T120000Z").touch()
    says(look("storage", tmp_path), WARN, "state.db.damaged-", "smartctl")


GPU = Hardware((*HARDWARE.facts[:2], Fact("accelerator", "nvidia", "/proc", "driver 535.129.03")))


def test_an_accelerator_that_the_engine_cannot_hand_on_fails(tmp_path: Path) -> None:
    says(look("hardware", tmp_path, hardware=lambda: GPU), ERROR, "nvidia-container-toolkit")
    says(look("hardware", tmp_path, hardware=lambda: GPU, engine=told(cdi=True)), OK, "driver 535")
    says(look("hardware", tmp_path, hardware=lambda: GPU, engine=told(runtimes=("nvidia",))), OK)
    says(look("hardware", tmp_path, hardware=lambda: GPU, engine=down()), OK)


def test_a_device_without_its_driver_is_a_warning(tmp_path: Path) -> None:
    bare = Hardware((*HARDWARE.facts, Fact("nvidia_devices", 1, "/sys")))
    says(look("hardware", tmp_path, hardware=lambda: bare), WARN, "nvidia-driver")


def test_hardware_that_is_not_known_is_a_warning_with_the_reason(tmp_path: Path) -> None:
    unknown = Hardware(
        (Fact("arch", "amd64", "uname"), Fact("memory_bytes", None, "/proc", "cannot be read"))
    )
    says(
        look("hardware", tmp_path, hardware=lambda: unknown), WARN, "memory_bytes is unknown: cannot be read"
    )
