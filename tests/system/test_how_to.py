"""Do the how-to pages do what they say? Every command is run, on a machine of its own, or has its reason here why not.

The agent there is a fake house behind the real API, the broker a mosquitto that the page about it sets up. Files whose
fence names them are written where they say, and the configuration is checked as it then is.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.parts.identities import Authority
from edgetender.model.ledger import Decision
from tests.builders.answers import module, status
from tests.fakes.house import FakeHouse
from tests.services.api import served
from tests.services.engine import REPOSITORY
from tests.services.own_machine import own_machine, why_not
from tests.system.console import Command, File, Shell, steps

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

FOLDER = REPOSITORY / "docs/how-to"
PAGES = sorted(page.name for page in FOLDER.glob("*.md") if page.name != "README.md")
BROKER = "mqtt-broker.md"
MANIFEST = """\
schema: edgetender/v1
deployment: line3
version: 14
modules:
  scorer: {image: "registry.example/scorer@sha256:%s"}
""" % ("ab" * 32)
DEPLOYMENT = """\
{"modulesContent": {"$edgeAgent": {"properties.desired": {"schemaVersion": "1.1",
  "runtime": {"type": "docker", "settings": {}}, "systemModules": {}, "modules": {"scorer": {"type": "docker",
  "status": "running", "restartPolicy": "always",
  "settings": {"image": "registry.example/scorer@sha256:%s", "createOptions": "{}"}}}}}}}
""" % ("ab" * 32)
LAYER = """\
{"content": {"modulesContent": {"$edgeAgent": {"properties.desired.modules.eyes": {"type": "docker",
  "status": "running", "restartPolicy": "always",
  "settings": {"image": "registry.example/eyes@sha256:%s"}}}}}}
