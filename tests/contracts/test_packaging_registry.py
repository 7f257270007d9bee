"""Do packages get into a private registry, and bases out of it? A real docker-registry with TLS and passwords."""

import base64
import json

import pytest

from edgetender.cli import run
from edgetender.cli.output import Session
from edgetender.errors import CredentialUnusable, RegistryDenied
from edgetender.packaging import ContainerRegistry, InferenceConfig, Model, Workspace, oci_layout
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.logins import Login
from edgetender.packaging.push import push
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.shell import Shell

pytestmark = pytest.mark.registry


@pytest.fixture
def ws(tmp_path, registry):
    (tmp_path / "score.py").write_text(packages.SCRIPT)
    (tmp_path / "weights.bin").write_bytes(b"w")
    from_rootfs(packages.rootfs(tmp_path), tmp_path / "base")
    ws = Workspace(tmp_path / "ws", server_source=packages.server_source(tmp_path))
    ws.logins.keep(login(registry))
    push(f"{registry.host}/base:1", tmp_path / "base", login(registry))
    return ws


def login(registry, **changes):
    name, password = next(iter(registry.users.items()))
    return Login(registry.host, name, Secret(changes.get("password", password)), registry.ca)


def config(tmp_path, registry):
    return InferenceConfig(entry_script="score.py", base_image=f"{registry.host}/base:1", folder=tmp_path)


def test_a_password_is_told_to_the_registry_it_is_for_and_to_no_other(ws, registry):
    other = ContainerRegistry("other.example", "somebody", "else's")
    assert ws.bases(print).find(f"{registry.host}/base:1", "linux/amd64", registry=other)


def test_a_base_named_without_its_registry_is_pulled_from_the_one_beside_it(ws, registry, tmp_path):
    name, password = next(iter(registry.users.items()))
    given = InferenceConfig(entry_script="score.py", base_image="base:1", folder=tmp_path)
    given.base_image_registry = ContainerRegistry(registry.host, name, password)
    package = Model.package(ws, [], given, generate_dockerfile=True)
    package.wait_for_creation()
    package.save(tmp_path / "imagefiles")
    assert f"FROM {registry.host}/base:1" in (tmp_path / "imagefiles/Dockerfile").read_text()


def test_a_package_goes_to_the_workspaces_registry_on_a_base_that_came_from_it(ws, registry, tmp_path):
    model = Model.register(ws, tmp_path / "weights.bin", "m")
    package = Model.package(ws, [model], config(tmp_path, registry))
    package.wait_for_creation()
    acr = package.get_container_registry()
    name, password = next(iter(registry.users.items()))

    assert package.location.startswith(f"{registry.host}/package:20")
    assert (acr.address, acr.username, acr.password) == (registry.host, name, password)
    with login(registry).open() as opened:
        from edgetender.model.image import parse_reference

        facts = opened.resolve(parse_reference(package.location), "amd64")
    assert facts.digest == ws.images.get(package.location).image.digest
    again = Model.package(ws, [model], config(tmp_path, registry))
    again.wait_for_creation()
    assert "pulling" in package.get_logs()
    assert "pulling" not in again.get_logs()  # its blobs are here; only the tag is asked for again
    assert ws.images.get(again.location).image.digest == facts.digest


def test_without_the_registry_the_base_that_is_here_does(ws, registry, tmp_path):
    model = Model.register(ws, tmp_path / "weights.bin", "m")
    Model.package(ws, [model], config(tmp_path, registry), image_label="1").wait_for_creation()
    registry.stop()
    try:
        second = Model.package(
            ws, [model], config(tmp_path, registry), generate_dockerfile=True, image_label="2"
        )
        second.wait_for_creation()
    finally:
        registry.start()

    assert "going on with the copy" in second.get_logs()


def test_a_wrong_password_for_the_base_is_said_by_the_registry(ws, registry, tmp_path):
    wrong = config(tmp_path, registry)
    wrong.base_image_registry.address = registry.host
    wrong.base_image_registry.username = "line3"
    wrong.base_image_registry.password = "guess"
    package = Model.package(ws, [], wrong)

    with pytest.raises(Exception, match=r"registry\.unauthorized") as caught:
        package.wait_for_creation()
    assert isinstance(caught.value.__cause__, RegistryDenied)
    assert "guess" not in str(caught.value) + str(package.get_logs())


def test_logins_are_for_their_owners_eyes_only(ws, registry, capsys):
    file = ws.root / "registries.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "correct horse" not in repr(ws.logins.get(registry.host))
    file.chmod(0o644)
    with pytest.raises(CredentialUnusable, match="others can read it"):
        ws.logins.get(registry.host)


def test_edgetender_package_pushes_with_the_kept_login(ws, registry, tmp_path, capsys):
    (tmp_path / "source").mkdir()
    (tmp_path / "score.py").rename(tmp_path / "source/score.py")
    words = [
        "package", str(tmp_path / "weights.bin"), "--name", "m", "--entry-script", "score.py", "--source-dir", str(tmp_path / "source"),
        "--base", f"{registry.host}/base:1", "-t", f"{registry.host}/cli:1", "--push", "--store", str(ws.root),
        "--server-source", str(tmp_path / "server"), "-o", "json",
    ]  # fmt: skip
    code = run(words, Session())
    said = capsys.readouterr()

    assert code == 0, said.err
    assert f"pushed {json.loads(said.out)['digest']}" in said.err


