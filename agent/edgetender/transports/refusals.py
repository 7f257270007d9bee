"""What can a broker say no to, and what is done then?"""

from __future__ import annotations

from edgetender.errors import LinkDown


class ProtocolRefused(LinkDown):
    """The broker ended it before it answered; *explicit* when it said that it does not speak this version."""

    code = "link.protocol"

    def __init__(self, message: str, *, explicit: bool) -> None:
        super().__init__(message)
        self.explicit = explicit


class PublicationRefused(LinkDown):
    """The link stands, and the broker says no to this topic."""

    code = "link.refused"
