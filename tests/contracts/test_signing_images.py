"""`edgetender sign` and the images it names, on a real registry with TLS and a password: is what was signed what runs?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgetender.cli.output import Exit
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.logins import Login, Logins
from edgetender.packaging.push import push
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.iotedge import edge_deployment, edge_module
from tests.builders.manifests import DIGEST, manifest, module
from tests.builders.shell import Said, Shell

pytestmark = pytest.mark.registry


@pytest.fixture(scope="module")
def login(registry) -> Login:
    name, password = next(iter(registry.users.items()))
    return Login(registry.host, name, Secret(password), registry.ca)


@pytest.fixture(scope="module")
def digest(login: Login, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `scorer:1` is."""
    home = tmp_path_factory.mktemp("image")
    from_rootfs(packages.rootfs(home), home / "image")
    return push(f"{login.address}/scorer:1", home / "image", login)


@pytest.fixture
def sign(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], login: Login, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Sign a document, by somebody who is logged in to the registry."""
    monkeypatch.chdir(tmp_path)
    shell = Shell(capsys)
    assert shell.run("keys", "init", "keys").code == 0
    Logins(tmp_path / "store/registries.json").keep(login)

    def run(document: dict[str, Any], *more: object) -> Said:
        Path("line3.yaml").write_text(yaml.safe_dump(document))
        words = ("--key", "keys/manifest-1.key", "--device", "cam7", "--store", "store", "-o", "signed.json")
        return shell.run("sign", "line3.yaml", *words, *more)

    return run


def signed() -> Any:
    """The manifest in what was signed."""
    from edgetender.trust.verification import unverified

    return unverified(Path("signed.json").read_bytes()).manifest


def test_a_tag_is_signed_with_the_digest_it_stands_for_and_stays_for_people(sign, login, digest):
    variants = [{"name": "cpu", "image": f"{login.address}/scorer:1"}]
    wanted = manifest(
        1, scorer=module(image=f"{login.address}/scorer:1"), second={"variants": variants}, third=module()
    )

    said = sign(wanted)

    assert said.code == 0, said.err
    pinned = f"{login.address}/scorer:1@{digest}"
    modules = signed()["modules"]
    assert modules["scorer"]["image"] == modules["second"]["variants"][0]["image"] == pinned
    assert modules["third"] == module()  # its registry is asked nothing: it does not even exist


def test_the_images_of_an_iot_edge_deployment_are_looked_up_as_well(sign, login, digest):
    document = edge_deployment(scorer=edge_module(f"{login.address}/scorer:1"))

    said = sign(document, "--version", 12)

    assert said.code == 0, said.err
    assert signed()["modules"]["scorer"]["image"].endswith(f"/scorer:1@{digest}")


def test_every_image_that_is_not_there_is_named_and_nothing_is_signed(sign, login):
    wanted = manifest(
        1,
        scorer=module(image=f"{login.address}/scorer:9"),
        second={"variants": [{"name": "cpu", "image": f"{login.address}/nothing:1"}]},
    )

    said = sign(wanted)

    assert said.code == Exit.INVALID
    assert f"modules.scorer.image: cannot resolve {login.address}/scorer:9" in said.err
    assert "modules.second.variants[0].image: cannot resolve" in said.err
    assert said.err.count("[image.missing]") == 2
    assert not Path("signed.json").exists()


def test_a_registry_that_does_not_know_the_signer_is_said_to(sign, login, tmp_path):
    Logins(tmp_path / "store/registries.json").keep(Login(login.address, ca_file=login.ca_file))

    said = sign(manifest(1, scorer=module(image=f"{login.address}/scorer:1")))

    assert said.code == Exit.INVALID
    assert "[registry.unauthorized]" in said.err


def test_a_registry_that_is_away_is_no_fault_of_the_manifest(sign):
    said = sign(manifest(1, scorer=module(image="127.0.0.1:1/scorer:1")))

    assert said.code not in (Exit.OK, Exit.INVALID)
    assert "cannot resolve 127.0.0.1:1/scorer:1" in said.err


def test_without_resolving_tags_are_refused_with_their_place(sign, login):
    said = sign(manifest(1, scorer=module(image=f"{login.address}/scorer:1")), "--no-resolve")

    assert said.code == Exit.INVALID
    assert "modules.scorer.image" in said.err
    assert "line3.yaml:" in said.err
    assert "[image.tag]" in said.err
    assert sign(manifest(), "--no-resolve").code == 0  # its digest is all there is to know
    assert json.dumps(DIGEST)[1:-1] in signed()["modules"]["scorer"]["image"]
