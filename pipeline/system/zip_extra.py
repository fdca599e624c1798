"""The extra fields of zip headers (PKWARE APPNOTE.TXT 6.3.10, 4.5): read whole, and those that rename are refused."""

from __future__ import annotations

import struct

from pipeline.system.archive_members import refuse

_FIELD = struct.Struct("<2H")  # header id, bytes that follow (4.5.1)
_WIDE = 0x0001  # zip64 extended information (4.5.3)
_UNICODE_PATH = 0x7075  # Info-ZIP: another name for the entry, which only some programs take (4.6.9)
_STRONG_ENCRYPTION = 0x0017
_AES = 0x9901
_REFUSED = {_UNICODE_PATH: "renames it", _STRONG_ENCRYPTION: "encrypts it", _AES: "encrypts it"}


def read_extra(data: bytes) -> dict[int, bytes]:
    """Return the fields of a header by their id.

    Raises:
        IntegrityError: they do not end where the header does, one stands there twice, or one renames or encrypts.
    """
    fields: dict[int, bytes] = {}
    position = 0
    while position + _FIELD.size <= len(data):
        key, size = _FIELD.unpack_from(data, position)
        position += _FIELD.size
        if position + size > len(data) or (key in fields and key == _WIDE):
            raise refuse("has a damaged extra field")
        if key in _REFUSED:
            raise refuse(f"holds an entry with an extra field that {_REFUSED[key]}")
        fields[key] = data[position : position + size]
        position += size
    if any(data[position:]):  # some programs align entries with up to three zeros
        raise refuse("has a damaged extra field")
    return fields


def wide_numbers(extra: dict[int, bytes], count: int) -> list[int]:
    """Return ``count`` numbers of the zip64 field, which must have exactly these.

    Raises:
        IntegrityError: it is missing or has another length.
    """
    data = extra.get(_WIDE, b"")
    if count == 0:
        return []  # a field that nothing refers to says nothing
    if len(data) != 8 * count:
        raise refuse("has a zip64 field that does not fit its header")
    return list(struct.unpack(f"<{count}Q", data))
