"""For which drivers does a forward-compatibility libcuda serve? Its ELF note says so, as JSON. Pure; trusts nothing."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

SECTION = b".note.cuda.fwd_compatibility"
_HEADER, _MOST = 64, 4096


@dataclass(frozen=True, slots=True)
class Note:
    """*cuda* is what the library brings, *branches* are the host's driver branches it may replace."""

    cuda: str
    branches: tuple[int, ...] = ()


def read_note(library: bytes) -> Note | None:
    """What the note in *library* says, None where there is none or it is broken."""
    try:
        section = _section(library)
        if section is None:
            return None
        name_size, text_size, _ = struct.unpack_from("<III", section)
        begin = 12 + (name_size + 3 & ~3)
        document = json.loads(section[begin : begin + text_size].rstrip(b"\0"))
        branches = tuple(int(branch) for branch in document.get("driver", ()))
        return Note(str(document["CUDA version"]), branches)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _section(library: bytes) -> bytes | None:
    """The bytes of the note's section in a little-endian 64-bit ELF file."""
    if len(library) < _HEADER or not library.startswith(b"\x7fELF\x02\x01"):
        return None
    (table,) = struct.unpack_from("<Q", library, 0x28)
    size, count, names = struct.unpack_from("<HHH", library, 0x3A)
    places = [struct.unpack_from("<IIQQQQ", library, table + size * number) for number in range(count)]
    strings = places[names]
    for name, _, _, _, offset, length in places:
        begin = strings[4] + name
        if library[begin : begin + len(SECTION) + 1] == SECTION + b"\0":
            return library[offset : offset + min(length, _MOST)]
    return None
