"""Which Python packages does the image bring? Wheels for the target's platform, never for this machine's."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edgetender.codec import canonical, sha256_hex
from edgetender.errors import ConfigInvalid, Permanent, Problem
from edgetender.packaging.base_image import Python

_WHEEL_ARCHITECTURES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "arm": "armv7l",
    "ppc64le": "ppc64le",
    "386": "i686",
}
_OLDEST_GLIBC = 5
_SHEBANG = re.compile(rb"^#!.*python[\d.]*[^\n]*\n")
_FILE = re.compile(r"^(-r|-c|-e|--requirement|--constraint|--editable|\.|/|file:)")
_SOURCE = re.compile(r"^([\w.-]+(\[[^\]]*\])?\s*@\s*)?(git|hg|svn|bzr)\+")
_USERINFO = re.compile(r"://[^/\s@]+@")
_LAYOUT = 1  # raised when the way an environment is laid out changes, so that old ones are not reused


@dataclass(frozen=True, slots=True)
class Spec:
    """What to install: requirement lines, each as in a requirements file."""

    requirements: tuple[str, ...]

    def key(self, base_digest: str, python: Python) -> str:
        """The environment's identity: same key, same packages; it is not built again."""
        identity = [_LAYOUT, list(self.requirements), base_digest, asdict(python)]
        return sha256_hex(canonical(identity))


def from_requirements(path: Path) -> Spec:
    """Read a requirements file. Raises ConfigInvalid with every fault."""
    return of_requirements(text_of(path, "requirements"))


def of_requirements(text: str, at: str = "requirements") -> Spec:
    """Return what the text of a requirements file asks for. Raises ConfigInvalid with every fault.

    Lines that lead to files are refused: what is in those would not count for the environment's identity. So is
    source: it would have to be built, and nothing of the target is run here.
    """
    lines = [line for line in (re.sub(r"(^|\s)#.*$", "", one).strip() for one in text.splitlines()) if line]
    problems = [
        Problem(
            f"{at}[{number}]", "requirements.file", f"{shown(line)!r} leads to another file; name packages"
        )
        for number, line in enumerate(lines)
        if _FILE.match(line)
    ]
    problems += [
        Problem(
            f"{at}[{number}]",
            "requirements.source",
            f"{shown(line)!r} is source, which is not built here; name a wheel, a released version, or put the"
            " code into the source directory",
        )
        for number, line in enumerate(lines)
        if _SOURCE.match(line)
    ]
    if problems:
        raise ConfigInvalid(tuple(problems))
    return Spec(tuple(lines))


def shown(text: str) -> str:
    """*text* without the logins in its addresses: indexes are often private."""
    return _USERINFO.sub("://***@", text)


def text_of(path: Path, key: str) -> str:
    """Return what the file holds. Raises ConfigInvalid that names *key*."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigInvalid((Problem(key, "file.unreadable", f"{path}: {why}"),)) from error


def install(spec: Spec, target: Path, python: Python, say: Callable[[str], None]) -> None:
    """Lay the packages out in *target*, for *python* on its platform.

    Wheels only, so nothing of the target ever runs here. Raises Permanent with pip's own last words.
    """
    listed = target.with_name(target.name + ".txt")
    listed.write_text("\n".join(spec.requirements) + "\n", encoding="utf-8")
    say(f"installing {shown(', '.join(spec.requirements))} for {python.platform}")
    done = subprocess.run(_pip(listed, target, python), capture_output=True, text=True, check=False)
    listed.unlink()
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = "; ".join(word.removeprefix("ERROR: ") for word in words[-2:]) or done.stderr[-300:]
        last = " ".join(last.split())
        raise Permanent(
            f"cannot install the environment for {python.platform}: {shown(last)}; is there a wheel for it?"
        )
    for cache in list(target.rglob("__pycache__")):
        shutil.rmtree(cache)
    _neutral_scripts(target, python)


def _pip(requirements: Path, target: Path, python: Python) -> list[str]:
    architecture = python.platform.split("/")[1]
    machine = _WHEEL_ARCHITECTURES.get(architecture, architecture)
    tags = [f"manylinux_2_{n}_{machine}" for n in range(python.glibc_minor, _OLDEST_GLIBC - 1, -1)]
    tags += [
        f"manylinux2014_{machine}",
        f"manylinux2010_{machine}",
        f"manylinux1_{machine}",
        f"linux_{machine}",
    ]
    return [
        *(
            sys.executable,
            "-m",
            "pip",
            "install",
            "--target",
            str(target),
            "--requirement",
            str(requirements),
        ),
        *(f"--platform={tag}" for tag in tags),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version=3.{python.minor}"),
        *(f"--abi=cp3{python.minor}", "--abi=abi3", "--abi=none"),
        *("--no-compile", "--no-input", "--disable-pip-version-check", "--progress-bar=off", "--quiet"),
    ]


def _neutral_scripts(target: Path, python: Python) -> None:
    """Scripts name the interpreter that installed them: make it the image's; RECORD forgets their hash."""
    for script in sorted((target / "bin").glob("*")):
        content = script.read_bytes()
        script.write_bytes(_SHEBANG.sub(b"#!" + python.path.encode() + b"\n", content, count=1))
    for record in target.glob("*.dist-info/RECORD"):
        kept = [
            line
            for line in record.read_text(encoding="utf-8").splitlines()
            if "bin/" not in line.split(",")[0]
        ]
        record.write_text("\n".join(sorted(kept)) + "\n", encoding="utf-8")


def compile_ahead(target: Path, python: Python, at: str, say: Callable[[str], None]) -> None:
    """Compile what is in *target*, and will be at *at*, for the image's Python, if it is here too."""
    name = f"python3.{python.minor}"
    same = sys.version_info[:2] == (3, python.minor)
    interpreter = sys.executable if same else shutil.which(name)
    if interpreter is None:
        say(f"no {name} here: the image's modules are not compiled ahead")
        return
    command = (interpreter, "-I", "-m", "compileall", "-q", "-s", str(target), "-p", at, str(target))
    subprocess.run(
        command, capture_output=True, check=False
    )  # files of other Pythons do not compile; they may stay
