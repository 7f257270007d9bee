"""How does long work run beside the event loop, without holding the process at its end?"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


def aside(loop: asyncio.AbstractEventLoop, work: Callable[[], _T]) -> asyncio.Future[_T]:
    """Run *work* on a daemon thread; the future has what it returned or raised."""
    future: asyncio.Future[_T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it belongs to whoever awaits the future
            settle: tuple[Callable[[Any], None], Any] = (future.set_exception, error)
        else:
            settle = (future.set_result, result)
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, *settle)

    threading.Thread(target=run, name="aside", daemon=True).start()
    return future


def _settle(future: asyncio.Future[Any], settle: Callable[[Any], None], value: Any) -> None:
    if not future.done():
        settle(value)
