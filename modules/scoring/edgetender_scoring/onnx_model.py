"""How does an ONNX file become a model that runs? One session, shared by threads, proven before it serves.

onnxruntime is imported here only, and late: entry scripts need none.
"""

from __future__ import annotations

import importlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgetender_scoring.batches import Sizes, allow_batches
from edgetender_scoring.brief import quickest, seconds_per_byte
from edgetender_scoring.golden import FAILED, PASSED, VARIES, Golden, Verdict
from edgetender_scoring.providers import CPU, Choice, ModelUnusable, Proof, Tuning, Wanted, choose, proof
from edgetender_scoring.session import first_line, nodes, opened_on, session_options
from edgetender_scoring.tensors import Array, Refused, Tensor, synthetic, tensor

log = logging.getLogger("edgetender_scoring")

_SHORT_S = 0.005  # below it a second thread inside one run costs more than it gains
_FEWEST, _MANY = 2, 9  # timed runs after the first: at least, and at most for quick models


class Model:
    """A loaded model. `run` may be used by several threads at once."""

    def __init__(self, name: str, version: str, session: Any, intra_op: int, found: Proof) -> None:
        self.name, self.version, self.intra_op, self.proof = name, version, intra_op, found
        self._session = session
        # past the wrapper's checks, of what is given and of features unused here: 1 µs of 5 for a small model
        self._run = getattr(session, "_sess", session).run
        self._options_of: dict[int, Any] = {}
        self._new_options = importlib.import_module("onnxruntime").RunOptions
        self.inputs = _tensors(session.get_inputs())
        self.outputs = _tensors(session.get_outputs())
        self.every_output = tuple(one.name for one in session.get_outputs())
        if len(self.inputs) != len(session.get_inputs()):
            raise ModelUnusable(f"model {name!r} takes an input that is no tensor")
        self.max_batch = 1
        self.sizes = Sizes()
        free_after_rows = any(-1 in one.shape[1:] for one in self.inputs)
        self.rows_alike = len(self.inputs) == 1 and not free_after_rows
        """Whether the rows of any two requests fit behind one another."""
        self.run_s = 0.0
        """What a run took in the trial."""
        self.per_byte_s = self.per_raw_byte_s = math.inf
        """What a byte of a request takes at most, where its size tells; one that can be no JSON."""
        self.sample: dict[str, Array] = {}
        """What it was warmed up with: its known input, or a made-up one."""
        self.warm_up_s: list[float] = []
        self.golden: Golden | None = None
        self.verdict = Verdict()

    def run(self, feeds: Mapping[str, Array], wanted: Sequence[str] | None = None) -> list[Any]:
        """Return the outputs *wanted* (all: None), in that order. Raises Refused for what does not fit."""
        thread = threading.get_ident()
        options = self._options_of.get(thread)
        if options is None:
            options = self._options_of[thread] = self._new_options()
        elif options.terminate:
            options.terminate = False
        try:
            found: list[Any] = self._run(wanted or self.every_output, feeds, options)
        except Exception as error:
            if "INVALID_ARGUMENT" in str(error):
                raise Refused(f"the model refuses the input: {first_line(error)}") from error
            raise
        return found

    @property
    def nodes(self) -> list[tuple[str, str]]:
        """Provider and operator of each node; none where the runtime cannot tell."""
        return nodes(self._session)

    def stop(self, thread: int) -> bool:
        """End the run on that thread; it raises there."""
        options = self._options_of.get(thread)
        if options is not None:
            options.terminate = True
        return options is not None


def load(name: str, version: str, path: Path, wanted: Wanted, golden: Golden | None = None) -> Model:
    """Load the model, warm it up, prove its provider and its known answer. Blocks.

    Raises ModelUnusable with the reason.
    """
    try:
        ort = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelUnusable(
            "models without entry script need onnxruntime; add it to the environment"
        ) from error
    optimised = path.with_suffix(".optimized.onnx")
    cpu_only = wanted.policy == "cpu" and not wanted.providers
    file = optimised if optimised.is_file() and cpu_only else path
    available = ort.get_available_providers()
    tuning = _tuning(wanted, path, ort)
    choice = choose(wanted.policy, wanted.providers, available, tuning)
    intra_op = wanted.threads or wanted.cpus
    model = _opened(tuning, lambda: _open(ort, name, version, file, choice, intra_op, wanted))
    model.run_s = warm_up(model, golden)
    if wanted.threads is None and one_thread_may_do(model):
        model = _open(ort, name, version, file, choice, 1, wanted)
        model.run_s = warm_up(model, golden)
    _prove_answer(model, golden, required=wanted.golden_required)
    allow_batches(model, wanted.max_batch)
    quickest_s = quickest(lambda: model.run(model.sample), model.run_s)
    model.per_byte_s = seconds_per_byte(model.inputs, model.nodes, quickest_s)
    model.per_raw_byte_s = seconds_per_byte(model.inputs, model.nodes, quickest_s, raw=True)
    _say(model)
    return model


