"""support-bundle: everything that helps, nothing that is secret; with an agent and without."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from edgetender.errors import StoreDamaged
from edgetender.support.collecting import plugins
from tests.builders.ledgers import holding
from tests.builders.manifests import manifest

CANARY = "canary-41c0ffee"
AGENT = Path(__file__).parents[2] / "agent"


def unpacked(body: bytes) -> dict[str, str]:
    """File by name, without the archive's own root."""
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        return {
            member.name.partition("/")[2]: (archive.extractfile(member) or io.BytesIO()).read().decode()
            for member in archive
        }


@pytest.fixture
def folder(tmp_path):
    """The device's credentials and a folder of plug-ins; the password is known to be secret."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/hub").write_text(json.dumps({"username": "line3", "password": CANARY}))
    with (tmp_path / "config.toml").open("a") as file:
        file.write(f'[credentials]\ndirectory = "{tmp_path}/credentials"\n')
    (tmp_path / "plugins").mkdir()
    return tmp_path


def plugin(folder, name: str, script: str) -> None:
    (folder / "plugins" / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / "plugins" / name).chmod(0o755)


def test_it_holds_what_the_agent_knows_and_this_machine_says(shell, house, folder):
    house.said["scorer"] = ["ready on port 5001"]
    house.happened = [{"type": "module.state", "module": "scorer"}]
    house.logged = ["2026-11-24T12:00:00.000Z WARNING link down"]
    house.insights["plan"]["held"] = [{"module": "scorer", "why": "again in 20 s"}]
    said = shell.run("support-bundle", "-o", "b.tar.gz", "--plugins", "plugins")
    files = unpacked((folder / "b.tar.gz").read_bytes())
    assert (said.code, said.out, said.err) == (0, "", "wrote b.tar.gz\n")
    assert stat.S_IMODE((folder / "b.tar.gz").stat().st_mode) == 0o600
    assert {
        "status.json", "checks.json", "history.json", "hardware.json", "metrics.txt", "config.txt",
        "events.ndjson", "logs/scorer.log", "system/uname.txt", "system/df.txt", "README.txt",
        "facts.json", "trends.json", "plan.json", "versions.txt", "agent-newest.log",
    } <= files.keys()  # fmt: skip
    assert json.loads(files["plan.json"])["plan"]["held"] == [{"module": "scorer", "why": "again in 20 s"}]
    assert files["agent-newest.log"] == "2026-11-24T12:00:00.000Z WARNING link down\n"
    assert {"edgetender", "python", "openssl", "pydantic"} <= {
        one.split()[0] for one in files["versions.txt"].splitlines()
    }
    assert json.loads(files["status.json"])["device"] == "line3-cam7"
    assert files["logs/scorer.log"] == "ready on port 5001\n"
    assert 'device = "line3-cam7"' in files["config.txt"]
    assert "It is complete." in files["README.txt"]


def test_no_secret_is_in_it_wherever_it_stood(shell, house, folder):
    house.said["scorer"] = [f"logging in as line3 with {CANARY}", "Authorization: Bearer other-canary-17"]
    house.happened = [{"type": "x", "said": f"https://u:{CANARY}@hub.example"}]
    house.statuses[0]["notes"] = [f"password={CANARY}"]
    plugin(folder, "10_leak.sh", f"echo my secret is {CANARY}")
    shell.run("support-bundle", "-o", "b.tar.gz", "--plugins", "plugins")
    files = unpacked((folder / "b.tar.gz").read_bytes())
    assert "logging in as line3 with ***" in files["logs/scorer.log"]
    assert [name for name, text in files.items() if "canary" in text] == []


def test_why_a_variant_runs_can_be_asked_of_the_bundle_alone(shell, house, folder):
    house.ledger = holding(manifest(14) | {"registries": {"registry.example": {"credential": "hub"}}})
    shell.run("support-bundle", "-o", "b.tar.gz")
    (folder / "facts.json").write_text(unpacked((folder / "b.tar.gz").read_bytes())["facts.json"])
    told, again = shell.run("explain", "scorer"), shell.run("explain", "scorer", "--facts", "facts.json")
    assert (again.code, again.out) == (0, told.out), again.err


def test_docker_s_program_asks_the_engine_that_the_agent_uses(shell, folder, monkeypatch):
    (folder / "bin").mkdir()
    (folder / "bin/docker").write_text('#!/bin/sh\necho "$DOCKER_HOST"\n')
    (folder / "bin/docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    with (folder / "config.toml").open("a") as file:
        file.write('[engine]\nsocket = "unix:///run/podman/podman.sock"\n')
    shell.run("support-bundle", "-o", "b.tar.gz")
    files = unpacked((folder / "b.tar.gz").read_bytes())
    assert files["engine/info.txt"] == "unix:///run/podman/podman.sock\n"


def test_a_dash_writes_it_to_stdout_for_a_pipe(front_door, house, folder):
    start = [sys.executable, "-c", "from edgetender.cli import main; main()", "support-bundle", "-o", "-"]
    environ = os.environ | {"PYTHONPATH": str(AGENT), "EDGETENDER_HOST": front_door[0].host}
    done = subprocess.run(start, capture_output=True, check=True, timeout=60, env=environ)
    assert "status.json" in unpacked(done.stdout)


def test_plug_ins_add_to_it_and_one_that_does_not_apply_or_hangs_costs_nothing(folder):
    plugin(folder, "10_sensor.sh", "echo 42 degrees")
    plugin(folder, "20_none.sh", "exit 2")
    plugin(folder, "30_hangs.sh", "echo begun; sleep 60")
    plugin(folder, "40_broken.sh", "echo half; exit 9")
    (folder / "plugins/50_not_executable.sh").write_text("")
    assert dict(plugins(folder / "plugins", timeout_s=0.5)) == {
        "10_sensor.sh": "42 degrees\n",
        "30_hangs.sh": "begun\n\n[ended after 0.5 s]\n",
        "40_broken.sh": "half\n\n[exit 9]\n",
    }
    assert dict(plugins(folder / "nowhere")) == {}


def test_a_program_that_does_not_heed_sigterm_is_killed(folder):
    plugin(folder, "10_stubborn.sh", "trap '' TERM; echo begun; sleep 60 & wait; sleep 60")
    ((_, said),) = plugins(folder / "plugins", timeout_s=0.5)
    assert "ended after 0.5 s" in said


def test_what_cannot_be_had_is_told_and_the_rest_is_there(shell, house, folder):
    house.errors["status"] = StoreDamaged("cannot read state.db: broken")
    said = shell.run("support-bundle", "-o", "b.tar.gz")
    files = unpacked((folder / "b.tar.gz").read_bytes())
    assert said.code == 0
    assert "not in it: /v1/status: cannot read state.db: broken" in said.err
    assert "not in here: /v1/status: cannot read state.db: broken" in files["README.txt"]
    assert "hardware.json" in files


def test_without_an_agent_it_says_so_and_gathers_what_the_machine_says(lonely, folder):
    said = lonely.run("support-bundle", "--plugins", "plugins")
    (made,) = folder.glob("edgetender-*-20261124T120000Z.tar.gz")
    files = unpacked(made.read_bytes())
    assert said.code == 0
    assert files["README.txt"].count("systemctl start edgetender") == 1
    assert len(said.err.splitlines()) == 2
    assert "system/uname.txt" in files
