"""Model to image: the inference configuration, the model store, and the builder that needs no engine."""

from edgetender.packaging.builder import Built, BuiltLayer, DirectBuilder
from edgetender.packaging.inference_config import ContainerRegistry, InferenceConfig
from edgetender.packaging.layer_store import default_store
from edgetender.packaging.model_store import Model, ModelStore
from edgetender.packaging.named_environment import Environment

__all__ = [
    "Built",
    "BuiltLayer",
    "ContainerRegistry",
    "DirectBuilder",
    "Environment",
    "InferenceConfig",
    "Model",
    "ModelStore",
    "default_store",
]
