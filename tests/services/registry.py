"""A real docker-registry for tests: TLS, htpasswd, one per test module, on a free port."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from demo.parts.identities import Authority
from demo.parts.process import free_port
from demo.parts.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """`.host` (localhost:port), `.ca`, `.users` (name → password), `.stop()`, `.start()`."""
    for program, package in (("docker-registry", "docker-registry"), ("htpasswd", "apache2-utils")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
    home = tmp_path_factory.mktemp("registry")
    started = Registry(
        home / "registry",
        Authority(home / "keys"),
        port=free_port(),
        users={"line3": "correct horse battery"},
    )
    try:
        started.start()
        yield started
    finally:
        started.stop()
