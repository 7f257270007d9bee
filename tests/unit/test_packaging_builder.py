"""Does the direct builder make the same image each time, and only build what has changed?"""

import gzip
import json
import os
import subprocess
import tarfile

import pytest

from edgetender.errors import ConfigInvalid, ImageMissing, NotFound, Permanent
from edgetender.packaging import DirectBuilder, InferenceConfig, oci_layout
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.layer import EPOCH
from edgetender.packaging.model_store import from_path
from tests.builders import packages

BASE, ENVIRONMENT, SERVER, APPLICATION, MODEL = range(5)


class Bench:
    """All that one packaging takes, in one folder."""

    def __init__(self, folder):
        self.folder = folder
        self.said = []
        self.base = folder / "base"
        from_rootfs(packages.rootfs(folder), self.base)
        self.server = packages.server_source(folder)
        self.source = folder / "source"
        self.source.mkdir()
        (self.source / "score.py").write_text(packages.SCRIPT)
        (self.source / "labels.txt").write_text("a b")
        (self.source / "requirements.txt").write_text(self.requirements("1.0"))
        (folder / "weights.bin").write_bytes(bytes(range(256)) * 100)
        self.model = from_path(folder / "weights.bin", "diabetes", 3)

    def requirements(self, version):
        packages.wheel(self.folder, "userpart", version)
        return f"--no-index\n--find-links={self.folder}\nuserpart=={version}\n"

    def config(self, **changes):
        given = {"entry_script": "score.py", "source_directory": str(self.source)}
        return InferenceConfig(**given | {"requirements_file": "requirements.txt"} | changes)

    def build(self, name="image", store="store", models=None, config=None, base=None, **more):
        builder = DirectBuilder(self.folder / store, server_source=self.server, say=self.said.append)
        wanted = (self.model,) if models is None else models
        return builder.build(wanted, config or self.config(), base or self.base, self.folder / name, **more)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def test_the_same_input_gives_the_same_digest_and_builds_nothing(bench):
    first = bench.build("one")
    second = bench.build("two")
    elsewhere = bench.build("three", store="another-store")

    assert first.digest == second.digest == elsewhere.digest
    assert [layer.kind for layer in first.layers] == ["base", "environment", "server", "application", "model"]
    assert not any(layer.reused for layer in first.layers)
    assert all(layer.reused for layer in second.layers)


def test_times_of_files_do_not_count(bench):
    before = bench.build().digest
    for path in (bench.source / "score.py", bench.folder / "weights.bin"):
        os.utime(path, (1, 1))

    assert bench.build().digest == before


def test_a_changed_script_changes_one_layer(bench):
    before = bench.build()
    (bench.source / "score.py").write_text(packages.SCRIPT + "\n# changed\n")
    after = bench.build()

    changed = {b.kind for b, a in zip(before.layers, after.layers, strict=True) if a.digest != b.digest}
    assert changed == {"application"}
    assert [layer.kind for layer in after.layers if not layer.reused] == ["application"]


def test_a_changed_requirement_changes_the_environment_alone(bench):
    before = bench.build()
    (bench.source / "requirements.txt").write_text(bench.requirements("2.0"))
    after = bench.build(config=bench.config())

    changed = [b.kind for b, a in zip(before.layers, after.layers, strict=True) if a.digest != b.digest]
    assert changed == ["environment", "application"]  # the file itself is packed beside the script
    assert not after.layers[ENVIRONMENT].reused
    assert b"2.0" in packages.content(bench.folder / "image", ENVIRONMENT, "opt/environment/userpart.py")


def test_every_layer_is_sorted_dated_and_owned_by_root(bench):
    built = bench.build()

    for number in range(len(built.layers)):
        found = packages.members(bench.folder / "image", number)
        plain = [name for name, one in found.items() if not one.islnk()]
        assert plain == sorted(plain)
        assert {one.mtime for one in found.values()} == {EPOCH}
        assert {(one.uname, one.gname) for one in found.values()} == {("", "")}
        if number != BASE:
            assert {(one.uid, one.gid) for one in found.values()} == {(0, 0)}
            assert {one.mode for one in found.values()} <= {0o644, 0o755, 0o777}


