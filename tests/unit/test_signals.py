"""A signal ends a program whatever its main thread was at."""

from __future__ import annotations

import subprocess
import sys

# The main thread does what the loop does with its wake flag, whose lock it holds for a moment each time. What a
# handler calls is called in between: that flag's `set` would wait for the lock, which is the waiter's own, for ever.
PROGRAM = """\
import signal, sys, time
from edgetender.signals import stop_by
from edgetender.waking import Flags
stopped = 0
for number in range(300):
    flags = Flags()
    stop_by((signal.SIGALRM,), flags.stop)
    signal.setitimer(signal.ITIMER_REAL, 0.0001 + number * 0.00001)
    while True:
        flags.wake.clear()
        if flags.stopping.is_set():
            break
        flags.wake.wait(0.0)
    stopped += 1
print(stopped)
"""


def test_a_signal_that_comes_while_the_loop_holds_the_lock_of_its_flag_ends_it() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout, ran.stderr) == ("300\n", "")
