"""What may a manifest never get? Wishes for the device itself, as an author or an upstream may spell them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.builders.manifests import DIGEST, SCORER

POLICY = """\
[images]
registries = ["registry.example/line", "registry.example/scorer"]
tags = "refuse"
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
streams = ["alarms"]
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
    "another's certificate": (
        {"ports": [{"host": 6001, "container": 1, "tls": {"certificate": "mqtt"}}]}, "ports[0].tls.certificate"
    ),
    "a file as a certificate": (
        {"ports": [{"host": 6001, "container": 1, "tls": {"certificate": "../key.pem"}}]}, "ports[0].tls.certificate"
    ),
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
    "a secret of the device": ({"secrets": ["broker"]}, "secrets[0]"),
    "a file as a secret": ({"secrets": ["../../etc/shadow"]}, "secrets[0]"),
    "another stream": ({"streams": {"audit": "durable"}}, "streams.audit"),
    "another device's topic as a stream": ({"streams": {"../../cam8/reported": "durable"}}, "streams.../../cam8/reported"),
    "a kind of stream that there is not": ({"streams": {"alarms": "retained"}}, "streams.alarms"),
    "an accelerator": (
        {"image": None, "variants": [{"name": "gpu", "image": SCORER, "requires": {"accelerator": "nvidia"}}]},
        "variants[0].requires.accelerator",
    ),
}  # fmt: skip


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
