"""One service behind a front, on fakes, and a client that looks after every effect where a request would go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgetender.model.observed import Status
from tests.builders.loops import FRONTED, Loop
from tests.builders.manifests import image, manifest, module
from tests.fakes.power import Power, PowerCut

ONE, TWO, NEVER_READY = (image("scorer", digit) for digit in "124")
PORT = 9000


def version(number: int, scorer: str, **more: Any) -> dict[str, Any]:
    path = "/never" if scorer == NEVER_READY else "/"
    health = {"http": {"port": 5001, "path": path}, "deadline": "1s", "interval": "1s"}
    wanted = module(image=scorer, ports=[f"{PORT}:5001"], health=health) | more
    return {**manifest(number, scorer=wanted), "update": {"settle": 2}}


@dataclass
class Service:
    """A loop with a traffic switch, and a client that looks after every effect where a request would go."""

    power: Power = field(default_factory=Power)
    refused: list[str] = field(default_factory=list)
    serves: bool = False

    def __post_init__(self) -> None:
        self.loop = Loop(hardware=FRONTED)
        self.loop.puller.registry |= {ONE, TWO, NEVER_READY}
        self.loop.refusals["/never"] = "still loading"
        self.power.watched = self.ask
        self.loop.boot(self.power)

    def ask(self) -> None:
        """A request finds a container, or whoever holds the port is the reason why not."""
        running = {c.id for c in self.loop.engine.containers() if c.running}
        assert len(running) <= 2, "at most two run, and two only while a switch is open"
        front = self.loop.world.fronts.get("scorer")
        to = [m.container for m in front.receiving] if front else []
        publishing = [c.id for c in self.loop.engine.containers() if c.running and c.publishes]
        found = publishing or (to and set(to) <= running)
        if found:
            self.serves = True
        elif self.serves:
            self.refused.append(f"nobody serves after {self.power.effects} effects")

    def live(self, *documents: dict[str, Any], seconds: float = 8.0) -> None:
        for document in documents:
            self.loop.push(document)
            self.run(seconds)

    def run(self, seconds: float) -> None:
        until = self.loop.clock.monotonic() + seconds
        while self.loop.clock.monotonic() < until:
            try:
                pause = self.loop.cycle()
            except PowerCut:
                self.power.cut_at = None
                self.loop.boot(self.power)
                continue
            self.loop.clock.advance(max(0.05, min(pause, 0.5)))

    @property
    def target(self) -> str | None:
        """The image that new requests come to."""
        front = self.loop.world.fronts["scorer"]
        ids = {c.id: c.image for c in self.loop.engine.containers()}
        return ids[front.target.container] if front.target else None

    @property
    def containers(self) -> list[tuple[str, Status]]:
        return sorted((c.image, c.status) for c in self.loop.engine.containers())

    @property
    def accepted(self) -> int | None:
        accepted = self.loop.last.ledger.accepted
        return accepted.version if accepted else None

    def container(self, image: str) -> str:
        return next(c.id for c in self.loop.engine.containers() if c.image == image)
