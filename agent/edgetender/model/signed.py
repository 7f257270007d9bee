"""What is signed? A deployment for some devices until some day, and the root document that says whose word counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from edgetender.clock import parse_rfc3339
from edgetender.errors import Problem, TrustRefused
from edgetender.model.manifest import MAX_VERSION
from edgetender.model.reading import problems_of
from edgetender.model.wire import Wire

DEPLOYMENT_TYPE = "application/vnd.edgetender.deployment.v1+json"
ROOT_TYPE = "application/vnd.edgetender.root.v1+json"
DEPLOYMENT_SCHEMA: Literal["edgetender/deployment/v1"] = "edgetender/deployment/v1"
ROOT_SCHEMA: Literal["edgetender/root/v1"] = "edgetender/root/v1"
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)  # it cannot be earlier than this release
LONGEST_VALIDITY = timedelta(days=180)
DEFAULT_VALIDITY = timedelta(days=30)
MOST_KEYS = 32

Count = Annotated[int, Field(ge=1, le=MAX_VERSION, strict=True)]
KeyId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


def _moment(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a time is text like 2026-11-24T08:15:30Z")
    return parse_rfc3339(value).astimezone(UTC)


Moment = Annotated[datetime, BeforeValidator(_moment)]


class Targets(Wire):
    """Who may take it: a device that is named, or in a group that is named; of an architecture, where one is."""

    devices: tuple[Word, ...] = Field((), max_length=1024)
    groups: tuple[Word, ...] = Field((), max_length=64)
    architectures: tuple[Word, ...] = Field((), max_length=16)


class Deployment(Wire):
    """The signed payload: a manifest, for whom it is, and how long it may be taken."""

    schema_: Literal["edgetender/deployment/v1"] = Field(alias="schema")
    epoch: Count
    issued_at: Moment
    not_after: Moment
    targets: Targets
    manifest: dict[str, Any]


class PublicKey(Wire):
    """One key; its id is the SHA-256 of its 32 bytes, so no key has two names."""

    type: Literal["ed25519"]
    public: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    name: Word
    not_after: Moment | None = None


class Role(Wire):
    """How many of which keys must sign."""

    keys: tuple[KeyId, ...] = Field(min_length=1, max_length=MOST_KEYS)
    threshold: Annotated[int, Field(ge=1, le=MOST_KEYS, strict=True)]

    @model_validator(mode="after")
    def _can_be_met(self) -> Role:
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("a key is listed twice")
        if self.threshold > len(self.keys):
            raise ValueError(f"{self.threshold} signatures of {len(self.keys)} keys can never be")
        return self


class Roles(Wire):
    """Root keys say which keys there are; manifest keys say what runs."""

    root: Role
    manifest: Role


class Root(Wire):
    """The trust root: version N+1 counts when the thresholds of N and of N+1 signed it.

    *epoch* begins the versions of manifests anew: the way back when somebody used up the numbers.
    """

    schema_: Literal["edgetender/root/v1"] = Field(alias="schema")
    version: Count
    epoch: Count
    keys: dict[KeyId, PublicKey] = Field(max_length=MOST_KEYS)
    roles: Roles
    revoked: tuple[KeyId, ...] = Field((), max_length=1024)

    @model_validator(mode="after")
    def _is_whole(self) -> Root:
        for role in (self.roles.root, self.roles.manifest):
            if strange := [key for key in role.keys if key not in self.keys]:
                raise ValueError(f"a role names {strange[0][:12]}, which is not among the keys")
            if gone := [key for key in role.keys if key in self.revoked]:
                raise ValueError(f"a role names {gone[0][:12]}, which is revoked")
        return self


def deployment_of(document: Any) -> Deployment:
    """Raises TrustRefused with every fault and its path."""
    _is_schema(document, DEPLOYMENT_SCHEMA)
    try:
        return Deployment.model_validate(document)
    except ValidationError as error:
        raise TrustRefused(tuple(problems_of(error))) from None


def root_of(document: Any) -> Root:
    """Raises TrustRefused with every fault and its path."""
    _is_schema(document, ROOT_SCHEMA)
    try:
        return Root.model_validate(document)
    except ValidationError as error:
        raise TrustRefused(tuple(problems_of(error))) from None


def _is_schema(document: Any, schema: str) -> None:
    found = document.get("schema") if isinstance(document, dict) else None
    if found != schema:
        said = f"this agent reads {schema!r}, not {found!r:.80}"
        raise TrustRefused((Problem("schema", "schema.unknown", said),))