def test_blobs_are_what_their_names_say_and_gzip_carries_no_time(bench):
    bench.build()
    image = oci_layout.read(bench.folder / "image")

    for layer in image.layers:
        packed = oci_layout.blob(image.blobs, layer.digest).read_bytes()
        assert oci_layout.put(bench.folder / "check", packed) == layer.digest
        assert oci_layout.put(bench.folder / "check", gzip.decompress(packed)) == layer.diff_id
        assert len(packed) == layer.size
        assert packed[4:8] == b"\0\0\0\0"


def test_the_image_says_how_it_is_run(bench):
    bench.build(name="image")
    config = oci_layout.read(bench.folder / "image").config
    run = config["config"]
    env = dict(pair.split("=", 1) for pair in run["Env"])

    assert run["Entrypoint"] == ["/usr/bin/python3.11", "-I", "/opt/edgetender-scoring"]
    assert "Cmd" not in run
    assert (run["User"], run["StopSignal"], run["WorkingDir"]) == (
        "65532:65532",
        "SIGTERM",
        "/var/azureml-app",
    )
    assert run["ExposedPorts"] == {"5001/tcp": {}}
    assert env["AML_APP_ROOT"] == "/var/azureml-app"
    assert env["AZUREML_ENTRY_SCRIPT"] == "score.py"
    assert env["AZUREML_MODEL_DIR"] == "azureml-models/diabetes/3"
    assert run["Labels"]["io.edgetender.models"] == "diabetes:3"
    assert (config["architecture"], config["os"]) == ("amd64", "linux")


def test_script_and_models_lie_where_the_contract_says(bench):
    folder = bench.folder / "network"
    folder.mkdir()
    (folder / "graph.onnx").write_text("g")
    (folder / "__pycache__").mkdir()
    other = from_path(folder, "other")
    bench.build(models=(bench.model, other))
    image = bench.folder / "image"
    env = oci_layout.read(image).config["config"]["Env"]

    assert set(packages.members(image, APPLICATION)) == {
        "var/azureml-app",
        *(f"var/azureml-app/{name}" for name in ("labels.txt", "requirements.txt", "score.py")),
    }
    root = "var/azureml-app/azureml-models"
    assert {name for name, one in packages.members(image, MODEL).items() if one.isreg()} == {
        f"{root}/diabetes/3/weights.bin",
        f"{root}/other/1/network/graph.onnx",
    }
    assert "AZUREML_MODEL_DIR=azureml-models" in env


def test_an_entry_script_alone_takes_nothing_else_along(bench):
    config = InferenceConfig(entry_script="source/score.py", folder=bench.folder)
    bench.build(models=(), config=config)

    assert set(packages.members(bench.folder / "image", 2)) == {"var/azureml-app", "var/azureml-app/score.py"}


def test_the_environment_brings_commands_of_the_images_python_and_code_compiled_for_it(bench):
    bench.build()
    image = bench.folder / "image"
    command = packages.content(image, ENVIRONMENT, "opt/environment/bin/userpart")
    compiled = [
        name for name in packages.members(image, ENVIRONMENT) if name.endswith("userpart.cpython-311.pyc")
    ]

    assert command.startswith(b"#!/usr/bin/python3.11\n")
    assert str(bench.folder).encode() not in b"".join(
        packages.content(image, ENVIRONMENT, name)
        for name, one in packages.members(image, ENVIRONMENT).items()
        if one.isreg()
    )
    assert len(compiled) == 1
    assert packages.content(image, ENVIRONMENT, compiled[0])[8:12] == EPOCH.to_bytes(4, "little")


