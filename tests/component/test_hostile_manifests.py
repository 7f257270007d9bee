"""Manifests that ask for the device itself, signed by a key that is trusted: refused whole, by path, with no effect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgetender.model.examined import Identity
from edgetender.trust.device import DeviceTrust
from tests.builders.loops import Loop
from tests.builders.manifests import DIGEST, SCORER, manifest, module
from tests.builders.signing import Keys, deployment, signed, signed_root

KEYS = Keys()
POLICY = """\
[images]
registries = ["registry.example/line", "registry.example/scorer"]
require_digest = true
[ports]
addresses = ["10.0.0.7"]
first = 6000
last = 7000
[limits]
memory = "512MiB"
cpus = 2.0
pids = 200
[allowed]
modules = 3
accelerators = false
volumes = ["models"]
credentials = ["line"]
"""
LIMITS = {"memory": "256MiB", "cpus": 1.0, "pids": 100}

# Docker's own words, in the spellings that its decoder takes for the same, and compose's: no manifest has them.
NO_SUCH_KEY = {
    "privileged": True, "Privileged": True, "PRIVILEGED": True, "cap_add": ["SYS_ADMIN"], "CapAdd": ["ALL"],
    "binds": ["/:/host"], "Binds": ["/:/host"], "BINDS": ["/etc:/etc"],
    "mounts": [{"type": "bind", "source": "/", "target": "/host"}],
    "Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}],
    "tmpfs": {"/run": "size=99g"}, "devices": ["/dev/mem"], "Devices": [{"PathOnHost": "/dev/sda"}],
    "device_cgroup_rules": ["a *:* rwm"], "DeviceCgroupRules": ["a *:* rwm"],
    "security_opt": ["seccomp=unconfined"], "SecurityOpt": ["apparmor=unconfined"],
    "sysctls": {"kernel.core_pattern": "|/x"}, "Sysctls": {"kernel.msgmax": "1"}, "pid": "host", "PidMode": "host",
    "PIDMODE": "host", "ipc": "host", "IpcMode": "host", "uts": "host", "UTSMode": "host", "userns_mode": "host",
    "UsernsMode": "host", "network_mode": "host", "NetworkMode": "host", "cgroup_parent": "/", "CgroupParent": "/",
    "runtime": "kata", "Runtime": "runc-evil", "volumes_from": ["edgetender"], "VolumesFrom": ["edgetender"],
    "oom_score_adj": -1000, "OomScoreAdj": -1000, "log_driver": "syslog", "LogConfig": {"Type": "syslog"},
    "user": "root", "User": "0", "group_add": ["docker"], "extra_hosts": ["broker:10.0.0.9"], "links": ["db"],
    "HostConfig": {"Privileged": True}, "hostconfig": {"privileged": True}, "createOptions": "{}", "init": True,
    "labels": {"io.edgetender.device": "another"}, "entrypoint": ["/bin/sh"], "Image": "registry.evil/x", "IMAGE": "x",
}  # fmt: skip

# what a manifest can say, and this policy, or any, forbids: the change of the module, and the path
FORBIDDEN: dict[str, tuple[dict[str, Any], str]] = {
    "a tag": ({"image": "registry.example/line/x:1"}, "image"),
    "another digest": ({"image": f"registry.example/line/x@sha512:{'a' * 128}"}, "image"),
    "another registry": ({"image": f"registry.evil/line/x@{DIGEST}"}, "image"),
    "a registry that begins alike": ({"image": f"registry.example.evil/line/x@{DIGEST}"}, "image"),
    "a repository that begins alike": ({"image": f"registry.example/linear/x@{DIGEST}"}, "image"),
    "a registry by default": ({"image": f"line/x@{DIGEST}"}, "image"),
    "all addresses": ({"ports": ["0.0.0.0:6001:5001"]}, "ports[0].address"),
    "all addresses of IPv6": ({"ports": [{"host": 6001, "container": 1, "address": "::"}]}, "ports[0].address"),
    "another address": ({"ports": ["10.0.0.8:6001:5001"]}, "ports[0].address"),
    "a port below": ({"ports": ["22:22"]}, "ports[0].host"),
    "a port above": ({"ports": ["7001:22"]}, "ports[0].host"),
    "no port at all": ({"ports": ["70000:22"]}, "ports[0].host"),
    "too much memory": ({"resources": LIMITS | {"memory": "1GiB"}}, "resources.memory"),
    "too many cores": ({"resources": LIMITS | {"cpus": 3}}, "resources.cpus"),
    "too many processes": ({"resources": LIMITS | {"pids": 201}}, "resources.pids"),
    "no limit of memory": ({"resources": {"cpus": 1, "pids": 1}}, "resources.memory"),
    "memory below nothing": ({"resources": LIMITS | {"memory": -1}}, "resources.memory"),
    "swap": ({"resources": LIMITS | {"swap": "1GiB"}}, "resources.swap"),
    "another volume": ({"volumes": [{"name": "secrets", "path": "/x"}]}, "volumes[0].name"),
    "a host path as a volume": ({"volumes": [{"name": "/etc", "path": "/x"}]}, "volumes[0].name"),
    "a way up as a volume": ({"volumes": [{"name": "../../etc", "path": "/x"}]}, "volumes[0].name"),
    "a bind in the path": ({"volumes": [{"name": "models", "path": "/x:/y:rw"}]}, "volumes[0].path"),
    "a driver's volume": (
        {"volumes": [{"name": "models", "path": "/x", "driver_opts": {"type": "none", "o": "bind", "device": "/etc"}}]},
        "volumes[0].driver_opts",
    ),
    "a bind in compose's words": ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}, "volumes[0]"),
    "an environment too large": ({"env": {"A": "x" * 70_000}}, "env"),
    "an environment with a null byte": ({"env": {"A": "x\0y"}}, "env"),
    "a variable of no name": ({"env": {"A=B": "x"}}, "env"),
    "a capability that reaches the host": ({"capabilities": ["SYS_ADMIN"]}, "capabilities[0]"),
    "all capabilities": ({"capabilities": ["ALL"]}, "capabilities[0]"),
    "a capability": ({"capabilities": ["SETUID"]}, "capabilities[0]"),
    "a capability in another case": ({"capabilities": ["setuid"]}, "capabilities[0]"),
    "an accelerator": (
        {"image": None, "variants": [{"name": "gpu", "image": SCORER, "requires": {"accelerator": "nvidia"}}]},
        "variants[0].requires.accelerator",
    ),
}  # fmt: skip


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


def twins() -> Iterator[tuple[str, str]]:
    """createOptions as IoT Edge takes them, from an upstream that nobody signs for."""
    for name, host in {
        "privileged": {"Privileged": True},
        "privileged, in another case": {"privileged": True},
        "binds": {"Binds": ["/:/host"]},
        "binds, in another case": {"BINDS": ["/:/host"]},
        "mounts": {"Mounts": [{"Type": "bind", "Source": "/etc", "Target": "/x"}]},
        "a driver's volume": {
            "Mounts": [
                {
                    "Type": "volume", "Source": "v", "Target": "/x",
                    "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"device": "/etc", "o": "bind"}}},
                }
            ]
        },
        "volumes from": {"VolumesFrom": ["edgetender"]},
        "the host's processes": {"PidMode": "host"},
        "the host's network": {"NetworkMode": "host"},
        "devices": {"Devices": [{"PathOnHost": "/dev/mem", "PathInContainer": "/dev/mem"}]},
        "capabilities": {"CapAdd": ["SYS_ADMIN"]},
        "no confinement": {"SecurityOpt": ["seccomp=unconfined"]},
        "sysctls": {"Sysctls": {"kernel.msgmax": "1"}},
        "another runtime": {"Runtime": "evil"},
    }.items():  # fmt: skip
        yield name, json.dumps({"HostConfig": host})
    yield "the host's configuration, in another case", '{"hostconfig":{"privileged":true}}'
    yield "a key given twice", '{"HostConfig":{},"HostConfig":{"Privileged":true}}'


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


def test_without_a_policy_a_module_is_reached_from_this_device_alone(tmp_path: Path):
    guarded = Guarded(tmp_path)
    (tmp_path / "policy.toml").unlink()

    problems = guarded.refuses(in_an_envelope(sound(ports=["0.0.0.0:6001:5001"])))

    assert paths(problems) == ["modules.scorer.ports[0].address"]
