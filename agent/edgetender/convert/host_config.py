"""HostConfig of Docker's create options in the words of a manifest: ports, volumes, limits, the GPU."""

from __future__ import annotations

import re
from typing import Any, get_args

from edgetender.convert.findings import TYPE, Findings, Reader, Run
from edgetender.model.manifest import MIN_MEMORY_BYTES, Capability

_EVERYWHERE = "0.0.0.0"  # noqa: S104  # what Docker takes an absent HostIp for
_VOLUME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_CPU_PERIOD = 100_000  # Docker's default, microseconds
_OURS = {"json-file", "local", ""}


def _ports(value: Any, path: str, run: Run, findings: Findings) -> None:
    if not findings.expect(value, dict, path, 'an object like {"5001/tcp": [{"HostPort": "6789"}]}'):
        return
    for container, bindings in value.items():
        where = f"{path}.{container}"
        number, _, protocol = container.partition("/")
        if protocol not in ("", "tcp", "udp"):
            findings.unsupported(where, f"ports speak tcp or udp, not {protocol}")
        elif not number.isdecimal():
            findings.unsupported(where, "one port at a time, like 5001/tcp")
        elif not isinstance(bindings, list) or not bindings:
            findings.unsupported(where, "names no port of the device; Docker would pick one by chance")
        else:
            for index, binding in enumerate(bindings):
                _binding(binding, int(number), protocol, f"{where}[{index}]", run, findings)


def _binding(binding: Any, container: int, protocol: str, path: str, run: Run, findings: Findings) -> None:
    if not findings.expect(binding, dict, path, 'an object like {"HostPort": "6789"}'):
        return
    host = str(binding.get("HostPort") or "")
    if not host.isdecimal() or host == "0":
        why = "one port at a time" if "-" in host else "names no port of the device"
        findings.unsupported(f"{path}.HostPort", f'{why}; write it like "6789"')
        return
    port: Run = {"host": int(host), "container": container, "address": binding.get("HostIp") or _EVERYWHERE}
    run.setdefault("ports", []).append(port | ({"protocol": "udp"} if protocol == "udp" else {}))


def _binds(value: Any, path: str, run: Run, findings: Findings) -> None:
    for where, bind in findings.each(
        value, str, path, ("a list of texts like name:/path", "text like name:/path")
    ):
        source, _, rest = bind.partition(":")
        target, _, options = rest.partition(":")
        flags = {flag for flag in options.split(",") if flag}
        if flags - {"ro", "rw", "z", "Z", "nocopy"} or not target.startswith("/"):
            findings.unsupported(where, f"{bind!r} is no volume like name:/path:ro")
        else:
            _volume(source, target, where, run, findings, read_only="ro" in flags)


def _mounts(value: Any, path: str, run: Run, findings: Findings) -> None:
    for where, mount in findings.each(
        value, dict, path, ("a list of objects", "an object with Type, Source and Target")
    ):
        if mount.get("Type", "volume") != "volume" or not isinstance(mount.get("Target"), str):
            findings.unsupported(
                where, f"a mount of type {mount.get('Type')!r}; volumes are what is kept here"
            )
            continue
        rest = set(mount) - {"Type", "Source", "Target", "ReadOnly"}
        for key in sorted(key for key in rest if mount[key]):
            findings.unsupported(f"{where}.{key}", f"a manifest has no word for {key}")
        source = mount.get("Source") or ""
        _volume(source, mount["Target"], where, run, findings, read_only=mount.get("ReadOnly") is True)


def _volume(source: Any, target: str, path: str, run: Run, findings: Findings, *, read_only: bool) -> None:
    if not isinstance(source, str) or source.startswith(("/", ".", "~")):
        findings.unsupported(path, f"a directory of the device ({source}); a module gets named volumes only")
    elif not _VOLUME.fullmatch(source):
        findings.unsupported(path, f"{source!r} is no name for a volume: lower case, digits, . _ -")
    else:
        findings.note(
            path, "iotedge.volume", f"the engine knows it as edgetender-{source}; copy what it holds"
        )
        volume: Run = {"name": source, "path": target}
        run.setdefault("volumes", []).append(volume | ({"read_only": True} if read_only else {}))


def _limit(key: str, least: int, factor: float = 1) -> Reader:
    def read(value: Any, path: str, run: Run, findings: Findings) -> None:
        if not findings.expect(value, int, path, "a whole number") or value in (0, -1):
            return  # no limit
        if value < least:
            findings.unsupported(path, f"the least is {least}, not {value}")
            return
        run.setdefault("resources", {})[key] = value if factor == 1 else value * factor

    return read


