"""What does this device trust? The root document that was installed here, asked about each thing that arrives."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from edgetender.codec import MAX_BYTES
from edgetender.errors import ConfigInvalid, CredentialUnusable, Problem, TrustRefused
from edgetender.model.examined import Examined, Floor, Identity
from edgetender.model.manifest import MAX_VERSION
from edgetender.model.policy import Policy
from edgetender.model.signed import Root
from edgetender.trust.envelope import is_envelope, read_envelope
from edgetender.trust.floor import FloorFiles
from edgetender.trust.marks import Marks
from edgetender.trust.policy import read_policy
from edgetender.trust.roots import Roots
from edgetender.trust.verification import is_root, succession, verify

log = logging.getLogger(__name__)

_LOST = (
    "TRUST_STATE_LOST: what this device took before is not known any more, so an old manifest could come back; "
    "as root, name the newest version it had: edgetender trust reset --floor VERSION"
)
_INSTALL = "install one: edgetender init --root root.json"
_OPEN = f"no trust root is installed: whoever reaches this device decides what runs on it; {_INSTALL}"
_CLOSED = (
    f"no trust root is installed, and trust.mode is signed: no manifest is taken; {_INSTALL}, "
    'or set trust.mode = "open" to take them from anyone'
)


class DeviceTrust:
    """Keeps the Trust port. Where a root is installed, it counts, whatever *required* says. From any thread.

    Its files are looked at each time: a root that was brought in counts from the next manifest on.
    """

    def __init__(
        self,
        directory: Path,
        identity: Identity,
        *,
        required: bool,
        policy: Path | None = None,
        state: Path | None = None,
    ) -> None:
        """*state* is where the agent itself writes down what must not come back; None: nowhere."""
        self._roots, self._identity, self._required = Roots(directory, state), identity, required
        self._policy, self._floors = policy, FloorFiles(state) if state else None
        self._marks = Marks(directory, state)

    def root(self) -> Root | None:
        """The root that counts here, None where none is installed. Raises CredentialUnusable, TrustRefused."""
        return self._roots.current()

    def standing(self) -> Root | None:
        """The root that counts, as it is told; None where there is none, or none that can be used. Never raises."""
        try:
            return self.root()
        except (CredentialUnusable, TrustRefused):  # `notes` say why
            return None

    def today(self) -> Examined:
        """What a manifest that was taken before is measured by now: the owner's policy, as the file says it."""
        try:
            return Examined(policy=read_policy(self._policy) if self._policy else Policy())
        except (ConfigInvalid, CredentialUnusable) as error:
            return Examined(refused=(Problem("", "policy.unusable", str(error)),))

    def examine(self, body: bytes, now: datetime) -> Examined:
        """What is to be thought of *body*, a manifest as it arrived; *now* is trusted time."""
        policy = (owner := self.today()).policy
        if owner.refused:
            return replace(owner, claimed=_claimed(body))
        try:
            root = self.root()
        except (CredentialUnusable, TrustRefused) as error:
            return Examined(refused=(Problem("", "trust.root_unusable", str(error)),), claimed=_claimed(body))
        if root is None and not self._required:
            if not _is_signed(body):
                return Examined(identity=self._identity, policy=policy)
            said = f"it is signed, and nothing here can tell by whom; {_INSTALL}"
            return Examined(refused=(Problem("", "trust.no_root", said),), claimed=_claimed(body))
        if root is None:
            return Examined(refused=(Problem("", "trust.no_root", _CLOSED),), claimed=_claimed(body))
        try:
            if is_root(body):
                return Examined(root=succession(root, body))
            deployment = verify(body, root, now)
        except TrustRefused as error:
            return Examined(refused=error.problems, claimed=_claimed(body))
        lost = self._marks.lost()
        return Examined(deployment, epoch=root.epoch, identity=self._identity, policy=policy, state_lost=lost)

    def succeed(self, root: Root, body: bytes) -> Examined:
        try:
            if root != self.root():
                self._roots.keep(root, body)
                said = {"version": root.version, "epoch": root.epoch}
                log.warning("a new trust root counts", extra={"fields": said})
        except OSError as error:
            why = f"version {root.version} could not be written down: {error.strerror}; send it again"
            return Examined(refused=(Problem("", "trust.root_unwritten", why),))
        return Examined(root=root)

    def floor(self) -> Floor | None:
        return self._floors.read() if self._floors else None

    def keep(self, floor: Floor) -> bool:
        try:
            if self._floors:
                self._floors.write(floor)
                self._marks.renew()
        except OSError as error:  # the ledger has it; tried again with its next change
            log.warning("the floor could not be written", extra={"fields": {"why": error.strerror}})
            return False
        return True

    def notes(self) -> tuple[str, ...]:
        """What an operator should know of it; nothing where all is well."""
        try:
            if self._policy is not None:
                read_policy(self._policy)
            if self.root() is not None:
                return (_LOST,) if self._marks.lost() and self.floor() is None else ()
        except (ConfigInvalid, CredentialUnusable, TrustRefused) as error:
            return (f"no manifest is taken: {error}",)
        return (_CLOSED if self._required else _OPEN,)


def _is_signed(body: bytes) -> bool:
    try:
        return is_envelope(json.loads(body[: MAX_BYTES + 1]))
    except (ValueError, RecursionError):
        return False


def _claimed(body: bytes) -> int | None:
    """The version *body* says it is, so that its author recognises the refusal. Nothing else rests on it."""
    try:
        document = json.loads(body)
        if is_envelope(document):
            document = json.loads(read_envelope(body).payload)["manifest"]
        version = document["version"]
    except (ValueError, RecursionError, KeyError, TypeError, TrustRefused):
        return None
    sound = isinstance(version, int) and not isinstance(version, bool) and 0 < version <= MAX_VERSION
    return version if sound else None
