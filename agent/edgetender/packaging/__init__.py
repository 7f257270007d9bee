"""Model to image: the inference configuration, the model store, and the builder that needs no engine."""

from edgetender.packaging.builder import Built, BuiltLayer, DirectBuilder
from edgetender.packaging.inference_config import ContainerRegistry, InferenceConfig
from edgetender.packaging.layer_store import default_store
from edgetender.packaging.model_store import Model, ModelStore

__all__ = [
    "Built",
    "BuiltLayer",
    "ContainerRegistry",
    "DirectBuilder",
    "InferenceConfig",
    "Model",
    "ModelStore",
    "default_store",
]
