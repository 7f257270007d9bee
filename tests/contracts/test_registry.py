"""What every Images port promises: on the fake, and on a real docker-registry with TLS and passwords."""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from demo.parts.process import free_port
from edgetender.errors import ImageMissing, RegistryDenied, RegistryUnreachable
from edgetender.model.image import Credential, ImageFacts, ImageReference, parse_reference
from edgetender.registry.distribution import Registry
from edgetender.registry.images import RegistryImages, RegistrySettings
from edgetender.secret import Secret
from tests.builders.layouts import write_layout
from tests.fakes.registry import FakeImages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USER, PASSWORD = "line3", "correct horse battery"
RIGHT = Credential(USER, Secret(PASSWORD))
WRONG = Credential(USER, Secret("canary-7f3a91"))


@dataclass
class Subject:
    """One Images port under test, and how images get into its registry."""

    images: Any
    host: str
    push: Callable[[str, str, Path, tuple[ImageFacts, ...]], None]
    nobody: str

    def resolve(
        self, name: str, credential: Credential | None = RIGHT, architecture: str = "amd64"
    ) -> ImageFacts:
        reference = parse_reference(f"{self.host}/{name}")
        return self.images.resolve(reference, credential=credential, architecture=architecture)


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        fake = FakeImages({"registry.test": {USER: PASSWORD}})
        fake.offline.add("nobody.test")

        def hold(repository: str, tag: str, layout: Path, facts: tuple[ImageFacts, ...]) -> None:
            fake.hold(ImageReference("registry.test", repository, tag, None), *facts)

        return Subject(fake, "registry.test", hold, "nobody.test")
    real = request.getfixturevalue("registry")
    assert real.users == {USER: PASSWORD}

    def push(repository: str, tag: str, layout: Path, facts: tuple[ImageFacts, ...]) -> None:
        with Registry(real.host, credential=RIGHT, ca_file=real.ca) as registry:
            assert registry.push(repository, tag, layout) == facts[0].index_digest

    settings = {real.host: RegistrySettings(ca_file=real.ca)}
    return Subject(RegistryImages(settings), real.host, push, f"localhost:{free_port()}")


@pytest.fixture
def held(subject: Subject, tmp_path: Path) -> ImageFacts:
    facts = write_layout(tmp_path / "one", "amd64")
    subject.push("team/one", "1.0", tmp_path / "one", facts)
    return facts[0]


def test_a_tag_resolves_to_the_facts_of_the_image(subject, held):
    assert subject.resolve("team/one:1.0") == held


def test_a_digest_resolves_to_the_same_image(subject, held):
    assert subject.resolve(f"team/one@{held.digest}") == held


def test_a_wrong_password_is_refused_with_a_reason(subject, held):
    with pytest.raises(RegistryDenied, match=r"401.*is the password right\?"):
        subject.resolve("team/one:1.0", WRONG)


def test_no_password_is_refused_with_a_reason(subject, held):
    with pytest.raises(RegistryDenied, match=r"401.*no credential was given; name one"):
        subject.resolve("team/one:1.0", None)


@pytest.mark.parametrize("name", ["team/one:2.0", "team/other:1.0", "team/one@sha256:" + "0" * 64])
def test_what_was_not_pushed_is_missing(subject, held, name):
    with pytest.raises(ImageMissing, match=r"404.*was it pushed"):
        subject.resolve(name)


def test_a_registry_that_does_not_answer_is_unreachable(subject):
    with pytest.raises(RegistryUnreachable, match="connection refused"):
        subject.images.resolve(
            parse_reference(f"{subject.nobody}/x:1"), credential=RIGHT, architecture="amd64"
        )


def test_each_platform_gets_its_image_of_an_index(subject, tmp_path):
    facts = write_layout(tmp_path / "two", "amd64", "arm64", index=True)
    subject.push("team/two", "1.0", tmp_path / "two", facts)
    assert subject.resolve("team/two:1.0") == facts[0]
    assert subject.resolve("team/two:1.0", architecture="arm64") == facts[1]
    assert subject.resolve(f"team/two@{facts[0].index_digest}", architecture="arm64") == facts[1]
    with pytest.raises(ImageMissing, match="for"):
        subject.resolve("team/two:1.0", architecture="arm")


def test_an_image_for_another_platform_only_is_missing(subject, held):
    with pytest.raises(ImageMissing, match="it is for"):
        subject.resolve("team/one:1.0", architecture="arm64")


def test_a_second_push_sends_no_blob_again(registry, tmp_path, caplog):
    write_layout(tmp_path / "again", "amd64")
    caplog.set_level(logging.DEBUG, "urllib3.connectionpool")

    def uploads() -> int:
        caplog.clear()
        with Registry(registry.host, credential=RIGHT, ca_file=registry.ca) as real:
            real.push("again", "1", tmp_path / "again")
        return caplog.text.count('"POST ')

    assert [uploads(), uploads()] == [2, 0]


def test_a_blob_comes_back_verified(registry, tmp_path):
    (facts,) = write_layout(tmp_path / "blob", "amd64")
    into = io.BytesIO()
    with Registry(registry.host, credential=RIGHT, ca_file=registry.ca) as real:
        real.push("blob", "1", tmp_path / "blob")
        assert real.blob("blob", facts.layers[0].digest, into) == facts.layers[0].size_bytes
    assert f"sha256:{hashlib.sha256(into.getvalue()).hexdigest()}" == facts.layers[0].digest


def test_a_registry_of_a_foreign_authority_is_not_believed(registry):
    with (
        Registry(registry.host, credential=WRONG) as real,
        pytest.raises(RegistryUnreachable, match=r"certificate was refused.*ca_file"),
    ):
        real.resolve(parse_reference(f"{registry.host}/x:1"), "amd64")
