"""Do passwords stay out of what is said, logged, shown and packed? One in every place that may hold one."""

import json
import tarfile

import pytest

from edgetender.packaging import InferenceConfig, Model, PackageError, Workspace, oci_layout
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.inference_file import from_json
from edgetender.packaging.logins import Login
from edgetender.packaging.push import push
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.shell import Shell

CANARY = "c4n4ry-in-the-mine"
HOST = "127.0.0.1:1"  # nobody listens
LOGIN = f"user:{CANARY}@"


@pytest.fixture
def ws(tmp_path):
    """A workspace with a login, a script, and configurations that know passwords of bases and of indexes."""
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(packages.SCRIPT)
    packages.wheel(tmp_path, "tidy", "1.0")
    (source / "good.txt").write_text(
        f"--no-index\n--find-links={tmp_path}\ntidy==1.0\n--extra-index-url=https://{LOGIN}{HOST}\n"
    )
    (source / "bad.txt").write_text(
        f"--index-url=http://{LOGIN}{HOST}/simple\ntidy @ http://{LOGIN}{HOST}/tidy-2-py3-none-any.whl\n"
    )
    (source / "files.txt").write_text(f"file://{LOGIN}{HOST}/x.whl\n")
    triple = {"address": HOST, "username": "user", "password": CANARY}
    for name, image in (("ic", None), ("private", f"{HOST}/base:1")):
        content = {"entryScript": "score.py", "baseImage": image, "baseImageRegistry": triple}
        (source / f"{name}.json").write_text(json.dumps(content))
    ws = Workspace(
        tmp_path / "ws", base=f"oci:{tmp_path / 'base'}", server_source=packages.server_source(tmp_path)
    )
    ws.logins.keep(Login(HOST, "user", Secret(CANARY), plain_http=True))
    return ws


@pytest.fixture
def package(ws, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EDGETENDER_REGISTRY_PASSWORD", CANARY)

    def run(*words):
        given = ["--store", ws.root, "--server-source", tmp_path / "server"]
        return Shell(capsys).run("package", *given, *words)

    return run


def left_in(root):
    """The files below *root* that hold the password, inside of layers too; the one for logins is its place."""
    found = [path.name for path in root.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    for place in (root / "images").glob("*"):
        image = oci_layout.read(place)
        for layer in image.layers:
            with oci_layout.opened(image, layer) as tar:
                found += [
                    f"{place.name}:{one.name}"
                    for one in tar
                    if one.isreg() and CANARY.encode() in content(tar, one)
                ]
    return [name for name in found if name != "registries.json"]


def content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def test_a_package_that_succeeds_tells_no_password(package, ws, tmp_path):
    base = ["--base", f"oci:{tmp_path / 'base'}", "--ic", tmp_path / "source/ic.json"]
    for more in (["-t", "one:1"], ["-t", "one:2", "-o", "json"]):
        said = package(*base, "--requirements", tmp_path / "source/good.txt", *more)
        assert said.code == 0, said.err
        assert CANARY not in said.out + said.err
    assert "installing" in said.err or "environment layer reused" in said.err
    assert left_in(ws.root) == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--requirements", "bad.txt"], id="an index that does not answer"),
        pytest.param(["--requirements", "files.txt"], id="a requirement that is refused"),
        pytest.param(["--base", f"{HOST}/base:1"], id="a base that is not there"),
        pytest.param(
            ["-t", f"{HOST}/one:1", "--push", "--username", "user"], id="a registry that does not answer"
        ),
    ],
)
def test_a_package_that_fails_tells_no_password(package, ws, tmp_path, words):
    words = [str(tmp_path / "source" / word) if word.endswith(".txt") else word for word in words]
    base = [] if "--base" in words else ["--base", f"oci:{tmp_path / 'base'}"]
    said = package("--ic", tmp_path / "source/ic.json", *base, *words)

    assert said.code != 0
    assert said.err
    assert CANARY not in said.out + said.err
    assert left_in(ws.root) == []


def test_a_program_s_objects_logs_and_errors_tell_no_password(ws, tmp_path):
    config = from_json(tmp_path / "source/private.json")
    made = Model.package(ws, [], config)
    with pytest.raises(PackageError) as caught:
        made.wait_for_creation()

    shown = [
        repr(config),
        str(caught.value),
        str(caught.value.__cause__),
        made.get_logs(),
        json.dumps(made.error),
    ]
    shown += [repr(made), json.dumps(made.serialize()), repr(ws.logins.all())]
    own = InferenceConfig(entry_script="score.py")
    own.base_image_registry.password = CANARY
    shown.append(repr(own))
    assert [one for one in shown if CANARY in str(one)] == []
    assert left_in(ws.root) == []


def test_a_push_that_fails_tells_no_password(ws, tmp_path):
    with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
        push(f"{HOST}/base:1", tmp_path / "base", ws.logins.get(HOST))
    assert CANARY not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"
