"""Which base images are known by name? Data: the founding documents' four, and what stands in for them today.

Nothing here is checked against a registry: `edgetender image check NAME` opens an image and says what it is.
"""

from dataclasses import dataclass

_MICROSOFT = "mcr.microsoft.com/azureml"
_NVIDIA = "NVIDIA Deep Learning Container License: read it before you pass the image on"
_AZURE_ONLY = "Microsoft's image with NVIDIA's software: its terms allow use on Azure services only"


@dataclass(frozen=True, slots=True)
class BaseImage:
    """A base by name: *accelerator* is cpu, cuda, tensorrt or jetpack; *licence*, what to heed, if anything."""

    name: str
    reference: str
    accelerator: str
    architectures: tuple[str, ...]
    about: str
    licence: str | None = None
    cuda: str | None = None
    of_the_documents: bool = False


CATALOGUE = (
    BaseImage(
        "python", "docker.io/library/python:3.12-slim-bookworm", "cpu", ("amd64", "arm64", "arm"),
        "Debian 12 and Python 3.12; the default",
    ),
    BaseImage(
        "debian", "docker.io/library/debian:12-slim", "cpu", ("amd64", "arm64", "arm"),
        "Debian 12 without Python: for steps that install their own (docker builder)",
    ),
    BaseImage(
        "cuda12", "nvcr.io/nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04", "cuda", ("amd64", "arm64"),
        "CUDA 12.6 and cuDNN 9; add Python by extraDockerfileSteps", _NVIDIA, "12.6",
    ),
    BaseImage(
        "cuda13", "nvcr.io/nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04", "cuda", ("amd64", "arm64"),
        "CUDA 13.0 and cuDNN 9; add Python by extraDockerfileSteps", _NVIDIA, "13.0",
    ),
    BaseImage(
        "tensorrt", "nvcr.io/nvidia/tensorrt:25.09-py3", "tensorrt", ("amd64", "arm64"),
        "TensorRT 10, CUDA 13 and Python 3.12", _NVIDIA, "13.0",
    ),
    BaseImage(
        "jetpack6", "nvcr.io/nvidia/l4t-jetpack:r36.4.0", "jetpack", ("arm64",),
        "JetPack 6 with CUDA 12.6 and TensorRT; its Python is 3.10, the server needs 3.11", _NVIDIA, "12.6",
    ),
    BaseImage(
        "base", f"{_MICROSOFT}/o16n-sample-user-base/ubuntu-miniconda:latest", "cpu", ("amd64",),
        "the documents' base: Ubuntu and Miniconda", of_the_documents=True,
    ),
    BaseImage(
        "onnxruntime-cpu", f"{_MICROSOFT}/onnxruntime:v0.4.0", "cpu", ("amd64",),
        "the documents' ONNX Runtime 0.4 for CPUs", of_the_documents=True,
    ),
    BaseImage(
        "onnxruntime-cuda", f"{_MICROSOFT}/onnxruntime:v0.4.0-cuda10.0-cudnn7", "cuda", ("amd64",),
        "the documents' ONNX Runtime 0.4 with CUDA 10.0", _AZURE_ONLY, "10.0", of_the_documents=True,
    ),
    BaseImage(
        "onnxruntime-tensorrt", f"{_MICROSOFT}/onnxruntime:v0.4.0-tensorrt19.03", "tensorrt", ("amd64",),
        "the documents' ONNX Runtime 0.4 with TensorRT", _AZURE_ONLY, "10.0", of_the_documents=True,
    ),
)  # fmt: skip

# Accelerator and architecture → the base. CUDA comes with the wheels (onnxruntime-gpu[cuda,cudnn]), so the
# plain base serves it too; the driver's part is the NVIDIA runtime's to bring.
_DEFAULTS = {"cpu": "python", "cuda": "python", "tensorrt": "tensorrt", "jetpack": "jetpack6"}


def named(text: str) -> BaseImage | None:
    """Return the entry that *text* names: by its name, or by the documents' full name, tag or not."""
    for entry in CATALOGUE:
        whole = entry.reference
        if text in {entry.name, whole} or (whole.endswith(":latest") and f"{text}:latest" == whole):
            return entry
    return None


def default_for(accelerator: str, architecture: str) -> BaseImage | None:
    """Return the base for an accelerator (cpu, cuda, tensorrt, jetpack) on an architecture; None: there is none."""
    name = _DEFAULTS.get(accelerator)
    found = next((entry for entry in CATALOGUE if entry.name == name), None)
    return found if found is not None and architecture in found.architectures else None
