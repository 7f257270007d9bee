"""How is a base of one's own made from a vendor's? Recipes as data, and the Dockerfile each of them gives. Pure.

Vendors' images bring the accelerator's libraries, but no Python that serves, run as root, and say nothing of the
code that ONNX Runtime has for a card. What a recipe gives is a base: `edgetender package --base` puts the rest on it.
None of it was built here: the vendors' registries cannot be reached, nor is there such a device.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from edgetender.errors import ConfigInvalid, Problem
from edgetender.model.compat import in_force
from edgetender.packaging import base_catalogue
from edgetender.packaging.base_catalogue import BaseImage

_NUMPY = "numpy==2.4.6"
_USER = "65532:65532"
_APT = "apt-get update && apt-get install -y --no-install-recommends"
_APT_ENDS = "rm -rf /var/lib/apt/lists/*"


@dataclass(frozen=True, slots=True)
class Recipe:
    """*base*: the vendor's image by its name in the catalogue. *python*: which one serves; *packages*: apt's.

    *wheel*: ONNX Runtime is on no index for this device, its wheel has to lie beside the Dockerfile; *sass* then says
    for which compute capabilities it was built.
    """

    name: str
    base: str
    architectures: tuple[str, ...]
    about: str
    runtime: str
    python: str = "python3"
    packages: tuple[str, ...] = ()
    wheel: bool = False
    sass: tuple[str, ...] = ()


RECIPES = (
    Recipe(
        "cuda13", "cuda13", ("amd64", "arm64"),
        "CUDA 13: GPUs from Turing (7.5) on amd64, from Ada (8.9) on arm64, driver 580 or newer",
        "onnxruntime-gpu==1.31.1", packages=("python3", "python3-pip"),
    ),
    Recipe(
        "cuda12", "cuda12", ("amd64",),
        "CUDA 12: GPUs from Pascal (6.0), driver 525 or newer",
        "onnxruntime-gpu==1.26.0", packages=("python3", "python3-pip"),
    ),
    Recipe(
        "tensorrt", "tensorrt", ("amd64",),
        "TensorRT 10 on CUDA 13: GPUs from Turing (7.5), driver 580 or newer; the image brings Python",
        "onnxruntime-gpu==1.31.1",
    ),
    Recipe(
        "jetpack6", "jetpack6", ("arm64",),
        "JetPack 6 on Orin, with Python 3.11 and the wheel you built for it",
        "/wheels/*.whl", "python3.11", ("python3.11", "python3.11-venv"), wheel=True, sass=("8.7",),
    ),
    Recipe(
        "openvino", "python", ("amd64",),
        "OpenVINO on Intel CPUs and GPUs (/dev/dri), with the GPU's user-space driver",
        "onnxruntime-openvino==1.24.1", packages=("intel-opencl-icd",),
    ),
)  # fmt: skip
ALIASES = {"cuda": "cuda13", "jetpack": "jetpack6"}


NAMES = (*(one.name for one in RECIPES), *ALIASES)


def recipe(name: str) -> Recipe:
    """One of NAMES. Raises KeyError."""
    return {one.name: one for one in RECIPES}[ALIASES.get(name, name)]


def base_of(one: Recipe) -> BaseImage:
    """The vendor's image; a recipe names no other than the catalogue's."""
    found = base_catalogue.named(one.base)
    if found is None:
        raise KeyError(one.base)
    return found


def dockerfile(one: Recipe, architecture: str) -> str:
    """Return the Dockerfile for *architecture* (Docker's word). Raises ConfigInvalid where there is none."""
    if architecture not in one.architectures:
        text = f"{one.name} is for {', '.join(one.architectures)} only, not for {architecture}"
        raise ConfigInvalid((Problem("--platform", "platform.none", text),))
    base = base_of(one)
    licence = (f"# licence of the base: {base.licence}",) if base.licence else ()
    return "\n".join(
        (
            f"# made by edgetender image recipe {one.name}, for linux/{architecture}: {one.about}",
            *licence,
            "",
            f"FROM {base.reference}",
            "USER root",
            *_installs(one),
            *_told(one, base, architecture),
            f"USER {_USER}",
            "",
        )
    )


def _installs(one: Recipe) -> tuple[str, ...]:
    apt = f"RUN {_APT} {' '.join(one.packages)} && {_APT_ENDS}" if one.packages else ""
    if one.wheel:  # the system's pip is another Python's; the target is where Debian and Ubuntu look, too
        into = f"/usr/local/lib/{one.python}/dist-packages"
        pip = f"/wheels/pip/bin/pip install --no-cache-dir --target {into} {_NUMPY} {one.runtime}"
        venv = f"RUN {one.python} -m venv /wheels/pip && {pip} && rm -rf /wheels"
        return ("COPY *.whl /wheels/", apt, venv)
    # 3.12 of Debian and Ubuntu asks before pip writes beside apt; in an image nobody else does
    pip = f"RUN {one.python} -m pip install --no-cache-dir --break-system-packages {_NUMPY} {one.runtime}"
    return (apt, pip) if apt else (pip,)


def _told(one: Recipe, base: BaseImage, architecture: str) -> tuple[str, ...]:
    """What an agent reads before it pulls: which driver it takes, which cards there is code for."""
    if base.cuda is None:
        return ()
    lines = ["ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility"]
    if not one.wheel:
        # beside the vendor's own NVIDIA_REQUIRE_CUDA, which must hold too: NVIDIA's tools and the agent read each
        major = base.cuda.partition(".")[0]
        least = in_force().least_driver(major)
        wanted = f"cuda>={base.cuda}" + (f" driver>={least}" if least else "")
        lines.append(f'ENV NVIDIA_REQUIRE_ONNXRUNTIME="{wanted}"')
    built = {} if one.wheel else in_force().onnxruntime(one.runtime.partition("==")[2], architecture) or {}
    for kind, found in (("sass", built.get("sass") or one.sass), ("ptx", built.get("ptx") or ())):
        if found:
            lines.append(f"LABEL io.edgetender.{kind}={json.dumps(' '.join(found))}")
    return tuple(lines)