def _swap(value: Any, path: str, run: Run, findings: Findings) -> None:
    """Compared with Memory at the end: which of the two stands first does not count."""
    if findings.expect(value, int, path, "a whole number of bytes") and value != 0:
        run["swap"] = (value, path)


def _quota(value: Any, path: str, run: Run, findings: Findings) -> None:
    if findings.expect(value, int, path, "a whole number of microseconds") and value > 0:
        run["quota"] = value


def _period(value: Any, path: str, run: Run, findings: Findings) -> None:
    if findings.expect(value, int, path, "a whole number of microseconds") and value > 0:
        run["period"] = value


def settled(run: Run, findings: Findings) -> Run:
    """*run* after what only counts together: a CPU quota and its period, swap and memory."""
    if quota := run.pop("quota", None):
        run.setdefault("resources", {})["cpus"] = quota / run.pop("period", _CPU_PERIOD)
    run.pop("period", None)
    if swap := run.pop("swap", None):
        amount, path = swap
        if amount != run.get("resources", {}).get("memory"):
            findings.unsupported(path, "a limit is without swap on top: MemorySwap must equal Memory")
    return run


def _devices(value: Any, path: str, run: Run, findings: Findings) -> None:
    for where, request in findings.each(
        value, dict, path, ("a list of objects", "an object with Capabilities")
    ):
        wanted = request.get("Capabilities")
        sound = isinstance(wanted, list) and all(isinstance(each, list) for each in wanted)
        if not sound:
            findings.fault(f"{where}.Capabilities", TYPE, 'must be a list of lists, like [["gpu"]]')
            continue
        asks_gpu = any("gpu" in each for each in wanted)
        for key, plain in (("Count", (None, 0, -1)), ("DeviceIDs", (None, [])), ("Options", (None, {}))):
            if request.get(key) not in plain:
                findings.unsupported(f"{where}.{key}", "the agent picks the device; leave it out")
        if request.get("Driver") not in (None, "", "nvidia") or not asks_gpu:
            findings.unsupported(where, "only NVIDIA GPUs are asked for in this way")
        else:
            run["gpu"] = where


def _runtime(value: Any, path: str, run: Run, findings: Findings) -> None:
    if value == "nvidia":
        run["gpu"] = path
    elif value not in ("", "runc"):
        findings.unsupported(path, f"the agent picks the runtime, not {value!r}")


def _restart(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    name = value.get("Name") if isinstance(value, dict) else value
    if name not in (None, "", "no"):
        findings.note(path, "iotedge.no_effect", "restartPolicy of the module counts, there as here")


def _logs(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if not findings.expect(value, dict, path, "a JSON object"):
        return
    if (value.get("Type") or "") not in _OURS:
        findings.unsupported(f"{path}.Type", "logs stay with the engine (json-file), where `logs` reads them")
    elif value.get("Config"):
        findings.note(path, "iotedge.logs", "the agent keeps 3 files of 10 MB for every module")


def _network_mode(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if value not in ("", "default", "bridge", "azure-iot-edge"):
        findings.unsupported(path, f"modules have a network of their own, not {value!r}; publish a port")


def _read_only(value: Any, path: str, run: Run, findings: Findings) -> None:
    if findings.expect(value, bool, path, "true or false") and value:
        run["read_only"] = True


def _added(value: Any, path: str, run: Run, findings: Findings) -> None:
    if not findings.expect(value, list, path, "a list of capabilities"):
        return
    for index, name in enumerate(value):
        plain = str(name).upper().removeprefix("CAP_")
        if plain in get_args(Capability):
            run["capabilities"] = list(dict.fromkeys([*run.get("capabilities", []), plain]))
        else:
            findings.unsupported(f"{path}[{index}]", f"no module gets {name!r}")


def _dropped(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if value and findings.expect(value, list, path, "a list of capabilities"):
        findings.note(path, "iotedge.no_effect", "a module has none but those it names")


CONFIG: dict[str, Reader] = {
    "CapAdd": _added,
    "CapDrop": _dropped,
    "PortBindings": _ports,
    "Binds": _binds,
    "Mounts": _mounts,
    "Memory": _limit("memory", MIN_MEMORY_BYTES),
    "MemorySwap": _swap,
    "NanoCpus": _limit("cpus", 1, 1e-9),
    "CpuQuota": _quota,
    "CpuPeriod": _period,
    "PidsLimit": _limit("pids", 1),
    "DeviceRequests": _devices,
    "Runtime": _runtime,
    "ReadonlyRootfs": _read_only,
    "RestartPolicy": _restart,
    "LogConfig": _logs,
    "NetworkMode": _network_mode,
}
