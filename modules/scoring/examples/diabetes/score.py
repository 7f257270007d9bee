"""How far will the diabetes progress? Scores rows of ten features with the model of train.py."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

model: dict[str, Any] = {}


def init() -> None:
    """Load the coefficients once."""
    content = json.loads((Path(os.environ["AZUREML_MODEL_DIR"]) / "model.json").read_text(encoding="utf-8"))
    model["coefficients"] = np.array(content["coefficients"])
    model["intercept"] = content["intercept"]


def run(raw_data: str) -> list[float]:
    """Return one number per row of `{"data": [[ten numbers], ...]}`."""
    rows = np.array(json.loads(raw_data)["data"], dtype=float)
    scores: list[float] = (rows @ model["coefficients"] + model["intercept"]).tolist()
    return scores
