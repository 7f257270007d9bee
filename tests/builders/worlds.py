"""Any world the loop may wake up in: strategies of containers, images, pulls and ledgers around a manifest."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from edgetender.decide.resolving import Resolution, resolve
from edgetender.decide.stride import pull_key, run_key
from edgetender.model.front import NAT, NONE, PROXY, FrontSpec, Member
from edgetender.model.hardware import Hardware
from edgetender.model.ledger import Attempt, Ledger, Slot
from edgetender.model.observed import Container, Health, Observed, PullProgress, Readiness, Status
from edgetender.model.reading import manifest_of
from edgetender.model.target import ContainerSpec, Target
from tests.builders.loops import AMD64
from tests.builders.manifests import image, manifest, module, slot
from tests.fakes.clock import NOON
from tests.fakes.world import HeldFront

MODULES = ("a", "b", "c")
IMAGES = tuple(image(name, digit) for name in MODULES for digit in "12")

moments = st.integers(-3600, 3600).map(lambda seconds: NOON + timedelta(seconds=seconds))


@st.composite
def manifests(draw: st.DrawFn, version: int = 1, policies: tuple[str, ...] = ("always",)) -> dict[str, Any]:
    """One to three modules, each of two images and two environments; who changes what is left to chance."""
    names = draw(st.lists(st.sampled_from(MODULES), min_size=1, unique=True))
    made = {
        name: module(
            image=draw(st.sampled_from([image(name, "1"), image(name, "2")])),
            env=draw(st.sampled_from([{}, {"X": "1"}])),
            restart=draw(st.sampled_from(policies)),
            ports=draw(st.sampled_from([[], [f"{9000 + ord(name)}:5001"]])),
        )
        for name in names
    }
    for place, name in enumerate(names):
        made[name]["depends_on"] = (
            draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        )
    for one in made.values():  # counts only where the device has a traffic switch
        one["front"] = draw(st.sampled_from(["auto", "proxy", "nat", "none"] if one["ports"] else ["auto"]))
    return {**manifest(version, **made), "update": {"settle": 2}}


def resolution(held: Slot, ledger: Ledger | None = None, hardware: Hardware = AMD64) -> Resolution:
    return resolve(held, manifest_of(_document(held)), hardware, ledger or Ledger())


def _document(held: Slot) -> Any:
    return json.loads(held.body)


def target_of(document: dict[str, Any], hardware: Hardware = AMD64) -> Target:
    resolved = resolution(slot(document), hardware=hardware)
    return Target(document["version"], "line3", resolved.containers, (), resolved.considered)


@st.composite
def containers(
    draw: st.DrawFn, specs: tuple[ContainerSpec, ...], number: int
) -> tuple[Container, ContainerSpec]:
    """One container of one of *specs*, or of something foreign to them, in any state of its life."""
    name = draw(st.sampled_from((*MODULES, "gone")))
    foreign = ContainerSpec(name, "default", image(name, draw(st.sampled_from("89"))))
    spec = draw(st.sampled_from((*specs, foreign)))
    status = draw(st.sampled_from(list(Status)))
    started = None if status is Status.CREATED else draw(moments)
    ended = status in (Status.EXITED, Status.DEAD)
    readiness = draw(st.sampled_from(list(Readiness))) if status is Status.RUNNING else Readiness.UNKNOWN
    made = Container(
        id=f"{900 + number:064x}",
        name=f"edgetender-{spec.module}-{spec.digest[:12]}" + ("" if draw(st.booleans()) else f"-{number}"),
        module=spec.module,
        spec=spec.digest,
        version=draw(st.integers(0, 2)),
        image=spec.image,
        status=status,
        exit_code=draw(st.sampled_from([0, 1, 137])) if ended else None,
        started_at=started,
        finished_at=started + timedelta(seconds=1) if ended and started else None,
        address=f"172.17.0.{number + 2}" if status is Status.RUNNING else None,
        host_ports=spec.host_ports if spec.front == NONE else (),
        health=Health(readiness, started, "said so" if readiness is Readiness.FAILING else ""),
    )
    return made, spec


@st.composite
def inhabitants(
    draw: st.DrawFn, specs: tuple[ContainerSpec, ...]
) -> tuple[tuple[Container, ContainerSpec], ...]:
    """Up to five containers; names are unique as the engine keeps them."""
    count = draw(st.integers(0, 5))
    made = [draw(containers(specs, number)) for number in range(count)]
    return tuple({container.name: (container, spec) for container, spec in made}.values())


@st.composite
def fronts(
    draw: st.DrawFn, there: tuple[Container, ...], specs: tuple[ContainerSpec, ...]
) -> dict[str, HeldFront]:
    """Fronts as an agent that was interrupted anywhere may have left them: of these specs, or of older ones."""
    made: dict[str, HeldFront] = {}
    for spec in specs:
        if spec.front_spec is None or draw(st.booleans()):
            continue
        older = FrontSpec(spec.module, draw(st.sampled_from([PROXY, NAT])), spec.front_spec.ports)
        behind = [Member(c.id, c.address or "172.17.0.99") for c in there if c.module == spec.module]
        some = draw(st.lists(st.sampled_from(behind), unique=True)) if behind else []
        receiving = some[: draw(st.integers(0, 2))]
        made[spec.module] = HeldFront(
            "line3-cam7",
            draw(st.sampled_from([spec.front_spec, older])),
            draw(st.sampled_from([*behind, None])),
            receiving,
            some[len(receiving) :],
        )
    return made


@st.composite
def observations(draw: st.DrawFn, specs: tuple[ContainerSpec, ...]) -> Observed:
    local = draw(st.frozensets(st.sampled_from(IMAGES)))
    pulls = draw(st.lists(st.sampled_from(IMAGES), max_size=2, unique=True))
    return Observed(
        tuple(container for container, _ in draw(inhabitants(specs))),
        local,
        tuple(PullProgress(reference) for reference in pulls),
    )


@st.composite
def attempts(draw: st.DrawFn, specs: tuple[ContainerSpec, ...]) -> dict[str, Attempt]:
    keys = [run_key(spec.module, spec.digest) for spec in specs] + [pull_key(name) for name in IMAGES]
    return draw(
        st.dictionaries(
            st.sampled_from(keys),
            st.builds(
                Attempt,
                st.integers(0, 6),
                moments,
                st.just("container.exited"),
                st.just("exited with code 1"),
                st.integers(0, 3),
            ),
            max_size=4,
        )
    )


@st.composite
def ledgers(
    draw: st.DrawFn, observed: Observed, specs: tuple[ContainerSpec, ...], slots: dict[str, Slot]
) -> Ledger:
    """What may be remembered of *observed*: wishes, own stops, failures; and these *slots*."""
    ids = [container.id for container in observed.containers]
    runs = [container.run for container in observed.containers]
    newest = max((one for one in slots.values()), key=lambda one: one.version, default=None)
    return Ledger(
        **slots,
        floor=newest.version if newest else 0,
        floor_sha256=newest.sha256 if newest else "",
        attempts=draw(attempts(specs)),
        restart_wanted=draw(st.frozensets(st.sampled_from(runs))) if runs else frozenset(),
        stopped=draw(st.frozensets(st.sampled_from(ids))) if ids else frozenset(),
        settling_since=draw(st.none() | moments),
    )
