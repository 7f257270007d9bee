"""Can this model be served without an entry script? One ONNX or scikit-learn model, and what it needs then."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from edgetender.errors import ConfigInvalid, Problem
from edgetender.packaging.accelerators import runtime
from edgetender.packaging.inference_config import InferenceConfig
from edgetender.packaging.model_store import Model

ONNXRUNTIME = "1.32.0"  # where the packager has none of its own
_NUMPY = "2.4.6"
SCRIPT_NAME = "score.py"
_SCRIPT = '''\
"""Made by edgetender package: answers with what the scikit-learn model says of `{"data": [row, ...]}`."""

import json
import os
from pathlib import Path

import joblib
import numpy as np
from azureml_inference_server_http.api.aml_response import AMLResponse

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "score_samples")


def init():
    global model
    (path,) = Path(os.environ["AZUREML_MODEL_DIR"]).iterdir()
    model = joblib.load(path)


def run(raw_data):
    try:
        content = json.loads(raw_data)
        asked = content if isinstance(content, dict) else {"data": content}
        method = asked.get("method", "predict")
        if method not in METHODS or not hasattr(model, method):
            known = ", ".join(one for one in METHODS if hasattr(model, one))
            raise ValueError(f"method {method!r} is none of {known}")
        if "data" not in asked:
            raise ValueError('the rows are expected as {"data": [row, ...]}')
        return np.asarray(getattr(model, method)(np.asarray(asked["data"]))).tolist()
    except (ValueError, TypeError) as error:  # what no JSON, and what the model says of rows it cannot take
        return AMLResponse({"message": str(error)}, 400, json_str=True)
'''
# Pickled estimators carry the version that made them: `_sklearn_version`, a memo mark, then a short text.
_SKLEARN = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?[\x8cX](.)(?:\x00\x00\x00)?(\d+\.\d+[.\w]*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class NoCode:
    """How the model is served: pip *requirements*, and a generated *script*; None: the server runs it itself."""

    requirements: tuple[str, ...]
    script: bytes | None

    def with_runtime(self, version: str) -> Self:
        """The same with the ONNX Runtime that prepared the model: another might not read what it wrote."""
        lines = tuple(line.replace(f"=={ONNXRUNTIME}", f"=={version}") for line in self.requirements)
        return replace(self, requirements=lines)


def plan(
    config: InferenceConfig, models: tuple[Model, ...], accelerator: str, say: Callable[[str], None]
) -> NoCode | None:
    """Return how to serve without an entry script; None where the configuration names one.

    Raises ConfigInvalid with what is missing. Reads the model to learn its version, never unpickles it.
    """
    if config.entry_script is not None:
        return None
    why = "is required: the Python file with init() and run(); only a single Onnx or ScikitLearn model needs none"
    problem = Problem("entryScript", "value.missing", why)
    if len(models) != 1:
        raise ConfigInvalid((problem, *config.problems(script_required=False)))
    match models[0].framework:
        case "Onnx":
            return NoCode((f"{runtime(accelerator)}=={ONNXRUNTIME}", f"numpy=={_NUMPY}"), None)
        case "ScikitLearn":
            return NoCode((_sklearn(models[0], say), "joblib", "numpy"), _SCRIPT.encode())
        case framework:
            text = f"{why}; {models[0].reference} says {framework or 'no framework'} (--framework)"
            problem = Problem("entryScript", "value.missing", text)
            raise ConfigInvalid((problem, *config.problems(script_required=False)))


def _sklearn(model: Model, say: Callable[[str], None]) -> str:
    found = sklearn_version(model.path) if model.path.is_file() else None
    if found is None:
        say(f"warning: {model.reference} does not say which scikit-learn made it: the newest is taken")
        return "scikit-learn"
    return f"scikit-learn=={found}"


def sklearn_version(path: Path) -> str | None:
    """The scikit-learn that pickled the estimator; None where the file does not say (or is compressed)."""
    match = _SKLEARN.search(path.read_bytes())
    return match[2][: match[1][0]].decode() if match else None
