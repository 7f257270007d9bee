"""How did a container end? Its exit code in words. Pure."""

from __future__ import annotations

from edgetender.model.observed import Container

_SIGNALLED = 128  # shells and engines say 128 + the signal that ended a process
_NAMES = {130: "SIGINT", 132: "SIGILL", 134: "SIGABRT", 137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM"}


def describe_exit(container: Container) -> str:
    """`exited with code 3`, `ran out of memory and was killed`, `was ended by SIGKILL (exit code 137)`."""
    code = container.exit_code
    if container.oom_killed:
        return "ran out of memory and was killed"
    if code is not None and code > _SIGNALLED:
        return f"was ended by {_NAMES.get(code, f'signal {code - _SIGNALLED}')} (exit code {code})"
    return f"exited with code {code}"
