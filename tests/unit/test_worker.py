"""The threads of the daemon: named, joined with a deadline, and never dead in silence."""

from __future__ import annotations

import threading

from edgetender.worker import Worker


def test_a_worker_runs_on_a_thread_of_its_name() -> None:
    names: list[str] = []
    worker = Worker("puller-1", lambda: names.append(threading.current_thread().name), lambda _error: None)
    worker.start()
    assert worker.join(60)
    assert names == [worker.name] == ["puller-1"]


def test_an_exception_is_handed_over_whatever_it_is() -> None:
    crashes: list[BaseException] = []

    def fail() -> None:
        raise SystemExit(3)

    worker = Worker("sampler", fail, crashes.append)
    worker.start()
    assert worker.join(60)
    assert [type(crash) for crash in crashes] == [SystemExit]


def test_one_that_does_not_end_in_time_is_told_from_one_that_did() -> None:
    release = threading.Event()
    worker = Worker("api", lambda: release.wait(60) and None, lambda _error: None)
    worker.start()
    assert not worker.join(0.01)
    release.set()
    assert worker.join(60)


def test_one_that_was_never_started_has_ended() -> None:
    assert Worker("events", lambda: None, lambda _error: None).join(0)
