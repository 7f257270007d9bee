"""Does the inference configuration take what the founding documents write, and name every fault?"""

import json

import pytest

from edgetender.errors import ConfigInvalid, NotFound
from edgetender.packaging import ContainerRegistry, Environment, InferenceConfig
from edgetender.packaging.conda_file import from_conda
from edgetender.packaging.environment import from_requirements
from edgetender.packaging.inference_file import from_json
from edgetender.packaging.named_environment import EnvironmentStore
from edgetender.secret import Secret
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


# The founding document's own file and lines, unchanged but for the import; the registry's host is a variable there.
DOCUMENTS_FILE = """\
{
   "entryScript": "score.py",
   "runtime": "python",
   "condaFile": "infenv.yml",
   "extraDockerfileSteps": null,
   "sourceDirectory": null,
   "enableGpu": false,
   "baseImage": "mcr.microsoft.com/azureml/o16n-sample-user-base/ubuntu-miniconda",
   "baseImageRegistry": "mcr.microsoft.com"
}
"""
DOCUMENTS_LINES = """\
from edgetender.packaging import InferenceConfig

inference_config = InferenceConfig(entry_script="score.py", runtime="python", conda_file="infenv.yml")
# use an image from a registry named 'myregistry'
inference_config.base_image = "myregistry.azurecr.io/myimage:v1"
# Set the container registry information
inference_config.base_image_registry.address = "myregistry.azurecr.io"
inference_config.base_image_registry.username = "username"
inference_config.base_image_registry.password = "password"
"""


def test_the_documents_own_file_is_read(folder):
    (folder / "inferenceconfig.json").write_text(DOCUMENTS_FILE)
    config = from_json(folder / "inferenceconfig.json")

    assert (config.entry_script, config.runtime, config.conda_file) == ("score.py", "python", "infenv.yml")
    assert (config.extra_docker_file_steps, config.source_directory, config.enable_gpu) == (None, None, False)
    assert config.base_image == "mcr.microsoft.com/azureml/o16n-sample-user-base/ubuntu-miniconda"
    assert config.base_image_registry == ContainerRegistry("mcr.microsoft.com")
    assert config.warnings == ()


def test_the_documents_lines_of_code_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    scope = {}
    exec(DOCUMENTS_LINES, scope)
    config = scope["inference_config"]

    assert config.problems() == ()
    assert config.base_image_registry.secret() == Secret("password")
    assert "'password'" not in repr(config)


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
    (folder / "steps").write_text("RUN apt-get update \\\n && true\n")
    for key in ("extraDockerfileSteps", "extraDockerFileSteps"):
        assert (
            from_json(write(folder, entryScript="score.py", **{key: "steps"})).extra_docker_file_steps
            == "steps"
        )
    both = {"extraDockerfileSteps": "steps", "extraDockerFileSteps": "other"}
    assert "extraDockerfileSteps" in faults(from_json, write(folder, entryScript="score.py", **both))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ('ENTRYPOINT ["/bin/sh"]', {"extraDockerfileSteps:1": "step.refused"}),
        ("RUN true\n# why\ncmd sleep 1", {"extraDockerfileSteps:3": "step.refused"}),
        ("FROM scratch", {"extraDockerfileSteps:1": "step.refused"}),
        ("RUN true && \\\n rm -rf /opt//edgetender-scoring", {"extraDockerfileSteps:1": "step.server"}),
        ("COPY x /opt/./'edgetender-scoring'/x", {"extraDockerfileSteps:1": "step.server"}),
        ("ENV A=1 AZUREML_ENTRY_SCRIPT=mine.py", {"extraDockerfileSteps:1": "step.server"}),
        ("ENV AML_APP_ROOT /mine", {"extraDockerfileSteps:1": "step.server"}),
        ("RUNN true", {"extraDockerfileSteps:1": "step.unknown"}),
        ("RUN pip download \\\n  numpy\nENV OMP_NUM_THREADS=1\nUSER root", {}),
        ("RUN trailing \\", {}),
        ("RUN <<EOF sh -s\n\ncmd=1\nENTRYPOINT=x\nEOF\nENV A=1", {}),
        ("RUN <<-'END' && true\n\tFROM there\n\tEND\nCMD x", {"extraDockerfileSteps:4": "step.refused"}),
        ("COPY <<ONE <<TWO /srv/\nCMD\nONE\nCMD\nTWO\nRUNN x", {"extraDockerfileSteps:6": "step.unknown"}),
        ("RUN <<EOF\nrm -rf /opt/edgetender-scoring\nEOF", {"extraDockerfileSteps:1": "step.server"}),
        ("RUN cat <<< x\nCMD x", {"extraDockerfileSteps:2": "step.refused"}),
    ],
)
def test_steps_may_add_anything_but_not_take_the_servers_place(folder, steps, expected):
    (folder / "steps").write_text(steps)
    config = InferenceConfig(entry_script="score.py", extra_docker_file_steps="steps", folder=folder)

    assert {one.path: one.code for one in config.problems()} == expected


def test_an_environment_excludes_what_it_brings(folder):
    config = InferenceConfig(
        entry_script="score.py", runtime="python", conda_file="infenv.yml", enable_gpu=True, cuda_version="12.6",
        base_image="mine:1", environment=Environment("edge", "1"), folder=folder,
    )  # fmt: skip

    assert {one.path: one.code for one in config.problems()} == dict.fromkeys(
        ("runtime", "condaFile", "enableGpu", "cudaVersion", "baseImage"), "environment.excludes"
    )


