"""Reading tar archives (POSIX ustar and pax, GNU long names), forward only and strict.

CPython's tarfile stops at a damaged header in mid-archive as if the archive ended there, so only its block decoder is
used; the order of blocks is read here.
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.system.archive_members import Limits, Member, refuse, require_short

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.system.archive_streams import ForwardReader

BLOCK_BYTES = 512
_MAX_TEXT_BYTES = 1 << 20  # of a pax header or a long name
_MAX_PADDING_BYTES = 16 << 20  # zeros after the end: tar -b goes up to some MiB
_SETID = 0o6000
_PAX_RECORD = re.compile(rb"(\d{1,20}) ([^=]+)=")
# Octal digits with spaces or zeros around them (POSIX.1-2017, pax, "ustar Interchange Format").
_SIZE = re.compile(rb"[ \0]*[0-7]*[ \0]*")
_SIZE_FIELD = slice(124, 136)
_LARGEST_OCTAL = 8**11  # beyond it the header cannot hold a size
# What a pax header may not change behind our back; times, owners and comments do not matter here.
_PAX_REFUSED = re.compile(r"GNU\.sparse\..*|hdrcharset")


@dataclass(slots=True)
class _Extended:
    """What extended headers say about the next member."""

    path: str | None = None
    link: str | None = None
    size: int | None = None
    pending: bool = field(default=False)


def read_members(
    reader: ForwardReader, *, limits: Limits, end_required: bool
) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield each member with its bytes, which are skipped where the caller does not take them.

    Args:
        reader: at the start of the archive.
        limits: on the number of members; ``reader`` itself looks after the bytes.
        end_required: whether the two zero blocks must be there. Layers have none, so that they concatenate.

    Raises:
        IntegrityError: a damaged header, a type or mode that is refused, an end in the wrong place, or something
            other than zeros after the end.
    """
    extended = _Extended()
    count = 0
    while header := _next_header(reader, end_required=end_required):
        if header.size < 0:
            raise refuse(f"holds {header.name!r} with a negative size")
        count += 1
        if count > 3 * limits.members:  # each may have two extended headers
            raise refuse(f"holds more than {limits.members} entries")
        if header.type in _EXTENSIONS:
            _extend(extended, header, reader)
            continue
        member = _member(header, extended)
        extended = _Extended()
        if member is None:
            continue
        content = reader.pieces(member.size_bytes)
        yield member, content
        for _ in content:
            pass
        _skip_padding(reader, member.size_bytes)
    if extended.pending:
        raise refuse("ends in the middle of an entry")


def _next_header(reader: ForwardReader, *, end_required: bool) -> tarfile.TarInfo | None:
    """Return the next header, None at a proper end."""
    block = b""
    while len(block) < BLOCK_BYTES:
        data = reader.some(BLOCK_BYTES - len(block))
        if not data:
            break
        block += data
    if not block:
        if end_required:
            raise refuse("is cut short: the end of the archive is missing")
        return None
    if len(block) < BLOCK_BYTES:
        raise refuse("is cut short in the middle of a header")
    if not any(block):
        _only_zeros(reader)
        return None
    if not (block[_SIZE_FIELD.start] & 0x80 or _SIZE.fullmatch(block[_SIZE_FIELD])):
        raise refuse("has a header with a size that is no number")
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except tarfile.HeaderError as error:
        raise refuse(f"has a damaged header: {error}") from error
    except UnicodeDecodeError as error:
        raise refuse("has a name that is no clean UTF-8") from error


def _only_zeros(reader: ForwardReader) -> None:
    total = 0
    while data := reader.some(1 << 16):
        total += len(data)
        if any(data) or total > _MAX_PADDING_BYTES:
            raise refuse("goes on after its end")


def _skip_padding(reader: ForwardReader, size: int) -> None:
    for _ in reader.pieces(-size % BLOCK_BYTES):
        pass


_EXTENSIONS = {tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME,
               tarfile.GNUTYPE_LONGLINK}  # fmt: skip


