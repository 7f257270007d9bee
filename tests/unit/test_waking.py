"""What wakes the loop: the engine's events, and its going and coming, each once."""

from __future__ import annotations

from collections.abc import Callable

from edgetender.codec import canonical
from edgetender.errors import EngineDown, NotFound
from edgetender.waking import Flags, asking, watch
from tests.fakes.engine import FakeEngine


class ScriptedEngine(FakeEngine):
    """Answers by a script of what happens at each question; when it is told, the daemon stops."""

    def __init__(self, flags: Flags, script: list[str]) -> None:
        super().__init__()
        self._flags, self._script, self.asked = flags, script, []

    def _next(self, question: str) -> None:
        self.asked.append(question)
        if not self._script:
            self._flags.stopping.set()
            return
        match self._script.pop(0):
            case "down":
                raise EngineDown("cannot ask the engine: it is away")
            case "no":
                raise NotFound("cannot watch the engine's events: page not found")

    def facts(self):
        self._next("facts")
        return super().facts()

    def watch(self, wake: Callable[[], None], stopping: Callable[[], bool]) -> None:
        self._next("watch")


class Counting(Flags):
    """Flags whose waits cost no time."""

    def __init__(self) -> None:
        super().__init__()
        self.wakes = 0
        self.wake.set = self._wake  # type: ignore[method-assign]
        self.stopping.wait = lambda _seconds=None: self.stopping.is_set()  # type: ignore[method-assign]

    def _wake(self) -> None:
        self.wakes += 1


def watched(*script: str) -> tuple[int, int, list[str]]:
    flags = Counting()
    engine = ScriptedEngine(flags, list(script))
    backs: list[None] = []
    watch(engine, flags, lambda: backs.append(None))
    return flags.wakes, len(backs), engine.asked


def test_however_long_an_engine_stays_away_the_loop_is_woken_when_it_goes_and_when_it_is_back():
    assert watched(*["down"] * 50)[:2] == (2, 1)


def test_one_that_answers_otherwise_than_an_engine_is_away_too():
    assert watched(*["no"] * 5)[:2] == (2, 1)


def test_an_engine_that_comes_back_is_told_of_once():
    wakes, backs, asked = watched("down", "down", "up", "up", "up")
    assert (wakes, backs) == (2, 1)
    assert asked[:4] == ["watch", "facts", "facts", "watch"]


def test_an_engine_that_was_never_away_is_only_watched():
    assert watched("up", "up") == (0, 0, ["watch", "watch", "watch"])


def test_a_wish_is_delivered_as_the_module_s_own_and_wakes_the_loop() -> None:
    delivered: list[tuple[str, str, bytes]] = []
    flags = Flags()
    asking(lambda *what: delivered.append(what), flags)("scorer", {"for_s": 600, "reason": "a batch"})
    said = canonical({"module": "scorer", "for_s": 600, "reason": "a batch"})
    assert delivered == [("delay", "module scorer", said)]
    assert flags.wake.is_set()
