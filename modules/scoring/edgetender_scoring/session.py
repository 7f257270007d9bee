"""On which of the chosen providers can a session of an ONNX file be had, and what runs where in it?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgetender_scoring.providers import Choice, ModelUnusable, Wanted

log = logging.getLogger("edgetender_scoring")


def session_options(ort: Any, file: Path, choice: Choice, intra_op: int, wanted: Wanted) -> Any:
    """What a session is told: *intra_op* threads in one run, none that spins; strict: no node falls to the CPU."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = wanted.arena
    if file.name.endswith(".optimized.onnx"):
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key in ("session.intra_op.allow_spinning", "session.inter_op.allow_spinning"):
        options.add_session_config_entry(key, "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if choice.strict:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def opened_on(ort: Any, name: str, file: Path, choice: Choice, options: Callable[[], Any]) -> Any:
    """Return a session on the first of the chosen providers that can run the model, with what each is told.

    ONNX Runtime's own fallback is off: it forgets what providers were told, hides the reason in a print, and would
    rebuild a session whose run failed on the CPU, for good. Raises ModelUnusable with the first provider's reason.
    """
    providers, first = list(choice.providers), ""
    while providers:
        try:
            return ort.InferenceSession(str(file), options(), providers=providers, enable_fallback=0)
        except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base of their own
            (failed, _), *providers = providers
            said = first_line(error)
            first = first or said
            if providers:
                log.warning("model %s: %s cannot run it: %s; trying %s", name, failed, said, providers[0][0])
    hint = f"{choice.requested} is required, and cannot run it: " if choice.strict else ""
    raise ModelUnusable(f"model {name!r} cannot be loaded: {hint}{first}")


def nodes(session: Any) -> list[tuple[str, str]]:
    """Provider and operator of each node; none where the runtime cannot tell."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except (AttributeError, RuntimeError):  # older onnxruntime cannot tell
        return []
    return [(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()]


def first_line(error: Exception) -> str:
    """What *error* says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
