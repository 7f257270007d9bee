"""Do the lines of code of the founding documents package a model, and does misuse raise what it did there?"""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgetender.errors import ConfigInvalid, NotFound
from edgetender.packaging import InferenceConfig, Model, PackageError, Workspace, oci_layout
from edgetender.packaging.base_image import from_rootfs
from tests.builders import packages

NOW = datetime(2019, 8, 22, 18, 13, 38, tzinfo=UTC)

# Unchanged but for the import.
TO_AN_IMAGE = """\
from edgetender.packaging import Model

package = Model.package(ws, [model], inference_config)
package.wait_for_creation(show_output=True)
"""
TO_A_DOCKERFILE = """\
from edgetender.packaging import Model

package = Model.package(ws, [model], inference_config, generate_dockerfile=True)
package.wait_for_creation(show_output=True)
# Download the package.
package.save("./imagefiles")
# Get the Azure container registry that the model/Dockerfile uses.
acr=package.get_container_registry()
print("Address:", acr.address)
print("Username:", acr.username)
print("Password:", acr.password)
"""


@pytest.fixture
def ws(tmp_path, monkeypatch):
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w")
    monkeypatch.chdir(tmp_path)
    return Workspace(
        tmp_path / "ws",
        base=f"oci:{tmp_path / 'base'}",
        server_source=packages.server_source(tmp_path),
        now=lambda: NOW,
    )


@pytest.fixture
def model(ws):
    return Model.register(ws, "weights.bin", "mymodel", tags={"area": "health"})


@pytest.fixture
def inference_config():
    return InferenceConfig(entry_script="score.py", runtime="python")


def test_the_documents_lines_make_an_image(ws, model, inference_config, capsys):
    scope = {"ws": ws, "model": model, "inference_config": inference_config}
    exec(TO_AN_IMAGE, scope)
    package, said = scope["package"], capsys.readouterr().out

    assert package.state == "Succeeded"
    assert package.location == "package:20190822181338"
    assert package.serialize() == {
        "generateDockerfile": False,
        "state": "Succeeded",
        "location": package.location,
    }
    assert said.endswith(
        "Run ID: package-20190822181338 was successful after 0s\nPackage creation Succeeded\n"
    )
    assert said.startswith(package.get_logs())
    assert package.get_logs(decode=False, offset=10) == package.get_logs().encode()[10:]
    assert package.package_build_log_uri.startswith("file:///")
    kept = ws.images.get("package:20190822181338")
    assert "AZUREML_MODEL_DIR=azureml-models/mymodel/1" in kept.image.config["config"]["Env"]
    assert (kept.repository, kept.tag) == ("package", "20190822181338")


def test_the_documents_lines_make_a_folder_for_docker_build(ws, model, inference_config, tmp_path, capsys):
    exec(TO_A_DOCKERFILE, {"ws": ws, "model": model, "inference_config": inference_config})
    files = {
        path.relative_to(tmp_path / "imagefiles").as_posix() for path in (tmp_path / "imagefiles").rglob("*")
    }

    assert {
        "Dockerfile",
        "README.md",
        "azureml-app/score.py",
        "azureml-app/azureml-models/mymodel/1/weights.bin",
    } <= files
    assert "server/edgetender_scoring/__main__.py" in files
    assert capsys.readouterr().out.endswith("Address: None\nUsername: None\nPassword: None\n")
    exec(
        TO_A_DOCKERFILE, {"ws": ws, "model": model, "inference_config": inference_config}
    )  # again: it is replaced


def test_a_private_base_is_named_and_its_registry_handed_out(ws, model, inference_config, tmp_path, capsys):
    inference_config.base_image = "registry.invalid/image:v1"
    inference_config.base_image_registry.address = "registry.invalid"
    inference_config.base_image_registry.username = "user"
    inference_config.base_image_registry.password = "pass"
    with ws.images.making("registry.invalid/image:v1") as place:  # as if it had been pulled
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    with pytest.warns(
        UserWarning, match="cannot log in to registry.invalid"
    ):  # a warning only, as in the original
        exec(TO_A_DOCKERFILE, {"ws": ws, "model": model, "inference_config": inference_config})

    assert "FROM registry.invalid/image:v1\n" in (tmp_path / "imagefiles/Dockerfile").read_text()
    assert "Address: registry.invalid\nUsername: user\nPassword: pass\n" in capsys.readouterr().out


def test_misuse_raises_what_it_did_in_the_original(ws, model, inference_config, tmp_path):
    image = Model.package(ws, [model], inference_config)
    folder = Model.package(ws, [model], inference_config, generate_dockerfile=True)
    (tmp_path / "file").write_text("")

    with pytest.raises(
        PackageError, match=r"^A Dockerfile package cannot be pulled\. Use save\(\) instead\.$"
    ):
        folder.pull()
    with pytest.raises(
        PackageError, match=r"^Docker images cannot be saved to a local directory\. Use pull\(\) instead\.$"
    ):
        image.save("imagefiles")
    with pytest.raises(PackageError, match=r"^Error, output path is not a directory: file$"):
        folder.save("file")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/dear.txt").write_text("dear")
    with pytest.raises(Exception, match="holds other files"):
        folder.save("letters")
    assert (tmp_path / "letters/dear.txt").read_text() == "dear"
    image.wait_for_creation()


