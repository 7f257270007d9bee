"""How long does it take to choose one of 50 variants, and to detect what they are chosen by?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from edgetender.decide.variants import choose
from edgetender.model.image import ImageTraits
from edgetender.model.manifest import Module
from edgetender.probes import detect
from tests.builders.hardware import gpu, machine, variant

_VARIANTS, _RUNS = 50, 300
_CHOICE_MS, _COLD_MS, _WARM_MS = 5.0, 1500.0, 150.0


def measure() -> None:
    module, hardware, traits = fifty()
    choose("m", module, hardware, (), traits)
    times = [_ms(lambda: choose("m", module, hardware, (), traits)) for _ in range(_RUNS)]
    p95 = statistics.quantiles(times, n=20)[18]
    _show(f"choose of {_VARIANTS} variants", statistics.median(times), p95, _CHOICE_MS)
    cold = _ms(detect)
    warm = [_ms(detect) for _ in range(20)]
    _show("detect, cold", cold, cold, _COLD_MS)
    _show("detect, warm", statistics.median(warm), max(warm), _WARM_MS)


def fifty() -> tuple[Module, Any, dict[str, ImageTraits]]:
    """Fifty variants, of which the last fits: every predicate of all is looked at."""
    wanted = {
        "arch": "amd64", "x86_level": ">=v2", "cpu": ["avx2", "fma"], "memory": ">=1GiB", "cuda": ">=12.0",
        "any_of": [{"cpu": ["avx512_vnni"]}, {"cpu": ["avx_vnni"]}], "not": {"device": {"model": "*Nano*"}},
        "accelerator": {"vendor": "nvidia", "compute_capability": ">=9.9", "memory": ">=6GiB"},
    }  # fmt: skip
    many = [variant(f"v{number}", wanted) for number in range(_VARIANTS - 1)] + [variant("cpu")]
    module = Module.model_validate({"variants": many})
    flags = (*(f"flag{number}" for number in range(150)), "avx2", "avx_vnni", "fma")
    hardware = machine(
        *(gpu(uuid=f"GPU-{n}", brand="tesla") for n in range(4)),
        x86_level="v3", cpu_features=flags, memory_bytes=2**34, cuda="12.4", nvidia_driver="550.1", model="box",
    )  # fmt: skip
    traits = ImageTraits(
        "amd64", "", ("NVIDIA_REQUIRE_CUDA=cuda>=12.4 brand=tesla,driver>=470",), ("8.0", "9.0")
    )
    return module, hardware, {each.image: traits for each in module.variants}


def _ms(what: Callable[[], object]) -> float:
    began = time.process_time()  # what others do meanwhile is not measured
    what()
    return (time.process_time() - began) * 1000


def _show(what: str, median: float, worst: float, limit: float) -> None:
    print(f"{what}: median {median:.2f} ms, p95 or worst {worst:.2f} ms (at most {limit:g} ms)")
