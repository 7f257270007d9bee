"""Does a single ONNX or scikit-learn model get served without an entry script, and nothing else?"""

import json
import pickle
from dataclasses import replace

import pytest

from edgetender.errors import ConfigInvalid
from edgetender.packaging import DirectBuilder, InferenceConfig, Model, PackageError, Workspace
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.model_store import from_path
from edgetender.packaging.no_code import NoCode, plan, sklearn_version
from edgetender_scoring import azureml_names
from tests.builders import packages


def planned(models, config=None, accelerator="cpu"):
    said = []
    return plan(config or InferenceConfig(), tuple(models), accelerator, said.append), said


@pytest.fixture
def onnx(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"graph")
    return from_path(tmp_path / "net.onnx", "net", 3)


def test_an_onnx_model_is_the_servers_own_to_run(onnx):
    found, _ = planned([onnx])

    assert found.script is None
    assert [line.partition("==")[0] for line in found.requirements] == ["onnxruntime", "numpy"]
    assert planned([onnx], accelerator="cuda")[0].requirements[0].startswith("onnxruntime-gpu[cuda,cudnn]==")


def test_a_configuration_with_a_script_is_served_by_it(onnx):
    assert planned([onnx], InferenceConfig(entry_script="score.py"))[0] is None


@pytest.mark.parametrize("number", [0, 2])
def test_none_and_several_models_need_a_script(onnx, number):
    with pytest.raises(ConfigInvalid, match="only a single Onnx or ScikitLearn model needs none"):
        planned([onnx] * number, InferenceConfig(runtime="perl"))


def test_a_framework_that_is_not_served_is_named_with_the_other_faults(tmp_path):
    (tmp_path / "net.pb").write_bytes(b"net")
    with pytest.raises(ConfigInvalid, match="net:1 says no framework") as caught:
        planned([from_path(tmp_path / "net.pb", "net")], InferenceConfig(runtime="perl"))
    assert [one.path for one in caught.value.problems] == ["entryScript", "runtime"]


def test_the_image_of_an_onnx_model_names_no_script(onnx, tmp_path):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    builder = DirectBuilder(tmp_path / "store", server_source=packages.server_source(tmp_path))
    packages.wheel(tmp_path, "runtimepart", "1.0")
    no_code = NoCode(("--no-index", f"--find-links={tmp_path}", "runtimepart"), None)

    made = builder.assemble((onnx,), InferenceConfig(), tmp_path / "base", no_code=no_code)
    env = dict(pair.split("=", 1) for pair in made.image.config["config"]["Env"])

    assert "AZUREML_ENTRY_SCRIPT" not in env
    assert env["AZUREML_MODEL_DIR"] == "azureml-models/net/3"
    assert [kind for kind, _ in made.added] == ["environment", "server", "application", "model"]


def test_model_package_says_what_is_missing_without_a_configuration(tmp_path):
    ws = Workspace(tmp_path / "ws")
    (tmp_path / "net.pb").write_bytes(b"net")
    package = Model.package(ws, [Model.register(ws, tmp_path / "net.pb", "net")])
    with pytest.raises(PackageError, match="entryScript: is required"):
        package.wait_for_creation()


@pytest.fixture
def ridge(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with the extra demo")
    path = tmp_path / "model.pkl"

    def saved(protocol):
        path.write_bytes(pickle.dumps(linear.Ridge().fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]), protocol))
        return path

    return saved


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_scikit_learn_that_made_a_model_is_read_without_unpickling(ridge, protocol):
    import sklearn

    assert sklearn_version(ridge(protocol)) == sklearn.__version__


def test_a_model_that_does_not_say_its_scikit_learn_gets_the_newest_and_a_warning(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"compressed")
    model = from_path(tmp_path / "model.pkl", "m")
    found, said = planned([replace(model, framework="ScikitLearn")])

    assert found.requirements[0] == "scikit-learn"
    assert "does not say which scikit-learn" in said[0]


def test_the_generated_script_answers_with_the_models_predictions(ridge, tmp_path, monkeypatch):
    model = from_path(ridge(5), "m")
    found, _ = planned([replace(model, framework="ScikitLearn")])
    (tmp_path / "models").mkdir()
    model.path.rename(tmp_path / "models" / "model.pkl")
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(tmp_path / "models"))
    azureml_names.install()
    scope = {}
    exec(compile(found.script, "score.py", "exec"), scope)
    scope["init"]()

    rows = [[1.0], [3.0]]
    wanted = scope["model"].predict(rows).tolist()
    assert scope["run"](json.dumps({"data": rows})) == wanted
    assert scope["run"](json.dumps(rows)) == wanted
    for asked, why in (
        (json.dumps({"data": rows, "method": "__init__"}), "'__init__' is none of predict"),
        (json.dumps({"data": rows, "method": "predict_proba"}), "'predict_proba' is none of predict"),
        (json.dumps({"data": [[1.0, 2.0]]}), "X has 2 features"),
        (json.dumps({"rows": rows}), 'expected as {"data"'),
        ('{"data": [["a"]]}', "strings"),
        ("{", "Expecting property name"),
    ):
        answer = scope["run"](asked)
        assert (answer.status_code, why in json.loads(answer.get_data())["message"]) == (400, True), asked
