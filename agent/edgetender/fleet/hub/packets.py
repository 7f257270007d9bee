"""MQTT 3.1.1's packets, as far as devices of an IoT Hub speak it. Pure, but for reading from a stream."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

CONNECT, PUBLISH, PUBACK, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 4, 8, 10, 12, 14
ACCEPTED, UNAVAILABLE, UNAUTHORIZED = 0, 3, 5
_MAX_BYTES = 512 * 1024  # more than any message may have


class Malformed(Exception):
    """What arrived is no MQTT 3.1.1."""


@dataclass(frozen=True, slots=True)
class Connect:
    """A device's first packet."""

    client_id: str
    username: str
    password: str
    clean: bool
    keepalive_s: int


@dataclass(frozen=True, slots=True)
class Publish:
    """A message, either way. *number* is None at QoS 0."""

    topic: str
    body: bytes
    qos: int
    number: int | None
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters, each with the QoS that is asked for; *ends*: they are to be taken back."""

    number: int
    filters: tuple[tuple[str, int], ...]
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Short:
    """A packet that is its kind and perhaps a *number*."""

    kind: int
    number: int = 0


Packet = Connect | Publish | Subscribe | Short


async def receive(reader: asyncio.StreamReader) -> Packet:
    """Return the next packet. Raises Malformed, and IncompleteReadError at the end of the stream."""
    head = (await reader.readexactly(1))[0]
    length, factor = 0, 1
    while True:
        byte = (await reader.readexactly(1))[0]
        length, factor = length + (byte & 127) * factor, factor * 128
        if not byte & 128:
            break
        if factor > 128**3:
            raise Malformed("a length of more than four bytes")
    if length > _MAX_BYTES:
        raise Malformed(f"a packet of {length} bytes")
    try:
        return parsed(head, await reader.readexactly(length))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Malformed(f"a packet of kind {head >> 4} that ends too soon") from error


def parsed(head: int, body: bytes) -> Packet:
    """The packet of these bytes; struct.error, IndexError, UnicodeDecodeError or Malformed if it is none."""
    kind = head >> 4
    if kind == CONNECT:
        return _connect(body)
    if kind == PUBLISH:
        topic, at = _text(body, 0)
        qos = head >> 1 & 3
        number = struct.unpack_from(">H", body, at)[0] if qos else None
        return Publish(topic, body[at + (2 if qos else 0) :], qos, number, retain=bool(head & 1))
    if kind in (SUBSCRIBE, UNSUBSCRIBE):
        number, at, found = struct.unpack_from(">H", body)[0], 2, []
        while at < len(body):
            name, at = _text(body, at)
            found.append((name, body[at] if kind == SUBSCRIBE else 0))
            at += kind == SUBSCRIBE
        return Subscribe(number, tuple(found), ends=kind == UNSUBSCRIBE)
    if kind in (PUBACK, PINGREQ, DISCONNECT):
        return Short(kind, struct.unpack_from(">H", body)[0] if kind == PUBACK else 0)
    raise Malformed(f"a packet of kind {kind}")


def _connect(body: bytes) -> Connect:
    protocol, at = _text(body, 0)
    if protocol != "MQTT" or body[at] != 4:  # noqa: PLR2004  # the level that 3.1.1 calls itself
        raise Malformed(f"protocol {protocol!r} level {body[at]}")
    flags, keepalive_s = struct.unpack_from(">BH", body, at + 1)
    client_id, at = _text(body, at + 4)
    if flags & 0x04:  # a will, which an IoT Hub keeps to itself
        _, at = _text(body, at)
        size = struct.unpack_from(">H", body, at)[0]
        at += 2 + size
    username, at = _text(body, at) if flags & 0x80 else ("", at)
    password, _ = _text(body, at) if flags & 0x40 else ("", at)
    return Connect(client_id, username, password, bool(flags & 0x02), keepalive_s)


def _text(body: bytes, at: int) -> tuple[str, int]:
    size = struct.unpack_from(">H", body, at)[0]
    if at + 2 + size > len(body):
        raise IndexError(at)
    return body[at + 2 : at + 2 + size].decode(), at + 2 + size


def framed(head: int, body: bytes) -> bytes:
    """One packet's bytes."""
    length, left = b"", len(body)
    while True:
        left, byte = divmod(left, 128)
        length += bytes([byte | (0x80 if left else 0)])
        if not left:
            return bytes([head]) + length + body


def connack(code: int, *, session: bool = False) -> bytes:
    return framed(0x20, bytes([int(session), code]))


def publish(topic: str, body: bytes, number: int | None = None, *, again: bool = False) -> bytes:
    """QoS 1 with a *number*, else 0; *again*: it was sent before and not acknowledged."""
    name = topic.encode()
    head = PUBLISH << 4 | (2 if number else 0) | (8 if again else 0)
    numbered = struct.pack(">H", number) if number else b""
    return framed(head, struct.pack(">H", len(name)) + name + numbered + body)


def puback(number: int) -> bytes:
    return framed(0x40, struct.pack(">H", number))


def suback(number: int, granted: bytes) -> bytes:
    return framed(0x90, struct.pack(">H", number) + granted)


def unsuback(number: int) -> bytes:
    return framed(0xB0, struct.pack(">H", number))


PINGRESP = framed(0xD0, b"")
