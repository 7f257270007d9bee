"""Manifests that ask for the device itself, signed by a key that is trusted: refused whole, by path, with no effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgetender.decide.policing import violations
from edgetender.model.examined import Identity
from edgetender.model.policy import Images, Policy
from edgetender.model.reading import manifest_of
from edgetender.trust.device import DeviceTrust
from tests.builders.hostile import FORBIDDEN, LIMITS, NO_SUCH_KEY, POLICY, twins
from tests.builders.loops import Loop
from tests.builders.manifests import SCORER, manifest, module
from tests.builders.signing import Keys, deployment, signed, signed_root

KEYS = Keys()


class Guarded:
    """A loop on fakes, whose device has a trust root and a policy."""

    def __init__(self, home: Path, *, required: bool = True) -> None:
        (home / "policy.toml").write_text(POLICY)
        if required:
            (home / "root.json").write_bytes(signed_root(KEYS))
        own = Identity("cam7")
        self.trust = DeviceTrust(home, own, required=required, policy=home / "policy.toml")
        self.loop = Loop(trust=self.trust)
        self.loop.puller.registry |= {SCORER}

    def refuses(self, body: bytes) -> list[tuple[str, str, str]]:
        """What was wrong with it; nothing was asked of engine or registry."""
        self.loop.push(body)
        self.loop.run(5)
        desired = self.loop.last.ledger.desired
        assert desired is not None
        assert desired.code in (400, 403), desired
        assert self.loop.engine.effects == []
        assert self.loop.puller.submitted == []
        return list(desired.problems)


def paths(problems: list[tuple[str, str, str]]) -> list[str]:
    return [path for path, _, _ in problems]


def sound(**more: Any) -> dict[str, Any]:
    return manifest(1, scorer=module(resources=LIMITS) | more)


def in_an_envelope(document: Any) -> bytes:
    return signed(KEYS, deployment(document))


def test_what_the_policy_allows_runs(tmp_path: Path):
    guarded = Guarded(tmp_path)
    ports = ["6001:5001", "10.0.0.7:6002:5001"]
    guarded.loop.push(in_an_envelope(sound(ports=ports, volumes=[{"name": "models", "path": "/models"}])))

    guarded.loop.run(30)

    assert [what for what, _ in guarded.loop.engine.effects] == ["create", "start"]


@pytest.mark.parametrize("key", NO_SUCH_KEY)
def test_there_is_no_key_to_ask_for_the_host_with(tmp_path: Path, key: str):
    problems = Guarded(tmp_path).refuses(in_an_envelope(sound(**{key: NO_SUCH_KEY[key]})))

    assert (f"modules.scorer.{key}", "key.unknown") in [(path, code) for path, code, _ in problems]


@pytest.mark.parametrize("wish", FORBIDDEN)
def test_what_the_owner_does_not_allow_is_refused_by_its_path(tmp_path: Path, wish: str):
    change, path = FORBIDDEN[wish]
    change = {key: value for key, value in (module(resources=LIMITS) | change).items() if value is not None}

    problems = Guarded(tmp_path).refuses(in_an_envelope(manifest(1, scorer=change)))

    assert any(one.startswith(f"modules.scorer.{path}") for one in paths(problems)), problems


def test_more_modules_and_other_credentials_than_allowed_are_refused(tmp_path: Path):
    document = manifest(1, **{f"m{n}": module(resources=LIMITS) for n in range(4)})
    document["registries"] = {"registry.example": {"credential": "root"}}

    assert paths(Guarded(tmp_path).refuses(in_an_envelope(document))) == [
        "modules",
        "registries.registry.example.credential",
    ]


def test_a_key_given_twice_is_refused_wherever_it_stands(tmp_path: Path):
    text = json.dumps(deployment(sound()))
    twice = text.replace('"image": ', '"image": "registry.evil/x", "image": ', 1)

    problems = Guarded(tmp_path).refuses(signed(KEYS, twice.encode()))

    assert [code for _, code, _ in problems] == ["json.duplicate_key"]


def test_every_wish_is_told_at_once(tmp_path: Path):
    ports = ["0.0.0.0:80:80"]
    document = manifest(1, scorer=module(image="registry.evil/x:1", ports=ports, resources={"pids": 999}))

    assert sorted(paths(Guarded(tmp_path).refuses(in_an_envelope(document)))) == [
        "modules.scorer.image",
        "modules.scorer.image",
        "modules.scorer.ports[0].address",
        "modules.scorer.ports[0].host",
        "modules.scorer.resources.cpus",
        "modules.scorer.resources.memory",
        "modules.scorer.resources.pids",
    ]


@pytest.mark.parametrize(("name", "options"), list(twins()))
def test_the_create_options_of_iot_edge_ask_for_the_host_in_vain(tmp_path: Path, name: str, options: str):
    image = {"image": SCORER, "createOptions": options}
    scorer = {"type": "docker", "status": "running", "restartPolicy": "always", "settings": image}
    twin = {
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {},
        "modules": {"scorer": scorer},
        "$version": 4,
    }
    (tmp_path / "open").mkdir()

    problems = Guarded(tmp_path / "open", required=False).refuses(json.dumps(twin).encode())

    assert any("scorer" in path and "createOptions" in path for path in paths(problems)), problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[images\n", "policy.unusable"),
        ("[images]\nregistry = []\n", "unknown key 'registry'"),
        ('[limits]\nmemory = "much"\n', "limits.memory"),
        ("[ports]\nfirst = 9\nlast = 8\n", "first is more than last"),
    ],
)
def test_a_policy_that_cannot_be_read_lets_nothing_in(tmp_path: Path, text: str, said: str):
    guarded = Guarded(tmp_path)
    (tmp_path / "policy.toml").write_text(text)

    problems = guarded.refuses(in_an_envelope(sound()))

    assert said in str(problems)
    assert "no manifest is taken" in guarded.trust.notes()[0]


def test_a_policy_that_others_can_change_lets_nothing_in(tmp_path: Path):
    guarded = Guarded(tmp_path)
    (tmp_path / "policy.toml").chmod(0o666)

    assert "others can change it" in str(guarded.refuses(in_an_envelope(sound())))


def test_without_a_policy_what_is_signed_names_its_images_by_digest(tmp_path: Path):
    guarded = Guarded(tmp_path)
    (tmp_path / "policy.toml").unlink()
    variants = [
        {"name": "cpu", "image": "registry.example/x:1"},
        {"name": "any", "image": "registry.example/x"},
    ]

    problems = guarded.refuses(
        in_an_envelope(
            manifest(1, scorer=module(image="registry.example/x:1"), second={"variants": variants})
        )
    )

    assert [(path, code) for path, code, _ in problems] == [
        ("modules.scorer.image", "policy.digest"),
        ("modules.second.variants[0].image", "policy.digest"),
        ("modules.second.variants[1].image", "policy.digest"),
    ]


@pytest.mark.parametrize(
    ("tags", "signed_may", "unsigned_may"),
    [("refuse", False, False), ("unsigned", False, True), ("allow", True, True)],
)
def test_the_owner_says_where_tags_may_stand(tags: Any, signed_may: bool, unsigned_may: bool):
    tagged = manifest_of(manifest(1, scorer=module(image="registry.example/x:1")))
    policy = Policy(images=Images(tags=tags))

    assert (violations(tagged, policy, signed=True) == ()) is signed_may
    assert (violations(tagged, policy, signed=False) == ()) is unsigned_may


def test_without_a_policy_a_module_is_reached_from_this_device_alone(tmp_path: Path):
    guarded = Guarded(tmp_path)
    (tmp_path / "policy.toml").unlink()

    problems = guarded.refuses(in_an_envelope(sound(ports=["0.0.0.0:6001:5001"])))

    assert paths(problems) == ["modules.scorer.ports[0].address"]


def test_more_than_sixty_hostile_specifications_are_refused_here():
    assert len(NO_SUCH_KEY) + len(FORBIDDEN) + len(list(twins())) >= 60
