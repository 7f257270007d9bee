"""Is there a way to turn verification off? In no program of this house, and by no key of its configuration."""

from __future__ import annotations

import ast
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from edgetender.config.settings import Settings
from edgetender.transports.settings import IotHubSettings, MqttSettings

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for room in ("agent", "modules", "demo") for path in (REPOSITORY / room).rglob("*.py") if ".venv" not in str(path)
)  # fmt: skip

# names that exist for nothing else, whatever library they belong to
NEVER = {
    "CERT_NONE", "_create_unverified_context", "_create_stdlib_context", "tls_insecure_set",
    "disable_warnings", "InsecureRequestWarning", "VERIFY_NONE", "assert_hostname",
}  # fmt: skip
OFF = {"verify", "check_hostname", "tls_insecure", "insecure", "verify_mode", "ssl_verify", "verify_ssl"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_nothing_turns_the_verification_of_a_certificate_off(path: Path):
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        named = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if named in NEVER:
            found.append(f"{node.lineno}: {named}")
        if isinstance(node, ast.keyword) and node.arg in OFF and _is_off(node.value):
            found.append(f"{node.value.lineno}: {node.arg} is off")
        if isinstance(node, ast.Assign) and _is_off(node.value):
            found += [
                f"{node.lineno}: {one.attr} is off"
                for one in node.targets
                if isinstance(one, ast.Attribute) and one.attr in OFF
            ]
    assert found == []


def _is_off(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value in (False, None, 0)


def test_no_key_of_the_configuration_is_meant_to():
    said = [
        name for name in _names(Settings) | _names(MqttSettings) | _names(IotHubSettings) if _is_switch(name)
    ]
    assert said == []


def _is_switch(name: str) -> bool:
    return any(
        word in name
        for word in ("insecure", "verify", "unverified", "hostname_check", "skip_tls", "trust_all")
    )


def _names(kind: Any) -> set[str]:
    """Of all keys, however deep."""
    found: set[str] = set()
    for one in fields(kind):
        found.add(one.name)
        inner = getattr(one, "default_factory", None)
        if isinstance(inner, type) and is_dataclass(inner):
            found |= _names(inner)
    return found