def one_thread_may_do(model: Model) -> bool:
    """Whether to try with one thread inside a run: not on a card, which would plan and build everything anew."""
    return model.intra_op > 1 and model.run_s < _SHORT_S and model.proof.actual == CPU


def _open(
    ort: Any, name: str, version: str, file: Path, choice: Choice, intra_op: int, wanted: Wanted
) -> Model:
    session = opened_on(ort, name, file, choice, lambda: session_options(ort, file, choice, intra_op, wanted))
    found = proof(choice, session.get_providers(), [(provider, 1) for provider, _ in nodes(session)])
    if choice.strict and found.degraded and found.actual not in dict(choice.providers):
        raise ModelUnusable(f"model {name!r}: {found.requested} is required, it would run on {found.actual}")
    return Model(name, version, session, intra_op, found)


def warm_up(model: Model, golden: Golden | None) -> float:
    """Run the model on its known input, else on made-up input, until it is warm; return a run's time in seconds.

    A model that does not take made-up input is served all the same: its first request is its first run.
    """
    try:
        model.sample = synthetic(model.inputs) if golden is None else golden.feeds(model.inputs)
    except Refused:  # told by `judge`, as a verdict
        model.sample = synthetic(model.inputs)
    took = model.warm_up_s = []
    try:
        while len(took) <= _FEWEST or (len(took) <= _MANY and took[-1] < _SHORT_S):
            begun = time.perf_counter()
            model.run(model.sample)
            took.append(time.perf_counter() - begun)
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
        log.warning("model %s is not warmed up: %s", model.name, first_line(error))
        return _SHORT_S
    return sorted(took[1:])[len(took) // 2 - 1]


def judge(model: Model) -> Verdict:
    """Run the known input once and compare; a model whose own answers differ from run to run is not at fault."""
    golden = model.golden
    if golden is None:
        return Verdict()
    try:
        feeds = golden.feeds(model.inputs)
        found = model.run(feeds)
        why = golden.differs(model.every_output, found)
        if not why:
            return Verdict(PASSED)
        again = model.run(feeds)
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
        return Verdict(FAILED, f"the known input does not run: {first_line(error)}")
    steady = all(golden.alike(np.asarray(a), np.asarray(b)) for a, b in zip(found, again, strict=True))
    return Verdict(FAILED, why) if steady else Verdict(VARIES, "its answers differ from run to run")


def _prove_answer(model: Model, golden: Golden | None, *, required: bool) -> None:
    model.golden = golden
    model.verdict = found = judge(model)
    if required and found.state != PASSED:
        why = found.reason or "there is no golden.json in the application root"
        raise ModelUnusable(f"model {model.name!r}: its known answer is required: {why}")
    if found.state == FAILED:
        log.error("model %s answers its known input wrongly: %s", model.name, found.reason)


def _tensors(described: Sequence[Any]) -> tuple[Tensor, ...]:
    made = (tensor(one.name, one.type, one.shape) for one in described)
    return tuple(one for one in made if one is not None)


def _tuning(wanted: Wanted, path: Path, ort: Any) -> Tuning:
    if wanted.engine_cache is None:
        return Tuning(wanted.gpu_memory)
    # late: few need it, and OpenSSL behind it takes memory
    from edgetender_scoring.engine_cache import folder

    return Tuning(wanted.gpu_memory, str(folder(wanted.engine_cache, path, str(ort.__version__))))


def _opened(tuning: Tuning, attempt: Callable[[], Model]) -> Model:
    if tuning.cache is None:
        return attempt()
    from edgetender_scoring.engine_cache import opened

    return opened(attempt, Path(tuning.cache))


def _say(model: Model) -> None:
    found = model.proof
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.share.items()) or "unknown"
    say = log.warning if found.degraded else log.info
    say(
        "model %s version %s runs on %s (asked for %s; nodes: %s), %d threads a run, %.2f ms a run",
        model.name,
        model.version,
        found.actual,
        found.requested,
        shares,
        model.intra_op,
        model.run_s * 1e3,
    )
