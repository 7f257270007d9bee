"""Do the threads keep nobody waiting for an answer that is there? The pool alone, on an event loop."""

import asyncio
import math
import threading
import time

import pytest

from edgetender_scoring.message import Request
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.workers import Pool


class Handler:
    """Answers with the body; `wait` waits for the gate."""

    batch = 1

    def __init__(self):
        self.gate = threading.Event()

    def takes_s(self, _request):
        return math.inf

    def call(self, request):
        if request.body == b"wait":
            assert self.gate.wait(60)
        return Outcome(200, request.body)

    def call_many(self, requests):
        return [self.call(one) for one in requests]

    def stop(self, _thread):
        return False


def score(pool, handler, body):
    """Submit; the future has the outcome."""
    future = asyncio.get_running_loop().create_future()
    pool.submit(handler, Request("POST", b"/score", b"", keep_alive=True, body=body), future.set_result)
    return future


def on_a_pool(threads, work, **more):
    async def main():
        pool = Pool(asyncio.get_running_loop(), 20_000, lambda _: None, **more)
        pool.grow(threads)
        handler = Handler()
        try:
            await asyncio.wait_for(work(pool, handler), 20)
            assert pool.in_flight == 0
        finally:
            handler.gate.set()
            pool.close()

    asyncio.run(main())


@pytest.mark.parametrize("turn", range(20))
def test_a_quick_answer_does_not_wait_for_the_slow_call_behind_it(turn):
    async def work(pool, handler):
        for _ in range(13 + turn % 8):  # the pool comes to think of calls as brief
            await score(pool, handler, b"x")
        quick = [score(pool, handler, b"%d" % number) for number in range(turn)]
        slow = score(pool, handler, b"wait")
        for number, one in enumerate(quick):
            assert (await asyncio.wait_for(one, 5)).body == b"%d" % number
        handler.gate.set()
        assert (await slow).body == b"wait"

    on_a_pool(1, work)


def test_the_loop_stands_by_for_brief_calls_and_turns_away_from_a_long_one():
    async def work(pool, handler):
        for _ in range(40):
            await score(pool, handler, b"x")
        slow = score(pool, handler, b"wait")
        begun = time.monotonic()
        for _ in range(100):
            await asyncio.sleep(0)
        assert time.monotonic() - begun < 15  # it stood by once; in each turn would be 30 s
        assert not slow.done()
        handler.gate.set()
        assert (await slow).body == b"wait"

    on_a_pool(1, work, stand_by_s=0.3)


@pytest.mark.parametrize("batch_wait_s", [0.0, 0.5])
def test_one_model_s_request_does_not_wait_for_another_s_batch_while_a_thread_is_free(batch_wait_s):
    async def work(pool, slow):
        slow.batch, quick = 8, Handler()
        waits = score(pool, slow, b"wait")
        answered = await asyncio.wait_for(score(pool, quick, b"x"), 5)
        assert answered.body == b"x"
        assert not waits.done()
        slow.gate.set()
        assert (await waits).body == b"wait"

    on_a_pool(2, work, batch_wait_s=batch_wait_s)


def test_nobody_is_called_for_a_client_that_has_gone():
    async def work(pool, handler):
        asked = Request("POST", b"/score", b"", keep_alive=True, body=b"wait")
        asked.given_up = True
        future = asyncio.get_running_loop().create_future()
        pool.submit(handler, asked, future.set_result)
        assert (await future).status == 499

    on_a_pool(1, work)


def test_every_request_is_answered_once_whatever_the_number_of_threads():
    async def work(pool, handler):
        for _ in range(20):
            asked = [score(pool, handler, b"%d" % number) for number in range(100)]
            assert [(await one).body for one in asked] == [b"%d" % number for number in range(100)]

    for threads in (1, 2, 5):
        on_a_pool(threads, work)


def test_a_pool_without_threads_says_so():
    async def work(pool, handler):
        assert (await score(pool, handler, b"x")).status == 503
        assert not pool.usable

    on_a_pool(0, work)
