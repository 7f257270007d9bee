"""Which of our errors is it when the engine says no? Pure: a status and its words become one class each.

The words are Docker's and undocumented; they come wrapped in prefixes of runc, containerd and the registry
client, so they are searched, never compared. Seen on Docker Engine 20.10.24 unless noted otherwise.
"""

from __future__ import annotations

import re

from edgetender.errors import (
    AgentError,
    DiskFull,
    EngineDown,
    EngineRefused,
    ImageMissing,
    NotFound,
    RegistryDenied,
    RegistryUnreachable,
)

_FULL = ("no space left on device", "disk quota exceeded")
# The engine lives, but what carries containers out does not: gRPC's words for it, in a 500.
_BROKEN_BELOW = ("code = unavailable", "containerd is not running", "transport is closing")
_DENIED = (
    "unauthorized",
    "denied",
    "authentication required",
    "no basic auth credentials",
    "incorrect username or password",
    "status: 401",
    "status: 403",
)
_MISSING = ("manifest unknown", "name unknown", "not found", "no matching manifest", "does not exist")
# Words of the network that hold one of the above: the name server's, not the registry's.
_NOT_MISSING = ("dial tcp", "lookup ", "no such host")
# Why a container cannot have what it needs of the hardware, or cannot begin: the first that fits.
_REASONS = (
    (r'could not select device driver "cdi"', "cdi_not_enabled_in_daemon"),
    (r"could not select device driver", "toolkit_missing"),
    (r"unknown (?:or invalid )?runtime (?:name|specified)", "runtime_not_registered"),
    (r"unresolvable cdi devices", "cdi_spec_missing"),
    (r"unsatisfied condition: ", "driver_too_old_for_image"),
    (r"driver/library version mismatch|api mismatch", "driver_library_mismatch"),
    (r"gathering device information while adding custom device", "device_node_missing"),
    (r"nvidia-container-cli: initialization error|failed to initialize nvml", "driver_unusable"),
    (r"exec: .*(?:no such file or directory|executable file not found|permission denied)", "bad_entrypoint"),
    (r"exec format error", "wrong_architecture"),
)
_TOOLKIT = "; install nvidia-container-toolkit, then restart the engine"
_REMEDIES = {
    "toolkit_missing": _TOOLKIT,
    "runtime_not_registered": _TOOLKIT,
    "cdi_spec_missing": "; write the specification anew: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml",
    "driver_library_mismatch": "; start the machine anew",
}
# Seen after an engine was ended while it started a container: the next one finds the directory in its way.
_OWN_TRACE = re.compile(r"failed to start shim: mkdir .*file exists")
_HTTP_NOT_FOUND = 404
_HTTP_UNAVAILABLE = 503


def refusal(what: str, status: int, words: str) -> AgentError:
    """What to raise when the request *what* (`start container 3f…`) was answered by *status* and *words*."""
    said = _one_line(words)
    lower = said.lower()
    if _any(_FULL, lower):
        return DiskFull(f"cannot {what}: {said}; free some space where the engine keeps its data")
    if status == _HTTP_NOT_FOUND:
        return NotFound(f"cannot {what}: {said}")
    if status == _HTTP_UNAVAILABLE or _any(_BROKEN_BELOW, lower):
        return EngineDown(f"cannot {what}: {said}; see the engine's log")
    reason = next((code for pattern, code in _REASONS if re.search(pattern, lower)), "")
    if not reason:
        return EngineRefused(f"cannot {what}: {said}")
    remedy = _REMEDIES.get(reason, "")
    return EngineRefused(f"cannot {what}: {said}{remedy}", code=f"engine.{reason}")


def pull_failure(reference: str, words: str) -> AgentError:
    """What to raise when a pull ended with *words*, as a status' message or inside the stream."""
    said = _one_line(words)
    lower = said.lower()
    what = f"cannot pull {reference}: {said}"
    if _any(_FULL, lower):
        return DiskFull(f"{what}; free some space where the engine keeps its data")
    if _any(_DENIED, lower):
        return RegistryDenied(f"{what}; is the right credential named in the manifest and stored here?")
    if _any(_MISSING, lower) and not _any(_NOT_MISSING, lower):
        return ImageMissing(f"{what}; was it pushed?")
    return RegistryUnreachable(what)


def unreachable(what: str, why: object) -> EngineDown:
    """What to raise when no answer came at all."""
    said = _one_line(getattr(why, "strerror", None) or str(why)) or type(why).__name__
    hint = "is the engine running"
    if isinstance(why, PermissionError) or "ermission denied" in said:
        hint = "is this user in the engine's group"
    return EngineDown(f"cannot {what}: the engine does not answer: {said}; {hint}?")


def _any(fragments: tuple[str, ...], text: str) -> bool:
    return any(fragment in text for fragment in fragments)


def _one_line(words: str) -> str:
    return " ".join(words.split())[:500]


def must_go(words: str) -> str:
    """Why a container can never be started again, though another one like it can; empty where it may be."""
    said = words.lower()
    if ("network" in said and "not found" in said) or "no configured subnet" in said:
        return "its network is gone, or another one has its name"
    if _OWN_TRACE.search(said):
        return "an engine that ended has left a trace of it in its way"
    return ""
