"""Is each job taken once, and does no thread sleep while one waits? With real threads."""

import gc
import os
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from edgetender_scoring.waiting import Bell, Waiting

LONG_S = 60.0
FILES = Path("/proc/self/fd")


@pytest.fixture(params=[True, False], ids=["eventfd", "pipe"])
def bell(request):
    """Bells as Linux has them, and as other systems have."""
    if request.param and not hasattr(os, "eventfd"):
        pytest.skip("this system has no eventfd")
    return partial(Bell, counts=request.param)


def test_a_bell_rung_before_anybody_listens_is_heard(bell):
    one = bell()
    one.ring()
    one.ring()

    one.wait()


def test_one_that_is_not_rung_is_waited_for_no_longer_than_told(bell):
    bell().wait(0.01)


def test_bells_that_nobody_holds_give_their_files_back(bell):
    before = len(list(FILES.iterdir()))
    for _ in range(100):
        bell()

    assert len(list(FILES.iterdir())) < before + 100


def test_one_that_cannot_be_made_leaves_nothing_to_complain_of(bell):
    """What a `__del__` raises fails the test it is raised in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            bell()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    gc.collect()


def test_each_of_many_items_is_taken_once_by_threads_that_sleep_between(bell):
    waiting = Waiting()
    threads, items = 4, 20_000

    def taken():
        own, found = bell(), []
        while (one := waiting.take(own)) is not None:
            found.append(one)
        return found

    with ThreadPoolExecutor(threads) as pool:
        takers = [pool.submit(taken) for _ in range(threads)]
        at = 0
        while at < items:
            size = at % 7 + 1
            waiting.put(range(at, min(at + size, items)))
            at += size
        waiting.put([None] * threads)
        found = [one for taker in takers for one in taker.result(LONG_S)]

    assert sorted(found) == list(range(items))


def test_a_thread_that_sleeps_takes_what_comes_though_another_is_busy(bell):
    waiting, busy, done = Waiting(), threading.Event(), threading.Event()

    def first():
        waiting.take(bell())
        busy.set()
        done.wait(LONG_S)

    def second():
        busy.wait(LONG_S)
        return waiting.take(bell())

    with ThreadPoolExecutor(2) as pool:
        pool.submit(first)
        other = pool.submit(second)
        waiting.put(["for the first"])
        busy.wait(LONG_S)
        waiting.put(["for the second"])
        try:
            assert other.result(LONG_S) == "for the second"
        finally:
            done.set()


def test_as_many_are_woken_as_have_come_though_one_is_taken_meanwhile():
    waiting, rung = Waiting(), []

    class Asleep:
        """A bell that tells what happens while it is waited for."""

        def __init__(self, meanwhile):
            self.wait = lambda _timeout_s: meanwhile()

        def ring(self):
            rung.append(self)

    class TakenFrom(list):
        """What another thread takes from, between two steps of whoever puts it."""

        def __iter__(self):
            yield from super().__iter__()
            assert waiting.take_now() == "first"

    def both_asleep():
        waiting.put(["first"])
        waiting.put(TakenFrom(["second"]))
        assert len(rung) == 2

    one = Asleep(both_asleep)
    other = Asleep(lambda: waiting.put([waiting.take(one)]))
    assert waiting.take(other) == "second"


def test_a_timed_look_at_an_empty_row_ends_with_an_index_error(bell):
    with pytest.raises(IndexError):
        Waiting().take(bell(), 0.01)
    with pytest.raises(IndexError):
        Waiting().take_now()


def test_a_timed_look_goes_on_where_another_takes_what_it_was_woken_for():
    waiting = Waiting()

    class WokenTwice:
        """A bell that is rung for what another takes, and then for what stays."""

        words: ClassVar = ["for another", "for this one"]

        def wait(self, _timeout_s):
            waiting.put([self.words.pop(0)])
            if self.words:
                waiting.take_now()

        def ring(self):
            pass

    assert waiting.take(WokenTwice(), LONG_S) == "for this one"
