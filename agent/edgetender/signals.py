"""How does a signal end a program whose main thread waits for a flag?"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable, Iterable


def stop_by(signals: Iterable[signal.Signals], stop: Callable[[], object]) -> None:
    """Have *stop* called once, on a thread of its own, when the first of *signals* comes. Called by the main thread.

    A handler interrupts the main thread anywhere, also while it holds the lock that setting its flag would wait for.
    What `put` needs can be had at any time.
    """
    came = queue.SimpleQueue[None]()

    def wait() -> None:
        came.get()
        stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    for number in signals:
        signal.signal(number, lambda *_: came.put(None))
