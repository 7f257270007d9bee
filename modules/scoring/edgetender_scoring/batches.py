"""May a model's requests run together, and in which sizes? Tried out when it is loaded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgetender_scoring.providers import CPU
from edgetender_scoring.session import first_line
from edgetender_scoring.tensors import Array, synthetic

if TYPE_CHECKING:
    from edgetender_scoring.onnx_model import Model

log = logging.getLogger("edgetender_scoring")

_LONELY = 8  # requests in a row that came alone: so quiet is no moment between two crowds

Run = Callable[[Mapping[str, Array], Sequence[str]], list[Any]]


class Sizes:
    """How many rows a run gets: as many as there are, or (*fixed*) that many in company and one in quiet times.

    CUDA plans each convolution anew whenever its input has another size than the last (seen on an H100: 0.7 ms for
    each of them, where the whole run takes 0.3), and remembers one size only. Any thread: a race costs a plan.
    """

    def __init__(self, fixed: int = 0) -> None:
        self.fixed = fixed
        self._alone = _LONELY

    def of(self, rows: int) -> int:
        """The rows to run for *rows* that came; more than *fixed* go as they are."""
        if not 0 < rows <= self.fixed:
            return rows
        self._alone = self._alone + 1 if rows == 1 else 0
        return 1 if self._alone > _LONELY else self.fixed

    def filled(self, run: Run) -> Run:
        """*run*, with the last row repeated up to the size, and answers for those that came."""
        if not self.fixed:
            return run

        def run_filled(feeds: Mapping[str, Array], wanted: Sequence[str]) -> list[Any]:
            lengths = {array.shape[:1] for array in feeds.values()}
            (rows,) = lengths.pop() if len(lengths) == 1 and () not in lengths else (0,)
            more = self.of(rows) - rows
            if not more:
                return run(feeds, wanted)
            full = {name: np.concatenate([a, np.repeat(a[-1:], more, axis=0)]) for name, a in feeds.items()}
            return [found[:rows] for found in run(full, wanted)]

        return run_filled


def fixed_size(alone_s: float, full_s: float, change_s: float, most: int) -> int:
    """The one size for batches, *most*, where running another size costs more than filling up; else 0: any size.

    *alone_s* and *full_s*: a row, and *most* of them, in a run like the one before; *change_s*: what a run of
    another size than the one before takes more.
    """
    return most if alone_s + change_s > full_s else 0


def allow_batches(model: Model, max_batch: int) -> None:
    """Let requests run together where the first axis is free everywhere, and rows do not meet in the model.

    On an accelerator the largest batch is run, too: what cannot be held is known before anybody asks for it, and
    engines are built for all sizes.
    """
    if max_batch == 1:
        return
    tensors = (*model.inputs, *model.outputs)
    if len(model.outputs) != len(model.every_output) or not all(
        one.shape and one.shape[0] == -1 for one in tensors
    ):
        log.warning(
            "model %s is not batched: the first axis of every input and output must be free", model.name
        )
        return
    rows = synthetic(model.inputs, rows=3)
    try:
        together = model.run(rows)
        alone = [model.run({name: array[at : at + 1] for name, array in rows.items()}) for at in range(3)]
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
        log.warning("model %s is not batched: three rows do not run: %s", model.name, first_line(error))
        return
    for at, whole in enumerate(together):
        apart = [one[at] for one in alone]
        if any(len(one) != 1 for one in apart) or not _close(whole, np.concatenate(apart)):
            log.warning("model %s is not batched: its rows answer differently together", model.name)
            return
    if model.proof.actual != CPU:
        try:
            model.sizes = Sizes(_fixed(model, max_batch))
        except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
            said = first_line(error)
            log.warning("model %s is not batched: %d rows do not run: %s", model.name, max_batch, said)
            return
    model.max_batch = max_batch


def _fixed(model: Model, most: int) -> int:
    one, full = synthetic(model.inputs, rows=1), synthetic(model.inputs, rows=most)
    alone_s, full_s = (_usual(model, feeds) for feeds in (one, full))
    both_s = sum(_took(model, feeds) for feeds in (one, full) * 2) / 2
    found = fixed_size(alone_s, full_s, (both_s - alone_s - full_s) / 2, most)
    log.info(
        "model %s: a row alone takes %.2f ms, %d rows %.2f ms, another size %.2f ms more: %s",
        *(model.name, alone_s * 1e3, most, full_s * 1e3, (both_s - alone_s - full_s) / 2 * 1e3),
        f"company is filled up to {found} rows" if found else "each batch runs as large as it is",
    )
    return found


def _usual(model: Model, feeds: Mapping[str, Array]) -> float:
    """Seconds of a run like the one before it."""
    model.run(feeds)
    return sorted(_took(model, feeds) for _ in range(3))[1]


def _took(model: Model, feeds: Mapping[str, Array]) -> float:
    begun = time.perf_counter()
    model.run(feeds)
    return time.perf_counter() - begun


def _close(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True))
    return bool(np.array_equal(one, other))
