"""What does /score take and give, when there is no entry script but a model?

`{"data": rows}` for a model of one input, `{"name": rows, ...}` for any (also inside "data"), or the bare rows;
raw little-endian values as application/octet-stream. One output comes back as its rows, several by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgetender_scoring.inference import Asked
from edgetender_scoring.message import Request, tensor_json
from edgetender_scoring.onnx_model import Model
from edgetender_scoring.outcome import Outcome, message
from edgetender_scoring.styles import InputRefused, query_values
from edgetender_scoring.swagger import Schema
from edgetender_scoring.tensors import Array, Refused, Tensor, from_bytes, read_feeds, size_of, to_bytes

try:
    import orjson

    _loads: Any = orjson.loads
except ImportError:
    _loads = json.loads

_BINARY = "application/octet-stream"
_BINARY_BYTES = _BINARY.encode()


class ScoreCodec:
    """The form of /score."""

    def decode(self, request: Request, model: Model) -> Asked:
        given = reply = False
        for name, value in request.headers:
            if value == _BINARY_BYTES:  # the value first: few headers have it
                given = given or name.lower() == b"content-type"
                reply = reply or name.lower() == b"accept"
        if given and request.method == "POST":
            return Asked({model.inputs[0].name: _binary(request.body, model)}, model.every_output, reply)
        return Asked(read_feeds(_body(request), model.inputs), model.every_output, reply)

    def encode(self, asked: Asked, results: Sequence[Any], model: Model) -> Outcome:
        if asked.reply and len(results) == 1 and model.outputs:
            shape = ",".join(str(size) for size in results[0].shape)
            headers = (("x-tensor-datatype", model.outputs[0].datatype), ("x-tensor-shape", shape))
            return Outcome(200, to_bytes(results[0]), _BINARY, headers)
        if len(results) == 1:
            return Outcome(200, tensor_json(results[0]))
        return Outcome(200, tensor_json(dict(zip(model.every_output, results, strict=True))))

    def error(self, status: int, text: str) -> Outcome:
        return message(status, text)


def _body(request: Request) -> Any:
    if request.method != "POST":
        try:
            return query_values(request.query)
        except InputRefused as refusal:
            raise Refused(str(refusal), refusal.status) from refusal
    try:
        return _loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Refused(f"The body is no JSON: {error}") from error


def _binary(body: bytes, model: Model) -> Array:
    """The bytes as the one input; at most one free axis takes the length they have."""
    if len(model.inputs) != 1:
        raise Refused("The model takes several inputs; bytes can be one only.", 415)
    one = model.inputs[0]
    free = [axis for axis, size in enumerate(one.shape) if size == -1]
    known = size_of(one.datatype, tuple(size for size in one.shape if size != -1))
    if known is None or len(free) > 1:
        raise Refused("The shape cannot be told from bytes; send JSON.", 415)
    shape = list(one.shape)
    if free:
        if not known or len(body) % known:
            raise Refused(f"The body has {len(body)} bytes, no multiple of {known}.")
        shape[free[0]] = len(body) // known
    return from_bytes(one.name, one.datatype, body, tuple(shape))


_JSON_TYPES = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "O": "string"}


def described(model: Model) -> tuple[Schema, Schema]:
    """What goes in and what comes out, for the service's description."""
    takes = {
        "type": "object",
        "properties": {one.name: _schema(one) for one in model.inputs},
        "example": {one.name: _example(one) for one in model.inputs},
    }
    if len(model.inputs) == 1:
        one = model.inputs[0]
        takes = {"type": "object", "properties": {"data": _schema(one)}, "example": {"data": _example(one)}}
    if len(model.every_output) == 1 and model.outputs:
        return takes, _schema(model.outputs[0])
    return takes, {"type": "object", "properties": {one.name: _schema(one) for one in model.outputs}}


def _schema(one: Tensor) -> Schema:
    schema: Schema = {"type": _JSON_TYPES[one.dtype.kind]}
    for _ in one.shape:
        schema = {"type": "array", "items": schema}
    return schema


def _example(one: Tensor) -> Any:
    shape = [1 if size < 0 else size for size in one.shape]
    if np.prod(shape) > 1000:  # noqa: PLR2004  a description is read by people
        return []
    return np.full(shape, "" if one.dtype.kind == "O" else 0, one.dtype).tolist()