""" % ("cd" * 32)

OPERATOR = "export EDGETENDER_BROKER_CERTIFICATE=$KEYS/operator.pem EDGETENDER_BROKER_KEY=$KEYS/operator.key"

# What lies in the reader's directory before the page begins.
SUPPOSED = {
    "choose-when-to-update.md": {"line3.yaml": MANIFEST},
    "hand-over-secrets.md": {"camera-password": "open sesame"},
    "move-from-iot-edge.md": {"line3.json": DEPLOYMENT, "base.json": DEPLOYMENT, "gpu-layer.json": LAYER},
    "mqtt-broker.md": {"line3.yaml": MANIFEST},
    "package-a-model.md": {"model.json": '{"factor": 3}'},
    "private-registry.md": {"registry-ca.pem": ""},
    "serve-with-tls.md": {"fullchain.pem": "", "key.pem": ""},
    "sign-manifests.md": {"line3.yaml": MANIFEST},
}

# What a page leaves to its reader, done before the command that begins so.
MEANWHILE = {
    "azure-iot-hub.md": {"hub=": "echo '{}' > manifest.json"},
    "look-at-a-fleet.md": {
        "edgetender fleet status": "broker && cp $KEYS/operator.pem ops.pem && cp $KEYS/operator.key ops.key && "
        f"PYTHONPATH={REPOSITORY} python -m tests.services.three_devices hub.example ops.pem ops.key",
    },
    "move-from-iot-edge.md": {
        "edgetender sign": "edgetender keys init keys && cp keys/root.json keys/manifest-1.key .",
        "edgetender push": f"broker && {OPERATOR}",
    },
    "mqtt-broker.md": {
        "edgetender push": "broker && cp $KEYS/operator.* $KEYS/ca.pem . && edgetender keys init keys && "
        "edgetender sign line3.yaml --key keys/manifest-1.key --device line3-cam7 -o line3.signed.json",
    },
    "sign-manifests.md": {
        "edgetender init": "cp fleet-keys/root.json .",
        "edgetender push line3": f"broker && {OPERATOR}",
        "edgetender trust update": "cp fleet-keys/root.2.json .",
        "edgetender keys revoke": "mkdir -p /media/stick && mv fleet-keys/root-2.key /media/stick/",
    },
}

# Commands that go on until Ctrl-C, and what answers once they are there.
STAYING = {
    "edgetender hub": "http://127.0.0.1:8089/devices",
    "edgetender fleet serve": "http://127.0.0.1:9787/v1/fleet",
}

# What is not run, and why; the words that begin a command, or that stand in it.
NOT_RUN = {
    "air-gapped.md": {
        "/media/stick/store": "needs two registries; tests/contracts/test_packaging_registry.py pulls and pushes",
    },
    "azure-iot-hub.md": {
        "--hub": "needs an Azure IoT Hub; tests/contracts/test_fleet_hub.py pushes to a stand-in",
        "/methods": "no device is connected; tests/system/test_iothub_story.py asks one",
    },
    "choose-when-to-update.md": {
        "EDGETENDER_MESSAGES": "the socket is a container's; tests/contracts/test_ingest_page.py has one"
    },
    "install-with-systemd.md": {
        "/opt/edgetender": "asks a package index",
        "ln -s": "of what the line before installs",
        "systemctl": "needs systemd as the first process; tests/system/test_systemd.py runs the unit",
    },
    "look-at-a-device.md": {"ssh": "needs a second machine"},
    "look-at-a-fleet.md": {
        "--hub": "needs an Azure IoT Hub; tests/contracts/test_fleet_hub.py asks a stand-in"
    },
    "package-a-model.md": {
        "--base python": "fetches a base image from the network; the tutorial packages on a base that is here",
        "model deploy": "goes on with that package",
    },
    "send-messages.md": {
        "EDGETENDER_MESSAGES": "the socket is a container's; tests/contracts/test_ingest_page.py has one"
    },
    "update-without-a-gap.md": {
        "sudo ": "fetches Debian's packages; ./run test builds the front for its own tests"
    },
}
NOBODY_ANSWERS = " --follow"  # no device is there to say how it went; the tutorial's does


def test_a_reason_that_names_a_test_names_one_that_is_there() -> None:
    named = re.findall(
        r"tests/[a-z_/]+\.py", " ".join(reason for page in NOT_RUN.values() for reason in page.values())
    )
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys = tmp_path_factory.mktemp("keys")
    authority = Authority(keys)
    authority.issue("operator")
    authority.issue("broker", "broker.example", "hub.example")
    return keys


@pytest.fixture
def shell(tmp_path: Path, authority: Path) -> Iterator[Shell]:
    if reason := why_not():
        pytest.skip(reason)
    for name in ("agent", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "keys").symlink_to(authority)
    house = FakeHouse(
        statuses=[status(module(version=14), version=14, lastDesiredVersion=14)],
        decisions={number: Decision(number, 200, "running", 14) for number in range(1, 9)},
    )
    path = f"{Path(sys.executable).parent}:/usr/sbin:{os.environ['PATH']}"
    environ = {"PATH": path, "KEYS": str(authority), "EDGETENDER_KEY_PASSWORD": ""}
    with (
        served(house, tmp_path / "agent/admin.sock"),
        own_machine(tmp_path, tmp_path / "work", environ) as shell,
    ):
        yield shell


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_how_to_works(page: str, shell: Shell, tmp_path: Path) -> None:
    if page in MEANWHILE and "broker" in str(MEANWHILE[page]):
        _have_a_broker(shell)
    for name, text in SUPPOSED.get(page, {}).items():
        (tmp_path / "work" / name).write_text(text)
    unused = dict(MEANWHILE.get(page, {}))
    reasons = set(NOT_RUN.get(page, {}))
    for step in steps(FOLDER / page, scripts=True):
        if isinstance(step, File):
            _write(shell, step)
            continue
        if here := {words for words in NOT_RUN.get(page, {}) if words in step.text}:
            reasons -= here
            continue
        for words in [words for words in unused if step.text.startswith(words)]:
            code, said = shell.run(unused.pop(words))
            assert code == 0, said
        if staying := [words for words in STAYING if step.text.startswith(words)]:
            _stay(shell, step.text, STAYING[staying[0]])
            continue
        shell.obey(Command(step.text.replace(NOBODY_ANSWERS, ""), step.expected), FOLDER / page)
    assert (unused, reasons) == ({}, set()), "the page has no such commands any more"


def _write(shell: Shell, file: File) -> None:
    """As the reader does; a configuration is then checked as it is."""
    asked = "edgetender config check" if file.path == "/etc/edgetender/config.toml" else "true"
    code, said = shell.run(f"cat > {file.path} <<'END OF FILE'\n{file.content}END OF FILE\n{asked}")
    assert code == 0, f"{file.path}: {said}"


def _stay(shell: Shell, command: str, address: str) -> None:
    asked = f"curl -sf --retry 30 --retry-delay 1 --retry-connrefused {address}"
    code, said = shell.run(f"{{ {command}\n}} >staying.log 2>&1 &\n{asked} || {{ cat staying.log; false; }}")
    assert code == 0, said


def _have_a_broker(shell: Shell) -> None:
    """The function `broker` starts the one that its page sets up."""
    if shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    for step in steps(FOLDER / BROKER):
        if isinstance(step, File) and step.path.startswith("/etc/mosquitto/"):
            _write(shell, step)
    code, said = shell.run(
        "cp $KEYS/ca.pem $KEYS/broker.* /etc/mosquitto/certs/ && chmod -R a+rX /etc/mosquitto/certs\n"
        "broker() { mosquitto -d -c /etc/mosquitto/conf.d/edgetender.conf >mosquitto.log 2>&1 || cat mosquitto.log; }"
    )
    assert code == 0, said
