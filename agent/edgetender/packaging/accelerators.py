"""What does a package need to run on an accelerator? Its ONNX Runtime, and what the server is told. Pure."""

import re

from edgetender.packaging.environment import Spec

# best first: the order in which a manifest lists variants, and an agent goes downhill
PREFERENCE = ("jetpack", "tensorrt", "cuda", "cpu")
_RUNTIME = re.compile(r"^onnxruntime(?=\s*([=<>!~;\[]|$))(\[[^\]]*\])?", re.IGNORECASE)
# CUDA comes as wheels upon a plain base; the others' bases bring it
_WHEELS = {
    "cuda": "onnxruntime-gpu[cuda,cudnn]",
    "tensorrt": "onnxruntime-gpu",
    "jetpack": "onnxruntime-gpu",
}
_PROVIDERS = {"cuda": "cuda", "tensorrt": "tensorrt,cuda", "jetpack": "tensorrt,cuda"}


def runtime(accelerator: str) -> str:
    """The distribution of ONNX Runtime for an accelerator."""
    return _WHEELS.get(accelerator, "onnxruntime")


def adapted(spec: Spec, accelerator: str) -> Spec:
    """The same packages, with the accelerator's ONNX Runtime where the plain one was asked for."""
    if accelerator not in _WHEELS:
        return spec
    return Spec(tuple(_RUNTIME.sub(runtime(accelerator), line) for line in spec.requirements))


def settings(accelerator: str, *, required: bool) -> dict[str, str]:
    """The server's variables: where the accelerator is *required*, it never serves from the CPU in silence."""
    if accelerator not in _PROVIDERS:
        return {}
    return {
        "EDGETENDER_SCORING_ACCELERATOR": "require" if required else "prefer",
        "EDGETENDER_SCORING_PROVIDERS": _PROVIDERS[accelerator],
        "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    }
