"""Does the inference configuration take what the founding documents write, and name every fault?"""

import json

import pytest

from edgetender.errors import ConfigInvalid
from edgetender.packaging import InferenceConfig
from edgetender.packaging.environment import from_conda, from_requirements
from edgetender.packaging.inference_config import from_json
from tests.builders.packages import SCRIPT


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "score.py").write_text(SCRIPT)
    (tmp_path / "infenv.yml").write_text("dependencies:\n  - python=3.11\n  - pip:\n      - numpy\n")
    return tmp_path


def write(folder, **content):
    path = folder / "inference.json"
    path.write_text(json.dumps(content))
    return path


def faults(call, *arguments):
    with pytest.raises(ConfigInvalid) as caught:
        call(*arguments)
    return {problem.path: problem.code for problem in caught.value.problems}


def test_the_documents_own_file_is_read(folder):
    config = from_json(
        write(
            folder,
            entryScript="score.py",
            runtime="python",
            condaFile="infenv.yml",
            extraDockerfileSteps=None,
            sourceDirectory=None,
            enableGpu=False,
            baseImage="registry.example/o16n-sample-user-base/ubuntu-miniconda",
            baseImageRegistry="registry.example",
        )
    )

    assert (config.entry_script, config.runtime, config.enable_gpu) == ("score.py", "python", False)
    assert config.base_image_registry.address == "registry.example"
    assert config.warnings == ()


def test_the_documents_lines_of_code_run(folder):
    inference_config = InferenceConfig(entry_script="score.py", conda_file="infenv.yml", folder=folder)
    inference_config.base_image = "myregistry.azurecr.io/myimage:v1"
    inference_config.base_image_registry.address = "myregistry.azurecr.io"
    inference_config.base_image_registry.username = "username"
    inference_config.base_image_registry.password = "password"

    assert inference_config.problems() == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, (None, None, None)),
        ("r.example", ("r.example", None, None)),
        ({"address": "r", "username": "u", "password": "p"}, ("r", "u", "p")),
    ],
)
def test_the_registry_is_a_name_null_or_three_fields(folder, given, expected):
    registry = from_json(write(folder, entryScript="score.py", baseImageRegistry=given)).base_image_registry
    password = registry.password.reveal() if registry.password else None

    assert (registry.address, registry.username, password) == expected
    assert "'p'" not in repr(registry)


def test_both_spellings_of_the_extra_steps_are_read(folder):
    for key in ("extraDockerfileSteps", "extraDockerFileSteps"):
        assert faults(from_json, write(folder, entryScript="score.py", **{key: "steps"})) == {
            "extraDockerfileSteps": "builder.cannot"
        }


def test_an_unknown_key_is_a_warning(folder):
    config = from_json(write(folder, entryScript="score.py", entryScirpt="x"))

    assert [(one.path, one.code) for one in config.warnings] == [("entryScirpt", "key.unknown")]


def test_all_faults_are_named_at_once(folder):
    found = faults(
        from_json,
        write(
            folder,
            entryScript="missing.py",
            condaFile="missing.yml",
            runtime="perl",
            enableGpu="yes",
            baseImageRegistry={"address": "r", "username": "u"},
        ),
    )

    assert found == {
        "entryScript": "path.missing",
        "condaFile": "path.missing",
        "runtime": "value.unknown",
        "enableGpu": "value.type",
        "baseImageRegistry": "registry.incomplete",
    }


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("score.txt", SCRIPT, "script.name"),
        ("my-score.py", SCRIPT, "script.name"),
        ("class.py", SCRIPT, "script.name"),
        ("broken.py", "def run(:", "script.syntax"),
        ("norun.py", "def init(): ...", "script.function"),
        ("noargument.py", "def init(): ...\ndef run(): ...", "script.argument"),
        ("onlyheaders.py", "def init(): ...\ndef run(request_headers): ...", "script.argument"),
        ("null.py", "\0", "script.syntax"),
    ],
)
def test_a_script_that_cannot_serve_is_refused_before_anything_is_built(folder, name, text, code):
    (folder / name).write_text(text)

    assert [one.code for one in InferenceConfig(entry_script=name, folder=folder).problems()] == [code]


def test_a_script_outside_the_source_is_refused(folder):
    (folder / "inner").mkdir()
    config = InferenceConfig(entry_script="../score.py", source_directory="inner", folder=folder)

    assert [one.code for one in config.problems()] == ["script.outside"]


def test_what_is_no_json_object_is_refused(folder):
    (folder / "inference.json").write_text("[1]")
    assert "json.malformed" in faults(from_json, folder / "inference.json").values()
    assert "json.malformed" in faults(from_json, folder / "nowhere.json").values()


def test_pip_packages_of_a_conda_file_are_taken_and_conda_packages_refused_with_their_place(folder):
    assert from_conda(folder / "infenv.yml", 11).requirements == ("numpy",)

    (folder / "other.yml").write_text(
        "dependencies: [python=3.6.2, conda-forge::scikit-learn=1, pip, {pip: [-r x]}, 3]"
    )
    assert faults(from_conda, folder / "other.yml", 11) == {
        "condaFile:dependencies[0]": "conda.python",
        "condaFile:dependencies[1]": "conda.not_pip",
        "condaFile:dependencies[4]": "conda.malformed",
    }
    for text in ("{", "dependencies: 3", "[]"):
        (folder / "bad.yml").write_text(text)
        assert faults(from_conda, folder / "bad.yml") == {"condaFile": "conda.malformed"}


def test_requirements_are_lines_without_comments_and_lead_to_no_file(folder):
    (folder / "r.txt").write_text("# head\nnumpy==1 # why\n\npandas[x]>=2 ; python_version > '3'\n")
    assert from_requirements(folder / "r.txt").requirements == (
        "numpy==1",
        "pandas[x]>=2 ; python_version > '3'",
    )

    (folder / "r.txt").write_text("-r other.txt\nnumpy\n./local.whl\n")
    assert set(faults(from_requirements, folder / "r.txt")) == {"requirements[0]", "requirements[2]"}
