"""Model to image: the inference configuration, the model store, and the builder that needs no engine.

The names of the original SDK are here under one roof: `from edgetender.packaging import Model, InferenceConfig`.
"""

from edgetender.packaging.builder import Built, BuiltLayer, DirectBuilder
from edgetender.packaging.inference_config import ContainerRegistry, InferenceConfig
from edgetender.packaging.layer_store import default_store
from edgetender.packaging.model_store import ModelStore
from edgetender.packaging.named_environment import Environment
from edgetender.packaging.package import ModelPackage, PackageError
from edgetender.packaging.registered_model import Model
from edgetender.packaging.workspace import Workspace

__all__ = [
    "Built",
    "BuiltLayer",
    "ContainerRegistry",
    "DirectBuilder",
    "Environment",
    "InferenceConfig",
    "Model",
    "ModelPackage",
    "ModelStore",
    "PackageError",
    "Workspace",
    "default_store",
]
