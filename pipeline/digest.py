"""Digests: of streams, of canonical JSON, and of trees of files.

A tree's identity is the sha256 over its sorted entries, so that the same files give the same digest however they were
packed, copied or installed.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable

CHUNK_BYTES = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Made once: ``json.dumps`` makes one for each call, which costs more than what it writes of a file's entry.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_TREE_HEADER = b"engine-pipeline tree v1\n"


class ListedFile(Protocol):
    """One file or link of a tree, as ``model.tree.TreeEntry`` describes it."""

    @property
    def path(self) -> str:
        """POSIX, relative, no dot segments."""
        ...

    @property
    def mode(self) -> int:
        """Permission bits."""
        ...

    @property
    def size_bytes(self) -> int:
        """Size of the file, 0 for a link."""
        ...

    @property
    def sha256(self) -> str | None:
        """Digest of the file, None for a link."""
        ...

    @property
    def link(self) -> str | None:
        """Target of a link, None for a file."""
        ...


def is_sha256(text: str) -> bool:
    """Tell whether ``text`` is a sha256 in lower-case hex."""
    return _SHA256.fullmatch(text) is not None


def sha256_bytes(data: bytes) -> str:
    """Return the sha256 of ``data`` in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: BinaryIO) -> tuple[str, int]:
    """Read ``stream`` to its end; return (sha256 in lower-case hex, size in bytes)."""
    digest = hashlib.sha256()
    size = 0
    while chunk := stream.read(CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def canonical_json(value: object) -> bytes:
    """Return the one JSON spelling of a value of dict, list, str, int, bool and None: sorted keys, no spaces, UTF-8.

    Floats have no canonical spelling and are refused.
    """
    _refuse_floats(value)
    return _encode(value).encode()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("a float has no canonical spelling")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)


def key_of(kind: Literal["step", "toolchain", "request", "libraries", "content"], value: object) -> str:
    """Return the sha256 of a value's canonical JSON, in a domain of its own."""
    return sha256_bytes(f"engine-pipeline {kind} v1\n".encode() + canonical_json(value))


def tree_digest(entries: Iterable[ListedFile]) -> str:
    """Return the digest over (path, mode, size, sha256, link target) of entries, in POSIX byte order of their paths."""
    digest = hashlib.sha256(_TREE_HEADER)
    for entry in sorted(entries, key=lambda e: e.path.encode()):
        fields = [entry.path, entry.mode, entry.size_bytes, entry.sha256, entry.link]
        digest.update(_encode(fields).encode() + b"\n")
    return digest.hexdigest()


def require_digest(*, what: str, expected: str, found: str) -> None:
    """Refuse bytes whose sha256 is not the expected one.

    Raises:
        IntegrityError: the digests differ; both are named.
    """
    if expected != found:
        raise IntegrityError(
            f"{what}: sha256 is {found}, expected {expected}",
            hint="the file was changed or is not the one that was pinned; nothing of it was used",
        )
