"""The command line before a fake house: a shell in a directory of its own, and a server that is started once."""

from __future__ import annotations

import time

import pytest

from tests.builders.shell import Shell
from tests.fakes.house import FakeHouse
from tests.services.api import served


@pytest.fixture(scope="session")
def front_door(tmp_path_factory):
    house = FakeHouse()
    with served(house, tmp_path_factory.mktemp("door") / "admin.sock") as api:
        yield api, house


@pytest.fixture
def house(front_door):
    """Behind the server that `shell` asks."""
    return front_door[1].renew()


@pytest.fixture
def lonely(capsys, tmp_path, monkeypatch):
    """A shell on a device where no agent runs, in a terminal of no special kind."""
    for name in ("LC_ALL", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "EDGETENDER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("EDGETENDER_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").write_text(f'device = "line3-cam7"\n[api]\nsocket = "{tmp_path}/admin.sock"\n')
    monkeypatch.chdir(tmp_path)
    return Shell(capsys)


@pytest.fixture
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def shell(lonely, house, front_door):
    """A shell on a device whose agent is `house`."""
    lonely.host = front_door[0].host
    return lonely
