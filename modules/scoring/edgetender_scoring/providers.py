"""On which execution provider shall a model run, and did it? Never a silent fall to the CPU. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CPU = "CPUExecutionProvider"
POLICIES = ("require", "prefer", "cpu")
_NAMES = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "azure": "AzureExecutionProvider",
}
_NO_ACCELERATORS = frozenset({CPU, "AzureExecutionProvider"})

Options = dict[str, str]


class ModelUnusable(Exception):
    """The model cannot be served; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How models are to be run. *threads* inside one run: None lets a short trial decide, at most *cpus*."""

    policy: str = "cpu"
    providers: tuple[str, ...] = ()
    cpus: int = 1
    threads: int | None = None
    arena: bool = True
    max_batch: int = 1
    gpu_memory: int | None = None
    engine_cache: Path | None = None
    golden_required: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a session is asked for. *requested*: the provider hoped for; *strict*: no node may fall to the CPU."""

    requested: str
    providers: tuple[tuple[str, Options], ...]
    strict: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What a session has come to. *share*: the part of its nodes each provider runs (0 to 1)."""

    requested: str
    actual: str
    share: Mapping[str, float]

    @property
    def degraded(self) -> bool:
        """Whether it runs elsewhere than hoped for."""
        return self.requested != self.actual


@dataclass(frozen=True, slots=True)
class Tuning:
    """What providers are told. *cache*: where built engines are kept, already keyed by what they depend on."""

    gpu_memory: int | None = None
    cache: str | None = None

    def options(self, provider: str) -> Options:
        """Return the provider's options: memory as asked for instead of doubling, quick kernel choice."""
        if provider == "CUDAExecutionProvider":
            limit = {} if self.gpu_memory is None else {"gpu_mem_limit": str(self.gpu_memory)}
            own = {"arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC"}
            return {**own, **limit}
        if provider == "TensorrtExecutionProvider" and self.cache:
            return {
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": self.cache,
                "trt_timing_cache_enable": "1",
                "trt_timing_cache_path": self.cache,
            }
        return {}


def full_name(text: str) -> str:
    """Return ONNX Runtime's name for *text*: `cuda` or the full name, whatever its case."""
    short = text.strip().lower().removesuffix("executionprovider")
    if short == "cpu":
        return CPU
    return _NAMES.get(short, text.strip())


def choose(policy: str, asked: Sequence[str], available: Sequence[str], tuning: Tuning) -> Choice:
    """Return what to ask for. *asked*: in order of preference; none: every accelerator this build has.

    Raises ModelUnusable when one is required and this build has none of them.
    """
    if policy == "cpu":
        return Choice(CPU, ((CPU, {}),), strict=False)
    wanted = [full_name(name) for name in asked]
    wanted = wanted or [name for name in available if name not in _NO_ACCELERATORS]
    found = [name for name in wanted if name in available and name != CPU]
    strict = policy == "require"
    if strict and not found:
        hoped = ", ".join(wanted) or "an accelerator"
        raise ModelUnusable(f"{hoped} is required; this onnxruntime has only {', '.join(available)}")
    providers = tuple((name, tuning.options(name)) for name in found)
    rest: tuple[tuple[str, Options], ...] = () if strict else ((CPU, {}),)
    return Choice(wanted[0] if wanted else CPU, providers + rest, strict)


def proof(choice: Choice, active: Sequence[str], assigned: Sequence[tuple[str, int]]) -> Proof:
    """Return what became of *choice*: *active* providers, and how many nodes each was *assigned*."""
    nodes: Counter[str] = Counter()
    for name, count in assigned:
        nodes[name] += count
    share = {name: count / nodes.total() for name, count in nodes.items()}
    # the first active one, unless no node went there
    actual = next((name for name in active if not share or share.get(name)), CPU)
    return Proof(choice.requested, actual, share)
