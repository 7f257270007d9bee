"""How long is a token of a registry kept, and what happens when there is no new one? In memory, renewed well before."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgetender.errors import RegistryDenied, RegistryUnreachable
from edgetender.model.image import Credential
from tests.services.token_device import (
    EXCHANGED,
    Device,
    azure,
    device,
    log,
    principal,
    signs_in,
)
from tests.services.token_server import CANARY, TokenServer

__all__ = ["azure", "device", "log"]


def test_a_token_is_kept_until_the_last_quarter_of_its_life(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    device.clock.advance(0.74 * azure.life_s)
    assert device.get(azure.host) == first
    assert azure.paths() == EXCHANGED
    device.clock.advance(0.02 * azure.life_s)
    assert device.get(azure.host) != first
    assert azure.paths() == EXCHANGED * 2


def test_while_nobody_issues_a_new_one_the_old_one_serves_to_its_end(
    device: Device, azure: TokenServer, log: pytest.LogCaptureFixture
) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    azure.refusals["/oauth2/exchange"] = (503, {})
    device.clock.advance(0.9 * azure.life_s)
    assert device.get(azure.host) == first
    assert "token not renewed yet" in log.text
    device.clock.advance(0.1 * azure.life_s)
    assert isinstance(device.refused(azure.host), RegistryUnreachable)
    azure.refusals.clear()
    assert device.get(azure.host) != first


def test_an_identity_that_is_refused_meanwhile_is_not_used_to_the_end(
    device: Device, azure: TokenServer
) -> None:
    device.has(**principal(azure))
    device.get(azure.host)
    azure.refusals["/oauth2/exchange"] = (401, {})
    device.clock.advance(0.8 * azure.life_s)
    assert isinstance(device.refused(azure.host), RegistryDenied)


def test_a_file_that_was_changed_counts_at_once(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    first = device.get(azure.host)
    device.has(**principal(azure, client_secret="canary-wrong"))
    assert isinstance(device.refused(azure.host), RegistryDenied)
    device.has(username="line3", password="x")
    assert device.get(azure.host).username == "line3"
    device.has(**principal(azure))
    assert device.get(azure.host) == first


def test_many_pulls_at_once_ask_for_one_token(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    got: list[Credential] = []
    threads = [threading.Thread(target=lambda: got.append(device.get(azure.host))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert len(set(got)) == 1
    assert azure.paths() == EXCHANGED


def test_nothing_of_it_comes_on_the_disk(tmp_path: Path, device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    signs_in(device.get(azure.host), azure)
    found = {path.name for path in tmp_path.rglob("*") if path.is_file() and CANARY in path.read_text()}
    assert found == {"reg"}


def test_where_no_registry_is_meant_a_password_is_wanted(device: Device, azure: TokenServer) -> None:
    device.has(**principal(azure))
    assert "put username and password there" in str(device.refused(""))
