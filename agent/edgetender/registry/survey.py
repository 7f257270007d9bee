"""What do registries say of several images, for who does not want to wait? As many answers as a bound allows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from edgetender.clock import Clock
from edgetender.errors import AgentError, RegistryUnreachable
from edgetender.model.image import ImageFacts, Surveyed
from edgetender.model.target import ImageWanted
from edgetender.ports import Credentials, Images

WAIT_S = 2.0  # for one answer of a registry; not for the whole
_KEPT = 64
BOUND_S = 4.0  # after which no further question is begun


class Surveyor:
    """Asks one after the other; a registry that did not answer is not asked again. Threads: any; never raises.

    What names a digest never changes: the newest of those answers are kept. One survey at a time: who asks meanwhile
    goes without, so that nobody ties up the agent, or a registry, by asking often.
    """

    def __init__(
        self, images: Images, credentials: Credentials, clock: Clock, platform: Callable[[], tuple[str, str]]
    ) -> None:
        """*images* and *credentials* should wait for WAIT_S at most.

        *platform* is architecture and level, as registries know them.
        """
        self._images, self._credentials, self._clock, self._platform = images, credentials, clock, platform
        self._known: dict[str, ImageFacts] = {}
        self._busy = threading.Lock()

    def __call__(self, wanted: Iterable[ImageWanted]) -> Surveyed:
        if not self._busy.acquire(blocking=False):
            return Surveyed({}, {one.reference: "somebody else is asking; ask again" for one in wanted})
        try:
            return self._survey(wanted)
        finally:
            self._busy.release()

    def _survey(self, wanted: Iterable[ImageWanted]) -> Surveyed:
        until = self._clock.monotonic() + BOUND_S
        facts: dict[str, ImageFacts] = {}
        unknown: dict[str, str] = {}
        away: dict[str, str] = {}
        for one in wanted:
            registry = one.parsed.registry
            if (known := self._known.get(one.reference)) is not None:
                facts[one.reference] = known
            elif registry in away:
                unknown[one.reference] = away[registry]
            elif self._clock.monotonic() >= until:
                unknown[one.reference] = f"the registries needed longer than {BOUND_S:g} s"
            else:
                try:
                    facts[one.reference] = self._ask(one)
                except AgentError as error:
                    unknown[one.reference] = str(error)
                    if isinstance(error, RegistryUnreachable):
                        away[registry] = str(error)
        return Surveyed(facts, unknown)

    def _ask(self, one: ImageWanted) -> ImageFacts:
        registry = one.parsed.registry
        credential = self._credentials.get(one.credential, registry) if one.credential else None
        architecture, level = self._platform()
        found = self._images.resolve(
            one.parsed, credential=credential, architecture=architecture, variant=level
        )
        if one.parsed.digest is not None:
            self._known = dict([*self._known.items(), (one.reference, found)][-_KEPT:])
        return found
