"""Where does a base image come from, when no image registry can be reached? From Debian's own packages.

`python -m demo.base_image DIRECTORY` makes DIRECTORY/base.tar unless it is there already. Only the standard
library is used here: the launcher runs this beside the installation of everything else.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

# what a scoring container needs beside its own layers
PACKAGES = ("python3",)

# never read in a container; a third of the size
_UNUSED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
)


def ensure(home: Path) -> Path:
    """Return the root file system's tar, built anew when the suite or the package set changed."""
    archive, recipe = home / "base.tar", home / "recipe"
    suite, *mirror = suite_and_mirror()
    wanted = hashlib.sha256(repr((suite, PACKAGES, _UNUSED)).encode()).hexdigest()
    if archive.exists() and recipe.exists() and recipe.read_text() == wanted:
        return archive
    home.mkdir(parents=True, exist_ok=True)
    recipe.unlink(missing_ok=True)
    root = home / "root"
    shutil.rmtree(root, ignore_errors=True)
    started = time.monotonic()
    packages = ",".join(PACKAGES)
    subprocess.run(
        ["debootstrap", "--variant=minbase", f"--include={packages}", suite, root, *mirror],
        check=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"} | _proxy(),
    )
    for unused in _UNUSED:
        shutil.rmtree(root / unused, ignore_errors=True)
    # device nodes come from the engine; numeric owners, because the reader's passwd file is another
    subprocess.run(
        [
            "tar",
            "--create",
            "--file",
            archive,
            "--numeric-owner",
            "--exclude=./dev/*",
            "--directory",
            root,
            ".",
        ],
        check=True,
    )
    shutil.rmtree(root)
    recipe.write_text(wanted)
    size_mib = archive.stat().st_size / 2**20
    print(f"base image: {size_mib:.0f} MiB of Debian {suite} in {time.monotonic() - started:.0f} s")
    return archive


def suite_and_mirror() -> tuple[str, ...]:
    """This Debian's own suite and the mirror its apt uses; elsewhere Debian 12, from where debootstrap likes."""
    suite = "bookworm"
    lines = Path("/etc/os-release").read_text().splitlines()
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    if facts.get("ID") == "debian":
        suite = facts.get("VERSION_CODENAME", suite)
    if shutil.which("apt-get"):
        form = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
        command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages"]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            if line.startswith(f"{suite} main "):
                return suite, line.split()[2]
    return (suite,)


def _proxy() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}


if __name__ == "__main__":
    ensure(Path(sys.argv[1]))