def test_a_failed_creation_raises_with_state_code_and_every_fault(ws, model, capsys):
    package = Model.package(ws, [model], InferenceConfig(entry_script="missing.py", runtime="perl"))

    with pytest.raises(PackageError, match=r"state Failed, config\.invalid: .*missing\.py.*'perl'"):
        package.wait_for_creation(show_output=True)
    assert package.state == "Failed"
    assert [one["path"] for one in package.error["details"]] == ["entryScript", "runtime"]
    assert package.error["statusCode"] == 400
    with pytest.raises(PackageError, match="state Failed"):
        package.get_container_registry()
    assert ws.images.list() == ()


def test_two_packages_within_a_second_are_two(ws, model, inference_config):
    first, second = (Model.package(ws, [model], inference_config) for _ in range(2))
    first.wait_for_creation()
    second.wait_for_creation()
    assert first.package_build_log_uri != second.package_build_log_uri
    named = Model.package(ws, [], inference_config, image_name="mine", image_label="v1")
    named.wait_for_creation()

    assert {one.reference for one in ws.images.list()} == {
        "package:20190822181338", "package:20190822181339", "mine:v1",
    }  # fmt: skip
    assert ws.images.get(first.location).image.digest == ws.images.get(second.location).image.digest


def test_a_name_that_is_none_is_refused_at_once(ws, model, inference_config):
    with pytest.raises(ConfigInvalid) as caught:
        Model.package(ws, [model], inference_config, image_name="Big", image_label="a b")
    assert [one.path for one in caught.value.problems] == ["image_name", "image_label"]


def test_registered_models_are_found_by_name_id_tags_and_properties(ws, model):
    second = Model.register(
        ws, "weights.bin", "mymodel", properties={"derivedImageName": "reg.example/train:7"}
    )

    assert (model.id, second.id, second.version) == ("mymodel:1", "mymodel:2", 2)
    assert Model(ws, "mymodel").version == 2
    assert Model(ws, "mymodel", tags=["area"]).version == 1
    assert Model(ws, "mymodel", tags={"area": "health"}).id == "mymodel:1"
    assert Model(ws, id="mymodel:2").properties["derivedImageName"] == "reg.example/train:7"
    assert [one.id for one in Model.list(ws)] == ["mymodel:1", "mymodel:2"]
    assert [one.id for one in Model.list(ws, latest=True)] == ["mymodel:2"]
    for wrong in ({"name": "other"}, {"name": "mymodel", "version": 9}, {"name": "mymodel", "tags": ["x"]}):
        with pytest.raises(NotFound):
            Model(ws, **wrong)
    assert Path(model.download("copy")).read_bytes() == b"w"


def test_a_script_finds_its_model_where_the_image_has_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for version in (2, 10):
        (tmp_path / f"azureml-models/net/{version}").mkdir(parents=True)
        (tmp_path / f"azureml-models/net/{version}/w.bin").touch()
    (tmp_path / "beside.pkl").touch()

    assert Model.get_model_path("net") == "azureml-models/net/10/w.bin"
    assert Model.get_model_path("net", 2) == "azureml-models/net/2/w.bin"
    assert Model.get_model_path("beside.pkl") == "beside.pkl"
    (tmp_path / "azureml-models/net/10/second.bin").touch()
    for arguments in (("net",), ("net", "2"), ("net", 3), ("nowhere",)):
        with pytest.raises(PackageError):
            Model.get_model_path(*arguments)


def test_no_thread_is_left_when_the_package_is_there(ws, model, inference_config):
    Model.package(ws, [model], inference_config).wait_for_creation()
    for thread in threading.enumerate():
        if thread.name.startswith("package "):
            thread.join(60)
            assert not thread.is_alive()


def test_the_image_of_a_training_run_is_found_by_the_model_that_came_of_it(ws, inference_config, tmp_path):
    derived = {"runId": "exp_17", "derivedImageName": f"oci:{tmp_path / 'base'}"}
    model = Model.register(ws, "weights.bin", "trained", properties=derived)
    for name in ("from-run:exp_17", "from-run:trained", "from-run:trained:1"):
        inference_config.base_image = name
        Model.package(ws, [model], inference_config).wait_for_creation()

    inference_config.base_image = "from-run:exp_18"
    with pytest.raises(PackageError, match="no model with the property runId=exp_18"):
        Model.package(ws, [model], inference_config).wait_for_creation()
