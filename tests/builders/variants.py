"""A module with three variants on a loop that is stepped by hand: what runs, and what minutes change."""

from __future__ import annotations

from typing import Any

from edgetender.errors import EngineRefused
from edgetender.model.hardware import Hardware
from tests.builders.hardware import gpu, variant
from tests.builders.loops import Loop
from tests.builders.manifests import image, manifest

CARD = gpu(uuid="GPU-1")
VARIANTS = [
    variant("trt", {"accelerator": {"vendor": "nvidia", "compute_capability": ">=8.0"}}),
    variant("cuda", {"accelerator": "nvidia"}),
    variant("cpu"),
]
REFUSED = EngineRefused(
    'could not select device driver "" with capabilities: [[gpu]]', code="engine.toolkit_missing"
)


def loop(hardware: Hardware, **module: Any) -> Loop:
    made = Loop(hardware=hardware)
    made.puller.registry |= {image(name) for name in ("trt", "cuda", "cpu")}
    made.push(manifest(1, scorer={"variants": VARIANTS} | module))
    return made


def runs(made: Loop) -> list[str]:
    return [c.variant for c in made.engine.containers() if c.running]


def spec_of(made: Loop) -> Any:
    (spec,) = made.last.target.containers
    return spec


def wait(made: Loop, minutes: float) -> None:
    """Minutes in which nothing happens but a cycle now and then."""
    for _ in range(int(minutes * 2)):
        made.clock.advance(30.0)
        made.cycle()
        made.cycle()
