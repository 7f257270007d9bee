"""Run a command that can write below one folder alone: `python -m tests.faults.sealed FOLDER COMMAND...`.

By the kernel's Landlock, not by mounts: a namespace of mounts would hold on to those of tests beside this one.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION, _BENEATH, _NO_NEW_PRIVS = 1, 1, 38
_WRITE_FILE = 1 << 1
_CHANGE = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make, whatever it is
_SINCE = {2: 1 << 13, 3: 1 << 14}  # refer, truncate: by the version that knows it
_libc = ctypes.CDLL(None, use_errno=True)


def _call(*words: object) -> int:
    result = int(_libc.syscall(*words))
    if result < 0:
        raise OSError(ctypes.get_errno(), "the kernel does not restrict us (Landlock)")
    return result


def seal(folder: str) -> None:
    """From now on this process, and whoever it starts, can write to what is below *folder*, and to /dev/null.

    Raises OSError where the kernel cannot do that.
    """
    version = _call(_CREATE_RULESET, None, 0, _VERSION)
    changes = _CHANGE | sum(bit for since, bit in _SINCE.items() if version >= since)
    ruleset = _call(_CREATE_RULESET, struct.pack("Q", changes), 8, 0)
    for path, allowed in ((folder, changes), (os.devnull, _WRITE_FILE)):
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _call(_ADD_RULE, ruleset, _BENEATH, struct.pack("=Qi", allowed, beneath), 0)
        os.close(beneath)
    _libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


if __name__ == "__main__":
    seal(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])
