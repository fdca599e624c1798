"""Reading zip archives (wheels too), strictly.

zipfile alone accepts bytes before and after the archive, entries that overlap, two entries of one name, and data after
the compressed stream; it turns links into text files and drops exec bits. So only zlib is used of the standard library.
"""

from __future__ import annotations

import os
import stat
import zlib
from typing import TYPE_CHECKING, BinaryIO

from pipeline.system.archive_members import Limits, Member, judge_size, refuse, require_short
from pipeline.system.portable_names import MAX_PATH_BYTES
from pipeline.system.zip_index import DEFLATED, ZipEntry, read_index

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 1 << 17
_UNPACKED_PIECE_BYTES = 1 << 20
_UNIX = 3
_DOS_FOLDER = 0x10


def read_zip(stream: BinaryIO, *, limits: Limits) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Yield each member with its bytes, in the order in which they stand in the file.

    Bytes that are not taken are checked all the same.

    Raises:
        IntegrityError: the archive is malformed, encrypted, compressed by other means than deflate, has anything
            before, between or after its entries, or its two indexes disagree.
    """
    packed_bytes = stream.seek(0, os.SEEK_END)
    entries = list(read_index(stream, limits=limits))
    judge_size(total_bytes=sum(entry.size_bytes for entry in entries), packed_bytes=packed_bytes, limits=limits)
    for entry in entries:
        content = _content(stream, entry)
        member = _member(entry, content)
        if member is not None:
            yield member, content
        for _ in content:
            pass


def _member(entry: ZipEntry, content: Iterator[bytes]) -> Member | None:
    path = require_short(entry.name)
    mode = entry.attributes >> 16
    kind = stat.S_IFMT(mode)
    if entry.system != _UNIX:
        if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise refuse(f"holds {path!r}, which is a file to some programs and something else to others")
        mode = 0
        kind = 0
    if path.endswith("/"):
        if entry.size_bytes or kind not in {0, stat.S_IFDIR}:
            raise refuse(f"holds the folder {path!r} with content")
        return None if path == "./" else Member(path=path[:-1], kind="folder")
    if kind == stat.S_IFDIR or entry.attributes & _DOS_FOLDER:
        raise refuse(f"holds {path!r}, a folder with the name of a file")
    if kind == stat.S_IFLNK:
        if entry.size_bytes > MAX_PATH_BYTES:
            raise refuse(f"holds the link {path!r} with too long a target")
        return Member(path=path, kind="link", link=_link_target(path, content))
    if kind not in {0, stat.S_IFREG}:
        raise refuse(f"holds {path!r}, which is neither a file, a folder nor a symbolic link")
    if mode & (stat.S_ISUID | stat.S_ISGID):
        raise refuse(f"holds {path!r}, which is setuid or setgid")
    return Member(path=path, kind="file", size_bytes=entry.size_bytes, executable=bool(mode & stat.S_IXUSR))


def _link_target(path: str, content: Iterator[bytes]) -> str:
    try:
        return b"".join(content).decode()
    except UnicodeDecodeError as error:
        raise refuse(f"holds the link {path!r}, whose target is no clean UTF-8") from error


def _content(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    """Yield an entry's bytes; at the end size and checksum were right and nothing was left over."""
    crc = size = 0
    for piece in _inflated(stream, entry) if entry.method == DEFLATED else _stored(stream, entry):
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        if size > entry.size_bytes:
            break
        yield piece
    if (size, crc) != (entry.size_bytes, entry.crc):
        raise refuse(f"holds {entry.name!r} with another size or checksum than its index says")


def _stored(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    position, end = entry.data_offset, entry.data_offset + entry.packed_bytes
    while position < end:
        stream.seek(position)
        piece = stream.read(min(_PIECE_BYTES, end - position))
        if not piece:
            raise refuse("is cut short in the middle of an entry")
        position += len(piece)
        yield piece


def _inflated(stream: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
    left_over = False
    try:
        for packed in _stored(stream, entry):
            rest = packed
            while rest and not inflater.eof:
                if piece := inflater.decompress(rest, _UNPACKED_PIECE_BYTES):
                    yield piece
                rest = inflater.unconsumed_tail
            left_over = bool(rest or inflater.unused_data)
            if left_over:
                break
        if piece := inflater.flush():
            yield piece
    except zlib.error as error:
        raise refuse(f"holds {entry.name!r} with damaged data: {error}") from error
    if left_over or not inflater.eof:
        raise refuse(f"holds {entry.name!r}, whose data ends too early or goes on after its end")