def test_an_environment_is_named_by_name_and_version(folder):
    written = from_json(write(folder, entryScript="score.py", environment={"name": "edge", "version": 3}))
    assert written.environment == Environment("edge", "3")
    for wrong in ("edge", {"name": 1}, {"name": "edge", "python": {}}, {"name": "edge", "version": []}):
        assert set(faults(from_json, write(folder, entryScript="score.py", environment=wrong)).values()) == {
            "value.type"
        }


def test_a_registered_environment_stays_as_it_was(folder):
    store = EnvironmentStore(folder / "environments")
    with pytest.raises(NotFound, match="cannot find the environment edge"):
        store.get("edge")
    first = store.register(Environment.from_conda_specification("edge", folder / "infenv.yml"))
    second = store.register(Environment("edge", requirements="numpy==2"))

    assert (first.version, second.version) == ("1", "2")
    assert store.found(Environment("edge", "1")) == first
    assert store.get("edge") == second
    with pytest.raises(ConfigInvalid, match="versions never change"):
        store.register(Environment("edge", "1", requirements="other"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"runtime": "python-slim"}, {}),
        ({"runtime": "spark-py"}, {"runtime": "value.unsupported"}),
        ({"runtime": "python-slim", "base_image": "mine:1"}, {"runtime": "value.conflict"}),
        ({"enable_gpu": True, "cuda_version": "10.0"}, {}),
        ({"enable_gpu": True, "cuda_version": "ten"}, {"cudaVersion": "value.unknown"}),
        ({"cuda_version": "12.6"}, {"cudaVersion": "value.conflict"}),
    ],
)
def test_runtime_and_cuda_version_are_checked(folder, given, expected):
    config = InferenceConfig(entry_script="score.py", folder=folder, **given)

    assert {one.path: one.code for one in config.problems()} == expected


def test_what_overrides_the_file_is_checked_in_its_place(folder):
    path = write(folder, entryScript="missing.py", condaFile="infenv.yml")

    assert from_json(path, {"entry_script": "score.py"}).entry_script == "score.py"


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
        ("stars.py", "def init(): ...\ndef run(*data): ...", "script.argument"),
        ("method.py", "class A:\n  def init(self): ...\ndef run(data): ...", "script.function"),
        ("another.py", "from os import path\ndef init(): ...", "script.function"),
    ],
)
def test_a_script_that_cannot_serve_is_refused_before_anything_is_built(folder, name, text, code):
    (folder / name).write_text(text)

    assert [one.code for one in InferenceConfig(entry_script=name, folder=folder).problems()] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import init, run",
        "from elsewhere import *",
        "try:\n  from fast import run\nexcept ImportError:\n  def run(data): ...\ndef init(): ...",
        "init = run = print",
        "@input_schema('data', 1)\ndef run(*, data): ...\ndef init(): ...",
        "@wrapped\ndef run(*data): ...\ndef init(): ...",
    ],
)
def test_functions_may_come_from_anywhere(folder, text):
    (folder / "odd.py").write_text(text)

    assert InferenceConfig(entry_script="odd.py", folder=folder).problems() == ()


def test_a_script_outside_the_source_is_refused(folder):
    (folder / "inner").mkdir()
    config = InferenceConfig(entry_script="../score.py", source_directory="inner", folder=folder)

    assert [one.code for one in config.problems()] == ["script.outside"]


def test_what_is_no_json_object_is_refused(folder):
    (folder / "inference.json").write_text("[1]")
    assert "json.malformed" in faults(from_json, folder / "inference.json").values()
    assert "path.missing" in faults(from_json, folder / "nowhere.json").values()


def test_pip_packages_of_a_conda_file_are_taken_and_conda_packages_refused_with_their_place(folder):
    assert from_conda(folder / "infenv.yml", 11).requirements == ("numpy",)

    (folder / "other.yml").write_text(
        "dependencies: [python=3.6.2, conda-forge::scikit-learn=1, pip, {pip: [-r x]}, 3]"
    )
    assert faults(from_conda, folder / "other.yml", 11) == {
        "condaFile:dependencies[0]": "conda.python",
        "condaFile:dependencies[1]": "conda.not_pip",
        "condaFile:dependencies[4]": "conda.malformed",
        "condaFile:pip[0]": "requirements.file",
    }
    for text in ("{", "dependencies: 3", "[]"):
        (folder / "bad.yml").write_text(text)
        assert set(faults(from_conda, folder / "bad.yml").values()) == {"conda.malformed"}


def test_requirements_are_lines_without_comments_and_lead_to_no_file(folder):
    (folder / "r.txt").write_text("# head\nnumpy==1 # why\n\npandas[x]>=2 ; python_version > '3'\n")
    assert from_requirements(folder / "r.txt").requirements == (
        "numpy==1",
        "pandas[x]>=2 ; python_version > '3'",
    )

    (folder / "r.txt").write_text("-r other.txt\nnumpy\n./local.whl\n")
    assert set(faults(from_requirements, folder / "r.txt")) == {"requirements[0]", "requirements[2]"}
