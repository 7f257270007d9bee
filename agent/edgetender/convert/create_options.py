"""Docker's create options (a JSON text inside an IoT Edge manifest) in the words of a manifest, field by field."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from edgetender.codec import decode
from edgetender.convert.findings import TYPE, Findings, Reader, Run
from edgetender.convert.host_config import CONFIG, settled
from edgetender.errors import ManifestInvalid

MAX_CHUNKS = 100
_CHUNK = re.compile(r"createOptions(\d*)")
_EMPTY: tuple[Any, ...] = (None, "", [], {}, False, 0)


def joined(settings: Mapping[str, Any], path: str, findings: Findings) -> dict[str, Any]:
    """The options in `createOptions`, `createOptions01` … of *settings*, joined before they are read."""
    whole = settings.get("createOptions")
    chunks: dict[int, str] = {}
    for key, text in settings.items():
        match = _CHUNK.fullmatch(key)
        if match is None or (key == "createOptions" and isinstance(text, dict)):
            continue
        if text is None:
            continue
        if findings.expect(text, str, f"{path}.{key}", "text: the options as JSON"):
            chunks[int(match[1] or 0)] = text
    if isinstance(whole, dict):  # as templates have it, before a tool made a text of it
        if chunks:
            findings.fault(f"{path}.createOptions", TYPE, "must be text where createOptions01 … continue it")
        return whole
    missing = [number for number in range(max(chunks, default=-1) + 1) if number not in chunks]
    if missing or len(chunks) > MAX_CHUNKS:
        gap = f"createOptions{missing[0]:02}" if missing and missing[0] else "createOptions"
        why = f"{gap} is missing" if missing else f"{len(chunks)} chunks; at most {MAX_CHUNKS} are read"
        findings.fault(f"{path}.{gap}", "iotedge.chunks", why)
        return {}
    return _parsed("".join(chunks[number] for number in sorted(chunks)), f"{path}.createOptions", findings)


def _parsed(text: str, path: str, findings: Findings) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        json.loads(text)
        options = decode(text.encode())
    except json.JSONDecodeError as error:
        where = f"at offset {error.pos} of the joined text"
        findings.fault(path, "iotedge.create_options", f"no JSON: {error.msg} {where}")
        return {}
    except (ManifestInvalid, RecursionError) as error:
        faults = error.problems if isinstance(error, ManifestInvalid) else ()
        why = "; ".join(map(str, faults)) or "nested too deep"
        findings.fault(path, "iotedge.create_options", f"no JSON that is read here: {why}")
        return {}
    if options is None or not findings.expect(options, dict, path, "a JSON object"):
        return {}
    return dict(options)


def mapped(options: Mapping[str, Any], path: str, findings: Findings) -> Run:
    """What *options* ask for, in a module's keys; `gpu` beside them. Unknown wishes become faults."""
    run: Run = {}
    _each(options, path, _TOP, run, findings)
    return settled(run, findings)


def _each(
    options: Mapping[str, Any], path: str, readers: Mapping[str, Reader], run: Run, findings: Findings
) -> None:
    known = {name.lower(): name for name in readers}  # the engine does not tell upper from lower case
    for key, value in options.items():
        name, where = known.get(key.lower(), key), f"{path}.{key}"
        if name in readers and value is not None:
            readers[name](value, where, run, findings)
        elif value not in _EMPTY:
            findings.unsupported(where, f"a manifest has no word for {name}")


def _command(value: Any, path: str, run: Run, findings: Findings) -> None:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        findings.fault(path, TYPE, "must be text or a list of texts")
    elif words:
        run["command"] = words


def _env(value: Any, path: str, run: Run, findings: Findings) -> None:
    for where, entry in findings.each(value, str, path, ("a list of NAME=VALUE", "text like NAME=VALUE")):
        name, equals, text = entry.partition("=")
        if not equals:
            findings.unsupported(where, f"{name!r} without a value removes the image's own; say NAME=VALUE")
        else:
            run.setdefault("env", {})[name] = text


def _stop_timeout(value: Any, path: str, run: Run, findings: Findings) -> None:
    if findings.expect(value, int, path, "a whole number of seconds"):
        if value < 0:
            findings.unsupported(path, "waiting without end; say how many seconds")
        else:
            run["stop_grace"] = value


def _stop_signal(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if value not in ("", "SIGTERM", "TERM", "15", 15):
        findings.unsupported(path, f"a module is stopped by SIGTERM, not by {value!r}")


def _exposed(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if value:
        findings.note(path, "iotedge.no_effect", "only says which ports there are; nothing is lost with it")


def _image(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if value:
        findings.note(path, "iotedge.no_effect", "settings.image counts, there as here")


def _host_config(value: Any, path: str, run: Run, findings: Findings) -> None:
    if findings.expect(value, dict, path, "a JSON object"):
        _each(value, path, CONFIG, run, findings)


def _networking(value: Any, path: str, run: Run, findings: Findings) -> None:  # noqa: ARG001
    if not findings.expect(value, dict, path, "a JSON object"):
        return
    for key, endpoints in value.items():
        if key.lower() != "endpointsconfig" or not isinstance(endpoints, dict):
            findings.unsupported(f"{path}.{key}", "a manifest has no word for it")
            continue
        for name, settings in endpoints.items():
            where = f"{path}.{key}.{name}"
            if name != "azure-iot-edge" or settings not in _EMPTY:
                findings.unsupported(where, "modules join no network by name; publish a port instead")
            else:
                findings.note(
                    where, "iotedge.network", "there is no such network here; modules meet at ports"
                )


_TOP: dict[str, Reader] = {
    "Cmd": _command,
    "Env": _env,
    "StopTimeout": _stop_timeout,
    "StopSignal": _stop_signal,
    "ExposedPorts": _exposed,
    "Image": _image,
    "HostConfig": _host_config,
    "NetworkingConfig": _networking,
}
