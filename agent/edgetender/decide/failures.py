"""Of which class is a failure, so on which part of the hardware does it depend, and when is it forgotten? Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta

from edgetender.decide.fingerprint import fingerprint
from edgetender.decide.look import Look
from edgetender.model.ledger import Demotion, Ledger

IMAGE_ONLY, EXPIRED = "image", "expired"  # in place of a fingerprint
_FIRST, _FACTOR, _LONGEST = timedelta(hours=1), 4, timedelta(days=7)
# reason code -> the part of the hardware it depends on; "" is none: only another image helps
_PARTS = {
    "toolkit_missing": "engine",
    "cdi_not_enabled_in_daemon": "engine",
    "cdi_spec_missing": "engine",
    "runtime_not_registered": "engine",
    "device_node_missing": "engine+gpu",
    "driver_unusable": "driver+engine",
    "driver_too_old_for_image": "driver",
    "driver_library_mismatch": "driver",
    "ptx_too_new": "driver",
    "forward_compatibility_unsupported": "driver",
    "illegal_instruction": "cpu",
    "wrong_architecture": "cpu",
    "no_kernel_image": "gpu",
    "engine_mismatch": "gpu",
    "oom_killed": "memory",
    "provider_not_active": "driver+engine",
    "library_missing": "engine",  # of the image, or what a toolkit mounts into it
    "provider_not_in_image": "",
    "wrong_answer": "",
    "bad_entrypoint": "",
}
_ANYTHING = "cpu+driver+engine+gpu"
# one try tells: the same request is answered the same until that part changes
CONCLUSIVE = frozenset(
    f"engine.{code}"
    for code in (
        "toolkit_missing", "cdi_not_enabled_in_daemon", "cdi_spec_missing", "runtime_not_registered",
        "device_node_missing", "driver_unusable", "driver_too_old_for_image", "driver_library_mismatch",
    )
)  # fmt: skip
_EXITS = {132: "illegal_instruction", 134: "crashed", 139: "crashed"}
_KILLED = 137
# what CUDA and TensorRT say when a process ends of it -> reason code; libraries wrap the words in their own
_LAST_WORDS = tuple(
    (re.compile(words, re.IGNORECASE), code)
    for words, code in (
        (r"expecting compute [\d.]+ got compute [\d.]+|please rebuild", "engine_mismatch"),
        (r"no kernel image is available|cudaErrorNoKernelImageForDevice", "no_kernel_image"),
        (r"driver version is insufficient|cudaErrorInsufficientDriver", "driver_too_old_for_image"),
        (r"PTX was compiled with an unsupported toolchain|cudaErrorUnsupportedPtxVersion", "ptx_too_new"),
        (
            r"unsupported display driver / cuda driver|driver/library version mismatch",
            "driver_library_mismatch",
        ),
        (r"forward compatibility was attempted on non supported", "forward_compatibility_unsupported"),
        (r"is required; this onnxruntime has only", "provider_not_in_image"),
        (r"cannot open shared object file|Please install TensorRT libraries", "library_missing"),
        (r"CUDA (?:error 2\b|out of memory|failure 2\b)|cudaErrorMemoryAllocation", "cuda_out_of_memory"),
    )
)
_BEFORE_WORDS = re.compile(r"^[\d\-:.,TZ+ ]+(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+: ")
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_WORDS_CHARS = 200


def marked(ledger: Ledger, look: Look, now: datetime) -> Ledger:
    """The ledger with each new demotion classed and dated, and those past their time set aside, not forgotten."""
    kept: list[Demotion] = []
    for demotion in ledger.demotions:
        if demotion.until is not None and demotion.until <= now:
            kept.append(replace(demotion, fingerprint=EXPIRED, until=None))
        elif not demotion.fingerprint:
            before = [d for d in kept if _same(d, demotion)]
            kept = [d for d in kept if not _same(d, demotion)]
            kept.append(_dated(demotion, ledger, look, now, max((d.times for d in before), default=0)))
        else:
            kept.append(demotion)
    return ledger if tuple(kept) == ledger.demotions else replace(ledger, demotions=tuple(kept))


def stands(demotion: Demotion, look: Look) -> bool:
    """Whether what was remembered still holds: the part of the hardware it depended on is the same."""
    if demotion.fingerprint == EXPIRED:
        return False
    return not demotion.part or demotion.fingerprint == fingerprint(look, demotion.part)


def _dated(demotion: Demotion, ledger: Ledger, look: Look, now: datetime, times: int) -> Demotion:
    code = _code(demotion, ledger)
    part = _PARTS.get(code, _ANYTHING)
    mark = fingerprint(look, part) if part else IMAGE_ONLY
    pause = min(_FIRST * _FACTOR**times, _LONGEST) if code not in _PARTS else None
    return replace(
        demotion,
        reason=_told(demotion, ledger),
        code=code,
        part=part,
        fingerprint=mark,
        times=times + 1,
        until=now + pause if pause else None,
    )


def _code(demotion: Demotion, ledger: Ledger) -> str:
    """Its reason in one word; how a process ended says more than that it did."""
    code = demotion.code.removeprefix("engine.")
    if proof := re.match(r"not ready: not proven: (\w+): ", demotion.reason):
        return proof[1]
    death = ledger.deaths.get(demotion.module)
    if code != "container.exited" or death is None or death.exit_code is None:
        return code or "failed"
    if death.exit_code == _KILLED and "memory" in death.reason:
        return "oom_killed"
    said = (code for line in reversed(death.log) for words, code in _LAST_WORDS if words.search(line))
    return _EXITS.get(death.exit_code) or next(said, "exited")


def _told(demotion: Demotion, ledger: Ledger) -> str:
    """Its reason; of a process that ended with the last thing it said."""
    death = ledger.deaths.get(demotion.module)
    if demotion.code != "container.exited" or death is None:
        return demotion.reason
    said = (_BEFORE_WORDS.sub("", _COLOURS.sub("", line).strip()) for line in reversed(death.log))
    words = next((line[:_WORDS_CHARS] for line in said if line), "")
    return f"{demotion.reason}: {words}" if words else demotion.reason


def _same(one: Demotion, other: Demotion) -> bool:
    return (one.module, one.variant, one.image) == (other.module, other.variant, other.image)
