"""How is the demo's model made? Ridge regression on scikit-learn's diabetes data, written as coefficients.

The file needs numpy only to be used: scikit-learn, 200 MB of it, stays out of the image.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

_NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def fit() -> Ridge:
    """Return the fitted model; the same each time."""
    features, progression = load_diabetes(return_X_y=True)
    return Ridge(alpha=0.1).fit(features, progression)


def save(model: Ridge, path: Path) -> None:
    """Write the coefficients as JSON; numbers keep every bit."""
    content = {
        "kind": "linear",
        "features": list(_NAMES),
        "coefficients": [float(value) for value in model.coef_],
        "intercept": float(model.intercept_),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=Path(__file__).with_name("model.json"))
    target = parser.parse_args().output
    save(fit(), target)
    sys.stdout.write(f"wrote {target}\n")
