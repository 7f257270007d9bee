"""How is the image of the traffic switch made, when no image registry can be reached? From Debian's own packages.

`python modules/front/build.py DIRECTORY` makes DIRECTORY/front.tar, an archive that `docker load` reads, unless
it is there already. Only the standard library is used: the launcher runs this beside the installation of
everything else. The same packages give the same bytes.
"""

# ruff: noqa: INP001  # a program beside its recipe, not a package

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGES = ("busybox-static", "haproxy", "nftables")
PROGRAMS = ("bin/busybox", "usr/sbin/haproxy", "usr/sbin/nft")
APPLETS = ("sh", "sleep")
NAME = "edgetender/front:1"
OWN = ("translate",)  # beside this file; they lie in the image's root

_SUITE = "bookworm"
_ARCHITECTURES = ("amd64", "arm64")  # Debian's words are the engine's; both are 64-bit and little-endian
_DT_NEEDED, _DT_STRTAB, _PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 5, 1, 2, 3
_AR_HEADER = 60


def ensure(home: Path, suite: str = _SUITE, *mirror: str) -> Path:
    """Return the image's archive, built anew when the suite or anything of the recipe changed."""
    archive, recipe = home / "front.tar", home / "recipe"
    own = [(Path(__file__).parent / name).read_bytes() for name in (*OWN, "build.py")]
    wanted = hashlib.sha256(repr((suite, own)).encode()).hexdigest()
    if archive.exists() and recipe.exists() and recipe.read_text() == wanted:
        return archive
    started = time.monotonic()
    home.mkdir(parents=True, exist_ok=True)
    recipe.unlink(missing_ok=True)
    build(_download(home / "packages", suite, *mirror), archive)
    shutil.rmtree(home / "packages")
    recipe.write_text(wanted)
    size_mib, took_s = archive.stat().st_size / 2**20, time.monotonic() - started
    sys.stdout.write(f"front image: {size_mib:.1f} MiB of Debian {suite} in {took_s:.0f} s\n")
    return archive


def _download(root: Path, suite: str, *mirror: str) -> dict[str, Path]:
    """Fetch our packages and what they need; debootstrap checks signatures, and runs on every distribution."""
    shutil.rmtree(root, ignore_errors=True)
    words = ["--variant=minbase", f"--include={','.join(PACKAGES)}", "--download-only", suite, root, *mirror]
    proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(["debootstrap", *words], check=True, env=path | proxies)
    return {deb.name.split("_")[0]: deb for deb in (root / "var/cache/apt/archives").glob("*.deb")}


def build(debs: dict[str, Path], archive: Path) -> None:
    """Write the image of these packages: our programs, the libraries they load, and every licence."""
    chosen = _with_needs(debs)
    unpacked = {name: _unpacked(deb) for name, deb in chosen.items()}
    files = {path: content for each in unpacked.values() for path, content in each.items()}
    image = {path: (0o755, files[path]) for path in _loaded(files)}
    for name, each in unpacked.items():
        notice = f"usr/share/doc/{name}/copyright"
        if not image.keys().isdisjoint(each) and isinstance(each.get(notice), bytes):
            image[notice] = (0o644, each[notice])
    image |= {name: (0o755, (Path(__file__).parent / name).read_bytes()) for name in OWN}
    image |= {f"bin/{applet}": (0o777, "busybox") for applet in APPLETS}
    versions = {name: deb.name.split("_")[1].replace("%3a", ":") for name, deb in chosen.items()}
    architecture = debs["haproxy"].stem.split("_")[-1]
    if architecture not in _ARCHITECTURES:
        raise SystemExit(
            f"cannot build the front image for {architecture}: only {_ARCHITECTURES} are known to it"
        )
    _write(archive, _layer(image), architecture, {name: versions[name] for name in PACKAGES})


def _with_needs(debs: dict[str, Path]) -> dict[str, Path]:
    """Our packages and all they depend on, as far as it was downloaded (the rest is provided by another name)."""
    found: dict[str, Path] = {}
    open_ends = list(PACKAGES)
    while open_ends:
        name = open_ends.pop()
        if name in found or name not in debs:
            continue
        found[name] = debs[name]
        with _member(debs[name], "control.tar") as tar:
            control = next(tar.extractfile(one) for one in tar if PurePosixPath(one.name).name == "control")
            text = control.read().decode() if control else ""
        for line in re.findall(r"^(?:Pre-)?Depends: (.*)$", text, re.MULTILINE):
            open_ends += re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9.+-]+)", line)
    return dict(sorted(found.items()))


