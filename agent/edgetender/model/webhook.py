"""What does an answer of the owner's own service mean for the event that was posted, and for those behind it? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

_LATER = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_LOGIN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED})
_NOT_HERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


class Reaction(StrEnum):
    """What is done with an event after an answer.

    Only what another try cannot change, and what is of that event alone, is `refused` and dropped. An address or a
    login that is wrong fails for every event, until somebody repairs it: dropped at once, a week's events would be
    lost to a slip of an hour. They wait as for a service that is away, within the same bounds.
    """

    TAKEN = "taken"
    LATER = "later"  # by itself it will be well
    REPAIR = "repair"  # not before somebody changes the configuration or the service
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Answer:
    """*why* completes `it takes no events: …`; empty where it took one."""

    reaction: Reaction
    why: str = ""


def answer_of(status: int) -> Answer:
    """What the status of an HTTP answer means."""
    said = f"it answers {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Answer(Reaction.TAKEN)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(Reaction.REPAIR, f"{said}: it is at another address, and no redirect is followed")
    if status in _LOGIN:
        return Answer(Reaction.REPAIR, f"{said}: it wants another login")
    if status in _NOT_HERE:
        return Answer(Reaction.REPAIR, f"{said}: at this address nothing takes events")
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _LATER:
        return Answer(Reaction.REFUSED, said)
    return Answer(Reaction.LATER, said)