def _extend(extended: _Extended, header: tarfile.TarInfo, reader: ForwardReader) -> None:
    if header.size > _MAX_TEXT_BYTES:
        raise refuse("has an extended header of more than 1 MiB")
    data = reader.exactly(header.size)
    _skip_padding(reader, header.size)
    try:
        if header.type == tarfile.XGLTYPE:
            if {"path", "linkpath", "size"} & _pax_records(data).keys():
                raise refuse("has a global header that renames every entry")
            return  # git archive keeps the commit there
        extended.pending = True
        if header.type == tarfile.GNUTYPE_LONGNAME:
            _say(extended, {"path": data.rstrip(b"\0").decode()})
        elif header.type == tarfile.GNUTYPE_LONGLINK:
            _say(extended, {"linkpath": data.rstrip(b"\0").decode()})
        else:
            _say(extended, _pax_records(data))
    except UnicodeDecodeError as error:
        raise refuse("has a name that is no clean UTF-8") from error


def _say(extended: _Extended, records: dict[str, str]) -> None:
    """Take what an extended header says; programs differ in which of two headers they believe."""
    path, link, size = records.get("path"), records.get("linkpath"), records.get("size")
    for earlier, later in ((extended.path, path), (extended.link, link), (extended.size, size)):
        if earlier is not None and later is not None:
            raise refuse("has two extended headers that say the same of one entry")
    if path is not None:
        extended.path = require_short(path)
    if link is not None:
        extended.link = require_short(link)
    if size is not None:
        if not re.fullmatch(r"\d{1,18}", size, re.ASCII):
            raise refuse(f"has an entry of the size {size[:40]!r}")
        extended.size = int(size)


def _pax_records(data: bytes) -> dict[str, str]:
    """Parse lines of ``<length> <key>=<value>`` (POSIX.1-2017, pax, "pax Extended Header")."""
    records: dict[str, str] = {}
    position = 0
    while position < len(data):
        match = _PAX_RECORD.match(data, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(data) or data[end - 1] != ord("\n"):
            raise refuse("has a damaged extended header")
        key = match[2].decode()
        if _PAX_REFUSED.fullmatch(key):
            raise refuse(f"has an extended header with {key}, which is not served")
        if key in {"path", "linkpath", "size"}:  # others may be binary
            if key in records:
                raise refuse(f"has an extended header with two values of {key}")
            records[key] = data[match.end() : end - 1].decode()
        position = end
    return records


def _member(header: tarfile.TarInfo, extended: _Extended) -> Member | None:
    raw = extended.path if extended.path is not None else header.name
    path = _tidy(raw)
    size = extended.size if extended.size is not None else header.size
    if header.size not in {0, size} and size < _LARGEST_OCTAL:
        raise refuse(f"holds {path!r} with two sizes")
    match header.type:
        case tarfile.REGTYPE | tarfile.AREGTYPE | tarfile.CONTTYPE | tarfile.SYMTYPE if raw.endswith("/"):
            raise refuse(f"holds the file or link {raw!r}, whose name is a folder's")
        case tarfile.REGTYPE | tarfile.AREGTYPE | tarfile.CONTTYPE:
            if header.mode & _SETID:
                raise refuse(f"holds {path!r}, which is setuid or setgid")
            return Member(path=path, kind="file", size_bytes=size, executable=bool(header.mode & 0o100))
        case tarfile.DIRTYPE:
            if size:
                raise refuse(f"holds the folder {path!r} with content")
            return None if path == "." else Member(path=path, kind="folder")
        case tarfile.SYMTYPE:
            if size:
                raise refuse(f"holds the link {path!r} with content")
            link = extended.link if extended.link is not None else header.linkname
            return Member(path=path, kind="link", link=link)
        case tarfile.LNKTYPE:
            raise refuse(f"holds {path!r} as a hard link, which is not served")
        case _:
            raise refuse(f"holds {path!r}, which is neither a file, a folder nor a symbolic link")


def _tidy(path: str) -> str:
    """Drop what every tar program writes and that means nothing: a leading ``./`` and a slash at the end."""
    return path.removeprefix("./").rstrip("/") if path != "./" else "."
