"""Several containers prove themselves at once: on threads apart, timed one after the other, and the mute in nobody's way."""

from __future__ import annotations

import threading
from typing import Any, Self

from demo.parts.waiting import until
from edgetender.clock import SystemClock
from edgetender.model.observed import Readiness
from edgetender.model.target import HealthSpec, Proving
from edgetender.prober import Prober, Subject

GOLDEN = Proving(golden_body='{"data":[1]}', golden_expect='{"y":1}', timed=True, warmup=1, runs=4)


class Several:
    """Containers that prove themselves on the prober's threads, by the real clock; *mute* do not answer their proof."""

    def __init__(self, *names: str, mute: str = "") -> None:
        self.mute, self.released = mute, threading.Event()
        self.lock = threading.Lock()
        self.timed_at_once = self.most = 0
        self.left = False  # without an answer, once
        self.started = SystemClock().now()
        self.prober = Prober(lambda *_: None, SystemClock(), lambda: None, self._exchange)
        spec = HealthSpec(port=5001, interval_s=0.05, timeout_s=0.1, proving=GOLDEN)
        self.names = names
        self.prober.watch([Subject(one, one, self.started, spec) for one in names])
        self.thread = threading.Thread(target=self.prober.work, daemon=True)

    def _exchange(self, address: str, *_: Any) -> Any:
        if address == self.mute:
            self.released.wait(300 if self.left else 0.1)
            self.left = True
            return 0, b"", 0.1, "timed out"
        with self.lock:
            self.timed_at_once += 1
            self.most = max(self.most, self.timed_at_once)
        self.released.wait(0.005)  # long enough that two would meet
        with self.lock:
            self.timed_at_once -= 1
        return 200, b'{"y": 1}', 0.005, ""

    def ready(self) -> set[str]:
        known = {one: self.prober.health(one, self.started).readiness for one in self.names}
        return {one for one, readiness in known.items() if readiness is Readiness.READY}

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.prober.close()
        self.released.set()
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_proofs_are_timed_one_at_a_time_or_each_would_slow_the_other():
    with Several("a", "b", "c") as several:
        until(lambda: several.ready() == {"a", "b", "c"}, "three proofs")
        assert several.most == 1


def test_one_that_does_not_answer_its_proof_keeps_no_other_from_its_own():
    with Several("m", "a", "b", mute="m") as several:
        until(lambda: several.ready() == {"a", "b"}, "the others' proofs")
