"""Where does the traffic switch's image come from? From modules/front, for this Debian's suite and mirror.

`python -m demo.front_image DIRECTORY` makes DIRECTORY/front.tar unless it is there already. Only the standard
library is used here: the launcher runs this beside the installation of everything else.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

from demo.base_image import suite_and_mirror

BUILD = Path(__file__).resolve().parents[1] / "modules" / "front" / "build.py"


def ensure(home: Path) -> Path:
    """Return the image's archive; whoever else builds it at this moment is waited for."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([sys.executable, BUILD, home, *suite_and_mirror()], check=True)
    return home / "front.tar"


if __name__ == "__main__":
    ensure(Path(sys.argv[1]))
