"""Credentials without files: named at the start, changed when a test wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgetender.errors import CredentialUnusable

if TYPE_CHECKING:
    from edgetender.errors import AgentError
    from edgetender.model.image import Credential


class FakeCredentials:
    """Keeps the Credentials port; change `held` as an operator changes files."""

    def __init__(self, held: dict[str, Credential] | None = None) -> None:
        self.held = dict(held or {})
        self.refusal: AgentError | None = None  # of whoever issues tokens

    def get(self, name: str, registry: str = "") -> Credential:
        if self.refusal is not None:
            raise self.refusal
        if name not in self.held:
            raise CredentialUnusable(f"cannot use the credential {name!r}: it is missing; put it there")
        return self.held[name]
