"""Tar archives of which every block can be a lie."""

from __future__ import annotations

import io
import tarfile

BLOCK = 512
END = bytes(2 * BLOCK)


def padded(data: bytes) -> bytes:
    """Return data filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def header(
    name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE, form: int = tarfile.GNU_FORMAT, **fields
) -> bytes:
    """Return one header; it may have blocks of its own before it for a long name."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(form)


def member(name: str, data: bytes = b"", **fields) -> bytes:
    """Return a header with its content."""
    return header(name, size=len(data), **fields) + padded(data)


def with_field(block: bytes, offset: int, value: bytes) -> bytes:
    """Return a header with some bytes replaced and the checksum set right."""
    block = block[:offset] + value + block[offset + len(value) :]
    total = sum(block[:148]) + 8 * 32 + sum(block[156:BLOCK])
    return block[:148] + b"%06o\0 " % total + block[156:]


def with_size(block: bytes, value: bytes) -> bytes:
    """Return a header whose size field is ``value``, filled with NULs."""
    return with_field(block, 124, value.ljust(12, b"\0"))


def record(key: str, value: str | bytes) -> bytes:
    """Return one pax record with its own length in front."""
    body = b" " + key.encode() + b"=" + (value.encode() if isinstance(value, str) else value) + b"\n"
    size = len(body)
    while len(str(size).encode()) + len(body) != size:
        size = len(str(size).encode()) + len(body)
    return str(size).encode() + body


def pax(*records: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return an extended header."""
    return member("pax", b"".join(records), kind=kind)


def long_name(name: str, kind: bytes = tarfile.GNUTYPE_LONGNAME) -> bytes:
    """Return GNU's header for a long name or link target."""
    return member("././@LongLink", name.encode() + b"\0", kind=kind)


def made(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """Return an archive as CPython writes it."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for info, data in entries:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()
