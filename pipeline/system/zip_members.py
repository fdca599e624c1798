"""Reading zip archives (wheels too), strictly: what the index says and what the file holds must be one and the same.

zipfile alone accepts bytes before and after the archive, entries that overlap, and two entries of one name; it turns
links into text files and drops exec bits. So the layout of the file is checked here and zipfile only unpacks entries.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from pipeline.digest import CHUNK_BYTES
from pipeline.system.archive_members import Limits, Member, judge_size, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

_END = struct.Struct("<4s4H2LH")  # end of central directory (APPNOTE.TXT 4.3.16)
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header (4.3.7)
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8  # sizes follow the data (4.4.4)
_DESCRIPTOR_BYTES = {12, 16, 20, 24}  # with or without signature and zip64 (4.3.9)
_MAX_LINK_BYTES = 4096


def read_zip(stream: BinaryIO, *, limits: Limits) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield each member with its bytes, in the order in which they stand in the file.

    Raises:
        IntegrityError: the archive is malformed, encrypted, compressed by other means than deflate, has anything
            before, between or after its entries, or its two indexes disagree.
    """
    packed_bytes = stream.seek(0, os.SEEK_END)
    with _zip_errors():
        _check_end(stream, packed_bytes)
        archive = zipfile.ZipFile(stream)
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        if len(infos) > 2 * limits.members:
            raise refuse(f"holds more than {limits.members} entries")
        judge_size(total_bytes=sum(i.file_size for i in infos), packed_bytes=packed_bytes, limits=limits)
        _check_layout(stream, infos, archive.start_dir)
    for info in infos:
        with _zip_errors():
            member = _member(archive, info)
        if member is not None:
            yield member, _content(archive, info, member)


@contextmanager
def _zip_errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, NotImplementedError, UnicodeError) as error:
        raise refuse(f"is a damaged zip archive: {error}") from error


def _check_end(stream: BinaryIO, size: int) -> None:
    """Refuse a file that does not end exactly with its own end record, or whose central directory is not before it."""
    start = max(0, size - _END.size - 0xFFFF)
    stream.seek(start)
    tail = stream.read()
    position = tail.rfind(b"PK\x05\x06")
    if position < 0 or len(tail) - position < _END.size:
        raise refuse("is cut short: the zip's end record is missing")
    fields = _END.unpack_from(tail, position)
    disk, start_disk, here, total, index_bytes, index_offset, comment_bytes = fields[1:]
    if position + _END.size + comment_bytes != len(tail):
        raise refuse("has something after its zip archive")
    zip64 = 0xFFFF in {here, total} or 0xFFFFFFFF in {index_bytes, index_offset}
    if not zip64 and (disk or start_disk or here != total):
        raise refuse("is one part of a split zip archive")
    if not zip64 and index_offset + index_bytes != start + position:
        raise refuse("has something before its zip archive, or between its index and its end")


def _check_layout(stream: BinaryIO, infos: list[zipfile.ZipInfo], index_offset: int) -> None:
    """Refuse entries that overlap or leave gaps, and local headers that disagree with the index."""
    position = 0
    for info, following in zip(infos, [*(i.header_offset for i in infos[1:]), index_offset], strict=True):
        if info.flag_bits & _ENCRYPTED:
            raise refuse(f"holds {info.filename!r} encrypted")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise refuse(f"holds {info.filename!r} compressed by a means that is not served")
        stream.seek(info.header_offset)
        header = _LOCAL.unpack(stream.read(_LOCAL.size))
        flags, method, crc, packed, unpacked, name_bytes, extra_bytes = header[2], header[3], *header[6:]
        name = stream.read(name_bytes)
        if (
            header[0] != b"PK\x03\x04"
            or name != _raw_name(info)
            or (flags, method)
            != (
                info.flag_bits,
                info.compress_type,
            )
        ):
            raise refuse(f"holds {info.orig_filename!r}, of which its two indexes say different things")
        streamed = bool(flags & _DESCRIPTOR)
        known = (crc, packed, unpacked)
        wide = 0xFFFFFFFF in {packed, unpacked}  # zip64: the sizes are in the extra field
        if not wide and known != (info.CRC, info.compress_size, info.file_size) and not (streamed and not any(known)):
            raise refuse(f"holds {info.orig_filename!r}, of which its two indexes say different sizes")
        end = info.header_offset + _LOCAL.size + name_bytes + extra_bytes + info.compress_size
        gap = following - end
        if info.header_offset != position or (gap != 0 and not (streamed and gap in _DESCRIPTOR_BYTES)):
            raise refuse(f"holds {info.orig_filename!r}, which overlaps another entry or has something beside it")
        position = following
    if position != index_offset:
        raise refuse("has something before its index")


def _raw_name(info: zipfile.ZipInfo) -> bytes:
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member | None:
    if "\0" in info.orig_filename:  # zipfile cuts the name there
        raise refuse(f"holds {info.orig_filename!r}, a name with a NUL")
    mode = info.external_attr >> 16 if info.create_system == 3 else 0  # 3: the mode is a Unix one (4.4.2)
    kind = stat.S_IFMT(mode)
    path = info.orig_filename
    if path.endswith("/"):
        if info.file_size or kind not in {0, stat.S_IFDIR}:
            raise refuse(f"holds the folder {path!r} with content")
        return None if path == "./" else Member(path=path.rstrip("/"), kind="folder")
    if kind == stat.S_IFLNK:
        if info.file_size > _MAX_LINK_BYTES:
            raise refuse(f"holds the link {path!r} with too long a target")
        return Member(path=path, kind="link", link=archive.read(info).decode())
    if kind not in {0, stat.S_IFREG}:
        raise refuse(f"holds {path!r}, which is neither a file, a folder nor a symbolic link")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise refuse(f"holds {path!r}, which is setuid or setgid")
    return Member(path=path, kind="file", size_bytes=info.file_size, executable=bool(mode & stat.S_IXUSR))


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, member: Member) -> Iterator[bytes]:
    if member.kind != "file":
        return
    size = 0
    with _zip_errors(), archive.open(info) as entry:
        while chunk := entry.read(CHUNK_BYTES):
            size += len(chunk)
            yield chunk
    if size != info.file_size:
        raise refuse(f"holds {member.path!r} with another size than its index says")
