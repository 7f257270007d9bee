"""What does a server that ends do with connections on which nothing waits, after it was itself held up for a while?"""

import asyncio

from edgetender_scoring.server import drained


class Quiet:
    """A connection on which nothing came for an hour. What it *says* lay in the kernel at the first look."""

    idle = True

    def __init__(self, connections, *, says):
        self._connections, self._says = connections, says
        self._looks = 0
        self.was_ended = False
        connections.add(self)

    @property
    def active_at(self):
        self._looks += 1
        if self._says and self._looks == 3:
            self._connections.discard(self)  # it is answered, and with its answer it ends
        return 3600.0 if self._says and self._looks > 1 else 0.0

    def end(self):
        self.was_ended = True
        self._connections.discard(self)


def test_one_that_stays_quiet_is_ended_and_one_whose_request_was_not_read_yet_is_not():
    connections = set()
    silent, waits = Quiet(connections, says=False), Quiet(connections, says=True)
    asyncio.run(drained(connections, 60, lambda: 3600.0))
    assert (silent.was_ended, waits.was_ended) == (True, False)
