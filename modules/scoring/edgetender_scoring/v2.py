"""How do requests and answers of the Open Inference Protocol look? JSON, and binary tensors behind it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgetender_scoring.inference import Asked
from edgetender_scoring.message import Request, tensor_json
from edgetender_scoring.onnx_model import Model
from edgetender_scoring.outcome import Outcome
from edgetender_scoring.tensors import Array, Refused, Tensor, from_bytes, from_json, size_of, to_bytes

try:
    import orjson

    _loads: Any = orjson.loads
except ImportError:
    _loads = json.loads

_HEADER_LENGTH = b"inference-header-content-length"
_BINARY = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Reply:
    """How to answer: the request's *id*, and which outputs go as bytes."""

    id: str | None
    binary: frozenset[str]


def error(status: int, text: str) -> Outcome:
    return Outcome(status, tensor_json({"error": text}))


class V2Codec:
    """The form of `/v2/models/{name}/infer`."""

    def decode(self, request: Request, model: Model) -> Asked:
        head, rest = _cut(request)
        if head is None:
            return _raw(rest, model)
        if not isinstance(head, dict):
            raise Refused("the request must be a JSON object")
        parts = _Parts(rest)
        known = {one.name: one for one in model.inputs}
        feeds: dict[str, Array] = {}
        for given in _list(head, "inputs"):
            name, array = _input(given, known, parts)
            if name in feeds:
                raise Refused(f"input {name!r} is given twice")
            feeds[name] = array
        if parts.left:
            raise Refused(f"{parts.left} bytes follow the last tensor")
        if missing := known.keys() - feeds.keys():
            raise Refused(f"no value is given for input {', '.join(sorted(map(repr, missing)))}")
        wanted, binary = _outputs(head, model)
        own_id = head.get("id")
        return Asked(feeds, wanted, Reply(None if own_id is None else str(own_id), binary))

    def encode(self, asked: Asked, results: Sequence[Any], model: Model) -> Outcome:
        reply: Reply = asked.reply
        known = {one.name: one.datatype for one in model.outputs}
        outputs, tail = [], []
        for name, array in zip(asked.wanted, results, strict=True):
            one: dict[str, Any] = {"name": name, "datatype": known[name], "shape": list(array.shape)}
            if name in reply.binary:
                data = to_bytes(array)
                one["parameters"] = {"binary_data_size": len(data)}
                tail.append(data)
            else:
                one["data"] = array.ravel()
            outputs.append(one)
        said = {"model_name": model.name, "model_version": model.version, "outputs": outputs}
        head = tensor_json(said if reply.id is None else {**said, "id": reply.id})
        if not tail:
            return Outcome(200, head)
        length = (("Inference-Header-Content-Length", str(len(head))),)
        return Outcome(200, b"".join((head, *tail)), _BINARY, length)

    def error(self, status: int, text: str) -> Outcome:
        return error(status, text)


def _cut(request: Request) -> tuple[Any, memoryview]:
    """The JSON part (None: the body is the one input's bytes) and what follows it."""
    said = request.header(_HEADER_LENGTH)
    body = memoryview(request.body)
    length = len(body)
    if said:
        if not (said.isascii() and said.isdigit()) or int(said) > len(body):
            raise Refused("Inference-Header-Content-Length is no length within the body")
        length = int(said)
        if length == 0:
            return None, body
    try:
        return _loads(bytes(body[:length])), body[length:]
    except (ValueError, RecursionError) as fault:
        raise Refused(f"the request is no JSON: {fault}") from fault


def _raw(data: memoryview, model: Model) -> Asked:
    """A request without JSON: for models of one input whose shape the bytes tell."""
    outputs = tuple(one.name for one in model.outputs)
    reply = Reply(None, frozenset(outputs))
    if len(model.inputs) != 1:
        raise Refused("bytes without JSON are for models of one input")
    one = model.inputs[0]
    shape = tuple(1 if axis == 0 and size == -1 else size for axis, size in enumerate(one.shape))
    if shape.count(-1) > 1 or one.datatype == "BYTES":
        raise Refused("the shape of the input cannot be told from bytes")
    known = size_of(one.datatype, tuple(size for size in shape if size != -1)) or 1
    if -1 in shape:
        shape = tuple(len(data) // known if size == -1 else size for size in shape)
    return Asked({one.name: from_bytes(one.name, one.datatype, data, shape)}, outputs, reply)


class _Parts:
    """The binary tensors behind the JSON, cut off one after another."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    @property
    def left(self) -> int:
        return len(self._data)

    def take(self, name: str, size: Any) -> memoryview:
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(self._data):
            raise Refused(f"input {name!r}: binary_data_size {size!r} is no size within the body")
        part, self._data = self._data[:size], self._data[size:]
        return part


def _list(head: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = head.get(key, [])
    if not isinstance(found, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in found
    ):
        raise Refused(f"{key!r} must be a list of objects, each with a name")
    return found


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    found = given.get("parameters", {})
    if not isinstance(found, dict):
        raise Refused("'parameters' must be an object")
    return found


def _input(given: Mapping[str, Any], known: Mapping[str, Tensor], parts: _Parts) -> tuple[str, Array]:
    name = given["name"]
    if name not in known:
        raise Refused(f"the model has no input {name!r}; it has {', '.join(sorted(map(repr, known)))}")
    one = known[name]
    if given.get("datatype", one.datatype) != one.datatype:
        raise Refused(f"input {name!r} has the datatype {given['datatype']}, expected {one.datatype}")
    shape = _shape(name, given.get("shape"))
    size = _parameters(given).get("binary_data_size")
    if size is not None:
        array = from_bytes(name, one.datatype, parts.take(name, size), shape)
    elif "data" in given:
        array = from_json(name, one.datatype, given["data"], shape)
    else:
        raise Refused(f"input {name!r} has neither data nor binary_data_size")
    return name, one.check(array)


def _shape(name: str, given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not all(
        isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**31 for size in given
    ):
        raise Refused(f"input {name!r}: the shape must be a list of lengths")
    return tuple(given)


def _outputs(head: Mapping[str, Any], model: Model) -> tuple[tuple[str, ...], frozenset[str]]:
    """Which outputs, in the order asked for (all: none named), and which of them as bytes."""
    known = [one.name for one in model.outputs]
    default = _parameters(head).get("binary_data_output") is True
    given = _list(head, "outputs") or [{"name": name} for name in known]
    names = tuple(one["name"] for one in given)
    if unknown := set(names) - set(known):
        raise Refused(f"the model has no output {', '.join(sorted(map(repr, unknown)))}")
    if len(set(names)) != len(names):
        raise Refused("an output is asked for twice")
    binary = frozenset(one["name"] for one in given if _parameters(one).get("binary_data", default) is True)
    return names, binary


def metadata(model: Model, versions: Sequence[str]) -> dict[str, Any]:
    """What the protocol says of a model, and where it runs."""
    found = model.proof
    return {
        "name": model.name,
        "versions": list(versions),
        "platform": "onnxruntime_onnx",
        "inputs": [_described(one) for one in model.inputs],
        "outputs": [_described(one) for one in model.outputs],
        "parameters": {
            "provider_requested": found.requested,
            "provider_actual": found.actual,
            "provider_nodes": dict(found.share),
            "degraded": found.degraded,
            "max_batch": model.max_batch,
            "known_answer": model.verdict.state,
        },
    }


def _described(one: Tensor) -> dict[str, Any]:
    return {"name": one.name, "datatype": one.datatype, "shape": list(one.shape)}
