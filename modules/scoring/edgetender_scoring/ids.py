"""Which ids does an answer carry? The table of the contract, and ids that are cheap to make."""

from __future__ import annotations

import os
from typing import NamedTuple

MAX_LENGTH = 100


class Ids(NamedTuple):
    """The three ids of an answer; *client* is None when the request named none."""

    request: str
    ms_request: str
    client: str | None


class IdSource:
    """Makes random ids (UUID version 4) out of blocks of random bytes. One thread only."""

    _BLOCK = 4096

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0

    def new(self) -> str:
        if self._at >= len(self._pool):
            self._pool, self._at = os.urandom(self._BLOCK).hex(), 0
        at, pool = self._at, self._pool
        self._at = at + 32
        # the version is 4 and the variant a: two of the bits that are free in it are not random here
        return (
            f"{pool[at : at + 8]}-{pool[at + 8 : at + 12]}-4{pool[at + 13 : at + 16]}"
            f"-a{pool[at + 17 : at + 20]}-{pool[at + 20 : at + 32]}"
        )


def answer_ids(source: IdSource, given: str | None, ms_given: str | None, client_given: str | None) -> Ids:
    """Return the ids to answer with, from the three of the request (None where not given)."""
    request = given or source.new()
    return Ids(request, ms_given or client_given or request, client_given or ms_given)


def refusal(given: str | None, ms_given: str | None, client_given: str | None) -> str | None:
    """Return why these ids cannot be taken (status 431), or None."""
    if given and len(given) > MAX_LENGTH:
        return f"x-request-id must not exceed {MAX_LENGTH} characters"
    if any(other and len(other) > MAX_LENGTH for other in (ms_given, client_given)):
        return f"x-ms-request-id and x-ms-client-request-id must not exceed {MAX_LENGTH} characters"
    return None