def _member(deb: Path, prefix: str) -> tarfile.TarFile:
    """The tar of that name inside a Debian package, which is an `ar` archive."""
    blob, at = deb.read_bytes(), 8
    while at < len(blob):
        name = blob[at : at + 16].decode().strip().rstrip("/")
        size = int(blob[at + 48 : at + 58])
        at += _AR_HEADER
        if name.startswith(prefix):
            return tarfile.open(fileobj=io.BytesIO(blob[at : at + size]))
        at += size + size % 2
    raise SystemExit(f"cannot read {deb.name}: it has no {prefix}")


def _unpacked(deb: Path) -> dict[str, bytes | str]:
    """The package's files by path, symbolic links as the path they lead to."""
    files: dict[str, bytes | str] = {}
    with _member(deb, "data.tar") as tar:
        for one in tar:
            path = os.path.normpath(one.name)
            if one.issym():
                where = os.path.join("/", os.path.dirname(path), one.linkname)  # noqa: PTH118, PTH120  # no files here
                files[path] = os.path.normpath(where).lstrip("/")
            elif one.isfile() and (file := tar.extractfile(one)) is not None:
                files[path] = file.read()
    return files


def _loaded(files: dict[str, bytes | str]) -> Iterator[str]:
    """The programs and whatever the dynamic loader will look for, links included."""
    libraries = {
        PurePosixPath(path).name: path for path in sorted(files) if "/lib" in f"/{path}" and ".so" in path
    }
    seen: set[str] = set()
    open_ends = list(PROGRAMS)
    while open_ends:
        path = open_ends.pop()
        if path in seen:
            continue
        seen.add(path)
        yield path
        content = files[path]
        if isinstance(content, str):
            open_ends.append(content)
        else:
            open_ends += [libraries[name] for name in _needed(content)]


def _needed(elf: bytes) -> list[str]:
    """The names of the libraries and of the loader that a 64-bit little-endian program asks for."""
    if elf[:6] != b"\x7fELF\x02\x01":
        raise SystemExit("cannot build the front image: only 64-bit little-endian machines are known to it")
    (headers,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    rows = [struct.unpack_from("<IIQQQQ", elf, headers + index * size) for index in range(count)]
    loads = [(address, length, offset) for kind, _, offset, address, _, length in rows if kind == _PT_LOAD]
    names = [_text(elf, offset) for kind, _, offset, *_ in rows if kind == _PT_INTERP]
    for kind, _, offset, _, _, length in rows:
        if kind != _PT_DYNAMIC:
            continue
        entries = [struct.unpack_from("<QQ", elf, at) for at in range(offset, offset + length, 16)]
        table = next((value for tag, value in entries if tag == _DT_STRTAB), 0)
        start = next((o + table - a for a, n, o in loads if a <= table < a + n), 0)
        names += [_text(elf, start + value) for tag, value in entries if tag == _DT_NEEDED]
    return [PurePosixPath(name).name for name in names]


def _text(elf: bytes, at: int) -> str:
    return elf[at : elf.index(b"\0", at)].decode()


def _layer(image: dict[str, tuple[int, bytes | str]]) -> bytes:
    """The layer's tar, the same for the same files: sorted, without times and owners."""
    folders = {str(parent) for path in image for parent in PurePosixPath(path).parents} - {"."}
    # the loader's own place, which Debian's merged /usr makes a link; `run` is where the agent's directory goes
    folders |= {"run", "run/front", "tmp"}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for path, (mode, content) in sorted(image.items()):
            entry = tarfile.TarInfo(path)
            entry.mode = mode
            if isinstance(content, str):
                entry.type = tarfile.SYMTYPE
                entry.linkname = content if path.startswith("bin/") else f"/{content}"
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _write(archive: Path, layer: bytes, architecture: str, versions: dict[str, str]) -> None:
    packed = gzip.compress(layer, 6, mtime=0)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/sbin:/bin"],
            "Labels": {f"io.edgetender.front.{name}": version for name, version in versions.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "modules/front/build.py"}],
    }
    body = json.dumps(config, sort_keys=True, separators=(",", ":")).encode()
    name = f"{hashlib.sha256(body).hexdigest()}.json"
    told = json.dumps([{"Config": name, "RepoTags": [NAME], "Layers": ["layer.tar.gz"]}]).encode()
    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in (("manifest.json", told), (name, body), ("layer.tar.gz", packed)):
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    unfinished.replace(archive)


if __name__ == "__main__":
    ensure(Path(sys.argv[1]), *sys.argv[2:4])
