"""`edgetender sign` and the images it names, on a real registry with TLS and a password: is what was signed what runs?"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgetender.cli.output import Exit
from edgetender.fleet.image_signatures import ImageUnsigned, require_signed
from edgetender.model.image import parse_reference
from edgetender.packaging.base_image import from_rootfs
from edgetender.packaging.logins import Login, Logins
from edgetender.packaging.push import push
from edgetender.registry.distribution import Registry
from edgetender.secret import Secret
from tests.builders import packages
from tests.builders.iotedge import edge_deployment, edge_module
from tests.builders.manifests import DIGEST, manifest, module
from tests.builders.shell import Said, Shell
from tests.fakes.clock import NOON
from tests.fakes.oci_registry import OciRegistry
from tests.services.cosign import BUNDLE, KINDS, Beside, Signer, bundle_of, digest_of
from tests.services.notation import Issued

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


def test_validate_writes_the_digest_behind_the_tag_and_leaves_the_rest_as_it_was(sign, capsys, login, digest):
    text = f"# line 3\nschema: edgetender/v1\ndeployment: line3\nversion: 1\nmodules:\n  scorer:\n    image: {login.address}/scorer:1  # the newest\n"
    Path("line3.yaml").write_text(text)
    Path("line3.yaml").chmod(0o640)

    said = Shell(capsys).run("validate", "line3.yaml", "--resolve", "--store", "store")

    assert said.code == 0, said.err
    assert Path("line3.yaml").read_text() == text.replace("scorer:1 ", f"scorer:1@{digest} ")
    assert Path("line3.yaml").stat().st_mode & 0o777 == 0o640
    assert f"line3.yaml:7: modules.scorer.image is {digest}\n" in said.err
    assert "[image.tag]" not in said.err


def test_where_it_cannot_be_written_the_file_stays_and_the_digest_is_told(sign, capsys, login, digest):
    text = f"schema: edgetender/v1\ndeployment: line3\nversion: 1\nmodules:\n  scorer:\n    image:\n      {login.address}/scorer:1\n"
    Path("line3.yaml").write_text(text)

    said = Shell(capsys).run("validate", "line3.yaml", "--resolve", "--store", "store")

    assert (said.code, Path("line3.yaml").read_text()) == (Exit.INVALID, text)
    assert f"put @{digest} behind it by hand" in said.err


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


# --- signatures on images


@pytest.fixture
def beside(login: Login, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Beside, str]:
    """An image of its own for each test, and what may be put beside it."""
    home = tmp_path_factory.mktemp("signed")
    from_rootfs(packages.rootfs(home), home / "image")
    name = f"signed-{secrets.token_hex(4)}"
    digest = push(f"{login.address}/{name}:1", home / "image", login)
    return Beside(login, name), digest


def verified(sign: Callable[..., Said], beside: Beside, *keys: Signer) -> Said:
    words = [word for key in keys for word in ("--verify-image", key.public)]
    return sign(manifest(1, scorer=module(image=f"{beside.login.address}/{beside.repository}:1")), *words)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["simple", "bundle"])
def test_an_image_that_cosign_signed_with_the_key_is_taken(sign, beside, tmp_path, kind: str, how: str):
    place, digest = beside
    key = Signer(tmp_path, kind)
    getattr(place, how)(digest, key)

    said = verified(sign, place, Signer(tmp_path), key)

    assert said.code == 0, said.err
    assert f"@{digest} is signed by {key.public}" in said.err
    assert signed()["modules"]["scorer"]["image"].endswith(digest)


def test_an_image_that_nobody_signed_is_not(sign, beside, tmp_path):
    said = verified(sign, beside[0], Signer(tmp_path))

    assert said.code == Exit.INVALID
    assert "modules.scorer.image: cannot take" in said.err
    assert "it is not signed; sign it: cosign sign --key" in said.err
    assert "[image.unsigned]" in said.err
    assert not Path("signed.json").exists()


@pytest.mark.parametrize("how", ["simple", "bundle"])
def test_a_signature_by_another_key_or_about_another_image_is_none(sign, beside, tmp_path, how: str):
    place, digest = beside
    key = Signer(tmp_path)
    getattr(place, how)(digest, Signer(tmp_path))
    assert "by none of the keys" in verified(sign, place, key).err

    getattr(place, how)(digest, key, about=DIGEST)
    assert "is another image's" in verified(sign, place, key).err


def test_what_else_was_signed_about_the_image_does_not_vouch_for_it(sign, beside, tmp_path):
    place, digest = beside
    key = Signer(tmp_path)
    place.bundle(digest, key, predicate="https://spdx.dev/Document")

    assert "is another image's" in verified(sign, place, key).err


def test_who_signed_without_a_key_is_said_to_be_out_of_reach(sign, beside, tmp_path):
    place, digest = beside
    fulcio = {"certificate": {"rawBytes": "MIIB"}}
    place.bundle(digest, Signer(tmp_path), material=fulcio)
    assert "signed without a key, which is not verified here" in verified(sign, place, Signer(tmp_path)).err

    place.simple(digest, Signer(tmp_path), **{"dev.sigstore.cosign/certificate": "-----BEGIN"})
    assert "cosign verify" in verified(sign, place, Signer(tmp_path)).err


@pytest.mark.parametrize("body", [b"", b"[]", b"[" * 5000, b'{"dsseEnvelope":{"signatures":[7]}}', b"\xff"])
def test_a_bundle_that_is_none_signs_nothing(sign, beside, tmp_path, body: bytes):
    place, digest = beside
    place.garbage(digest, body)

    assert "[image.unsigned]" in verified(sign, place, Signer(tmp_path)).err


def test_a_key_that_is_none_is_said_to_be(sign, beside, tmp_path):
    (tmp_path / "x.pub").write_text("hello")

    said = sign(manifest(), "--verify-image", tmp_path / "x.pub")

    assert "is no public key in PEM" in said.err
    assert not Path("signed.json").exists()


def test_a_registry_that_knows_referrers_is_asked_for_them(tmp_path):
    key, digest, about = Signer(tmp_path), f"sha256:{'b' * 64}", f"registry.example/scorer@sha256:{'b' * 64}"
    body = bundle_of(digest, key)
    with OciRegistry() as there, Registry(there.host, plain_http=True) as registry:
        with pytest.raises(ImageUnsigned, match="it is not signed"):
            require_signed(parse_reference(about), registry, [key.known], NOON)
        layer = {"mediaType": BUNDLE, "digest": digest_of(body), "size": len(body)}
        signature = json.dumps({"schemaVersion": 2, "layers": [layer]}).encode()
        index = {"schemaVersion": 2, "manifests": [{"digest": digest_of(signature)}]}
        there.referrers = {("scorer", digest): json.dumps(index).encode()}
        there.manifests["scorer", digest_of(signature)] = signature
        there.blobs["scorer", digest_of(body)] = body

        assert require_signed(parse_reference(about), registry, [key.known], NOON) == str(key.public)


def test_an_image_that_notation_signed_is_taken_by_its_authority(sign, beside, tmp_path):
    place, digest = beside
    authority = Issued("authority")
    place.notation(digest, Issued("signer", authority))
    words = ("--verify-image", authority.write(tmp_path / "ca.crt"))
    wanted = manifest(1, scorer=module(image=f"{place.login.address}/{place.repository}:1"))

    said = sign(wanted, *words)

    assert said.code == 0, said.err
    assert f"@{digest} is signed by {tmp_path}/ca.crt" in said.err
    other = ("--verify-image", Issued("other").write(tmp_path / "other.crt"))
    assert "by none of the keys" in sign(wanted, *other).err