def test_the_users_packages_cannot_take_the_servers_place(bench, tmp_path):
    """The image's launcher, run by a real Python on the unpacked prefixes."""
    packages.wheel(bench.folder, "edgetender_scoring", "1.0", "raise SystemExit('the wrong server')")
    (bench.source / "requirements.txt").write_text(
        f"--no-index\n--find-links={bench.folder}\nedgetender_scoring==1.0\nuserpart==1.0\n"
    )
    bench.requirements("1.0")
    cli = bench.server / "edgetender_scoring" / "cli.py"
    cli.write_text("import serverpart, userpart\ndef main():\n    print(userpart.VERSION, __file__)\n")
    bench.build()
    root = tmp_path / "unpacked"
    image = oci_layout.read(bench.folder / "image")
    for layer in image.layers:
        with tarfile.open(oci_layout.blob(image.blobs, layer.digest)) as tar:
            tar.extractall(root, filter="tar")
    launcher = root / "opt/edgetender-scoring/__main__.py"
    launcher.write_text(launcher.read_text().replace("/opt/environment", str(root / "opt/environment")))

    done = subprocess.run(
        ["python3", "-I", str(launcher.parent)], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root / "opt/environment")},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.0", str(launcher.parent / "edgetender_scoring" / "cli.py")]


def test_a_package_without_a_wheel_for_the_target_is_refused_with_pips_words(bench):
    packages.wheel(bench.folder, "armonly", "1.0", tag="cp311-cp311-manylinux_2_17_aarch64")
    (bench.source / "requirements.txt").write_text(f"--no-index\n--find-links={bench.folder}\narmonly\n")

    with pytest.raises(Permanent, match=r"cannot install .* linux/amd64: .*armonly"):
        bench.build()
    assert not (bench.folder / "image").exists()


def test_wheels_are_resolved_for_the_target_not_for_this_machine(bench):
    packages.wheel(bench.folder, "native", "1.0", "HERE = 'arm'", tag="cp311-cp311-manylinux_2_17_aarch64")
    packages.wheel(bench.folder, "native", "1.0", "HERE = 'intel'", tag="cp311-cp311-manylinux_2_17_x86_64")
    (bench.source / "requirements.txt").write_text(f"--no-index\n--find-links={bench.folder}\nnative\n")
    arm = bench.folder / "arm"
    from_rootfs(packages.rootfs(bench.folder, "arm64"), arm)

    built = bench.build(base=arm, platform="linux/arm64")

    assert built.platform == "linux/arm64/v8"
    assert b"arm" in packages.content(bench.folder / "image", ENVIRONMENT, "opt/environment/native.py")
    with pytest.raises(ImageMissing, match="linux/arm64"):
        bench.build(base=arm, platform="linux/amd64")


def test_a_root_file_system_that_is_known_is_still_for_one_platform_only(bench):
    """The second time it came from the store unlooked at, and an amd64 image was said to be made for arm64."""
    archive = bench.folder / "base.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(bench.folder / "rootfs-amd64", ".")
    bench.build(base=archive)
    with pytest.raises(ImageMissing, match="for linux/arm64: it is for linux/amd64"):
        bench.build(base=archive, platform="linux/arm64")


def test_a_fault_of_the_configuration_costs_no_work(bench):
    with pytest.raises(ConfigInvalid):
        bench.build(config=bench.config(entry_script="missing.py"))
    assert bench.said == []
    with pytest.raises(NotFound, match="cannot find the base"):
        bench.build(base=bench.folder / "nowhere")


def test_a_folder_that_is_no_layout_is_not_overwritten(bench):
    mine = bench.folder / "mine"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear")

    with pytest.raises(Permanent, match="no image layout"):
        bench.build(name="mine")
    assert (mine / "letter.txt").read_text() == "dear"


def test_a_link_out_of_the_source_is_refused(bench):
    (bench.source / "secret").symlink_to("/etc/passwd")

    with pytest.raises(ConfigInvalid, match="leads out of"):
        bench.build()


def test_a_lost_blob_is_built_again(bench):
    built = bench.build()
    environment = built.layers[ENVIRONMENT]
    blob = bench.folder / "store" / "blobs" / "sha256" / environment.digest.removeprefix("sha256:")
    blob.unlink()

    again = bench.build("again")

    assert again.digest == built.digest
    assert not again.layers[ENVIRONMENT].reused
    assert blob.exists()


def test_the_index_names_the_image_and_its_reference(bench):
    built = bench.build(reference="r.example/diabetes:1")
    index = json.loads((bench.folder / "image" / "index.json").read_bytes())

    assert [one["digest"] for one in index["manifests"]] == [built.digest]
    assert index["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}
    assert index["manifests"][0]["annotations"] == {
        "org.opencontainers.image.ref.name": "r.example/diabetes:1"
    }
