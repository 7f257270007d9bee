"""Does the demo's model answer over HTTP what scikit-learn answers in-process? All 442 patients."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "diabetes"


def test_the_served_model_equals_scikit_learn_on_every_row(serving, tmp_path):
    from sklearn.linear_model import Ridge

    features, progression = sklearn_datasets.load_diabetes(return_X_y=True)
    expected = Ridge(alpha=0.1).fit(features, progression).predict(features)
    (tmp_path / "model").mkdir()
    subprocess.run([sys.executable, EXAMPLE / "train.py", tmp_path / "model" / "model.json"], check=True)
    shutil.copy(EXAMPLE / "score.py", tmp_path / "entry.py")

    with serving("", "--entry_script", "entry.py", "--model_dir", "model") as server:
        rows = server.score(json.dumps({"data": features.tolist()}).encode()).json
        seed = b'{"data":[[1,2,3,4,5,6,7,8,9,10],[10,9,8,7,6,5,4,3,2,1]]}'
        two = server.score(seed, Content_Type="application/json").json

    assert len(rows) == 442
    assert rows == pytest.approx(expected.tolist(), rel=1e-12)
    assert len(two) == 2
    assert all(isinstance(one, float) for one in two)