def test_the_documents_commands_log_in_build_show_and_pull(ws, registry, tmp_path, monkeypatch, capsys):
    """`acr login`, `workspace show --query`, `acr build --image --registry --file .`, `docker pull`: ours."""
    name, password = next(iter(registry.users.items()))
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "person"))
    monkeypatch.setenv("EDGETENDER_REGISTRY_PASSWORD", "guess")
    login_words = ["registry", "login", "--name", registry.host, "--username", name, "--ca", str(registry.ca)]
    assert run(login_words, Session()) == 1
    assert "401" in capsys.readouterr().err
    monkeypatch.setenv("EDGETENDER_REGISTRY_PASSWORD", password)
    assert run(login_words, Session()) == 0
    assert run(["registry", "show", "--query", "containerRegistry"], Session()) == 0
    assert capsys.readouterr().out == f'Login Succeeded\n"{registry.host}"\n'
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {registry.host}/base:1\nENV BUILT=1\n")

    assert (
        run(
            [
                "build",
                str(context),
                "--image",
                "myimage:v1",
                "--registry",
                registry.host,
                "--file",
                "Dockerfile",
            ],
            Session(),
        )
        == 0
    )
    built = capsys.readouterr()
    monkeypatch.setenv("EDGETENDER_STORE", str(tmp_path / "another"))
    Workspace().logins.keep(login(registry))
    assert run(["pull", f"{registry.host}/myimage:v1", "--no-engine", "-o", "json"], Session()) == 0
    assert built.out.strip().endswith(json.loads(capsys.readouterr().out)["digest"])
    assert "was successful after" in built.err


def test_dockers_login_is_enough_to_push_and_is_not_copied(ws, registry, tmp_path, capsys, monkeypatch):
    name, password = next(iter(registry.users.items()))
    auth = base64.b64encode(f"{name}:{password}".encode()).decode()
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    store, reference = tmp_path / "another", f"{registry.host}/docker:1"
    with Workspace(store).images.making(reference) as place:
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    words = ["registry", "login", "--name", registry.host, "--ca", registry.ca, "--store", store]

    assert "401" in Shell(capsys).run(*words).err
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    assert Shell(capsys).run(*words).out == "Login Succeeded\n"
    assert Shell(capsys).run("push", reference, "--store", store).code == 0
    assert not [
        path for path in store.rglob("*.json") if password in (text := path.read_text()) or auth in text
    ]


@pytest.mark.parametrize("words", [["push"], ["image", "push"]], ids=["as in the documents", "unambiguous"])
def test_an_image_of_the_store_is_pushed_under_its_name(ws, registry, tmp_path, capsys, words):
    reference = f"{registry.host}/existing:{len(words)}"
    with ws.images.making(reference) as place:
        oci_layout.write(oci_layout.read(tmp_path / "base"), place)
    said = Shell(capsys).run(*words, reference, "--store", ws.root)

    assert said.code == 0, said.err
    assert said.out == f"{reference}@{oci_layout.read(tmp_path / 'base').digest}\n"
    other = Shell(capsys).run("image", "push", reference, f"{registry.host}/another:1", "--store", ws.root)
    assert other.out == said.out.replace(reference, f"{registry.host}/another:1")
    missing = Shell(capsys).run(*words, f"{registry.host}/none:1", "--store", ws.root)
    assert (missing.code, "edgetender images lists what is here" in missing.err) == (4, True)


def test_variants_are_pushed_and_their_digests_are_the_registrys(ws, registry, tmp_path, capsys):
    from edgetender.model.image import parse_reference

    from_rootfs(packages.rootfs(tmp_path, "arm64"), tmp_path / "arm64")
    source = tmp_path / "source"
    source.mkdir()
    (source / "score.py").write_text(packages.SCRIPT)
    words = [
        "package", "--entry-script", "score.py", "--source-dir", str(source), "--store", str(ws.root),
        "--server-source", str(tmp_path / "server"), "--base", f"oci:{tmp_path / 'base'}",
        "--base", f"@linux/arm64=oci:{tmp_path / 'arm64'}", "--variant", "cpu", "--platform", "linux/amd64,linux/arm64",
        "-t", f"{registry.host}/several:1", "--push", "-o", "json",
    ]  # fmt: skip
    code = run(words, Session())
    said = capsys.readouterr()
    assert code == 0, said.err
    (variant,) = json.loads(said.out)["variants"]

    with login(registry).open() as opened:
        for architecture, variation in (("amd64", ""), ("arm64", "v8")):
            facts = opened.resolve(parse_reference(variant["image"]), architecture)
            assert (facts.architecture, facts.variant) == (architecture, variation)
            assert variant["image"].endswith(facts.index_digest)
