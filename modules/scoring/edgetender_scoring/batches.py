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

_QUIET = 8  # batches of few rows, one after the other: no moment between two crowds

Run = Callable[[Mapping[str, Array], Sequence[str]], list[Any]]


class Sizes:
    """How many rows a run gets: as many as there are, or (*fixed*) always so many, and in quiet times each row alone.

    *few*: rows that take no longer one by one. CUDA plans each convolution anew whenever its input has another size
    than the last, and remembers one size only (seen on an H200: 39 ms where the whole run takes 5). Any thread: a
    race costs a plan.
    """

    def __init__(self, fixed: int = 0, few: int = 1) -> None:
        self.fixed, self.few = fixed, few
        self._quiet = _QUIET

    def of(self, rows: int) -> int:
        """The rows of each run for *rows* that came; more than *fixed* go as they are."""
        if not 0 < rows <= self.fixed:
            return rows
        self._quiet = self._quiet + 1 if rows <= self.few else 0
        return 1 if self._quiet > _QUIET else self.fixed

    def filled(self, run: Run) -> Run:
        """*run*, row by row or with the last row repeated up to the size, and answers for those that came."""
        if not self.fixed:
            return run

        def run_filled(feeds: Mapping[str, Array], wanted: Sequence[str]) -> list[Any]:
            lengths = {array.shape[:1] for array in feeds.values()}
            (rows,) = lengths.pop() if len(lengths) == 1 and () not in lengths else (0,)
            size = self.of(rows)
            if size == rows:
                return run(feeds, wanted)
            if size == 1:
                each = [run({name: a[n : n + 1] for name, a in feeds.items()}, wanted) for n in range(rows)]
                return [np.concatenate(parts) for parts in zip(*each, strict=True)]
            more = size - rows
            full = {name: np.concatenate([a, np.repeat(a[-1:], more, axis=0)]) for name, a in feeds.items()}
            return [found[:rows] for found in run(full, wanted)]

        return run_filled


def sizes_for(alone_s: float, full_s: float, change_s: float, most: int) -> Sizes:
    """Batches of one size, *most*, where running another size costs more than filling up; else of any size.

    *alone_s* and *full_s*: a row, and *most* of them, in a run like the one before; *change_s*: what a run of
    another size than the one before takes more.
    """
    if alone_s + change_s <= full_s:
        return Sizes()
    return Sizes(most, max(1, int(full_s / max(alone_s, 1e-9))))


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
            model.sizes = _tried(model, max_batch)
        except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
            said = first_line(error)
            log.warning("model %s is not batched: %d rows do not run: %s", model.name, max_batch, said)
            return
    model.max_batch = max_batch


def _tried(model: Model, most: int) -> Sizes:
    one, full = synthetic(model.inputs, rows=1), synthetic(model.inputs, rows=most)
    alone_s, full_s = (_usual(model, feeds) for feeds in (one, full))
    change_s = (sum(_took(model, feeds) for feeds in (one, full) * 2) / 2 - alone_s - full_s) / 2
    found = sizes_for(alone_s, full_s, change_s, most)
    log.info(
        "model %s: a row alone takes %.2f ms, %d rows %.2f ms, another size %.2f ms more: %s",
        *(model.name, alone_s * 1e3, most, full_s * 1e3, change_s * 1e3),
        f"more than {found.few} rows are filled up to {found.fixed}"
        if found.fixed
        else "each batch runs as large as it is",
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
