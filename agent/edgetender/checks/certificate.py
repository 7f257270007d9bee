"""Until when is a certificate good? Two times out of its DER, read by hand: no X.509 library is needed here."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_END = "-----END CERTIFICATE-----"
_PIVOT = 50  # RFC 5280, 4.1.2.5.1: two digits of a year from 50 on are of the last century


def valid_until(der: bytes) -> datetime:
    """The `notAfter` of a certificate. Raises ValueError for what is none."""
    try:
        tag, certificate, _ = _next(der)
        _, signed, _ = _next(certificate)
        if tag != _SEQUENCE:
            raise ValueError("it does not begin as a certificate does")
        tag, _, rest = _next(signed)
        if tag == _VERSION:
            _, _, rest = _next(rest)  # the serial number
        for _ in ("signature", "issuer"):
            _, _, rest = _next(rest)
        _, validity, _ = _next(rest)
        _, _, after = _next(validity)
        kind, moment, _ = _next(after)
        return _time(kind, moment.decode("ascii"))
    except (IndexError, UnicodeDecodeError) as error:
        raise ValueError("it breaks off, or is no certificate") from error


def in_file(path: Path) -> tuple[bytes, ...]:
    """The DER of every certificate in a PEM file. Raises OSError, and ValueError where there is none."""
    text = path.read_bytes().decode("ascii", "replace")
    blocks = text.split("-----BEGIN CERTIFICATE-----")[1:]
    if not blocks:
        raise ValueError("it holds no certificate in PEM")
    return tuple(
        ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE-----{block.partition(_END)[0]}{_END}\n")
        for block in blocks
    )


def _next(data: bytes) -> tuple[int, bytes, bytes]:
    """(tag, content, what follows) of the first element."""
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        count = length & 0x7F
        length, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    end = start + length
    if end > len(data):
        raise IndexError
    return tag, data[start:end], data[end:]


def _time(kind: int, text: str) -> datetime:
    if kind == _UTC_TIME:
        text = ("19" if int(text[:2]) >= _PIVOT else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError("its validity is no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
