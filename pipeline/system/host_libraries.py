"""Shared libraries that the loader finds by itself, from glibc's cache and the folders; no program is started."""

from __future__ import annotations

import os
import platform
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CACHE = "etc/ld.so.cache"
_CACHE_BYTES = 16 << 20
_FOLDERS = ("lib", "usr/lib", "lib64", "usr/lib64")  # ld.so(8): the default path, after the cache
# glibc, sysdeps/generic/dl-cache.h and ldconfig.h: the header, an entry, and the flags of 64-bit libraries for libc 6.
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("<20sII20x")
_ENTRY = struct.Struct("<iIIIQ")
_FLAGS = {"x86_64": 0x0303, "amd64": 0x0303, "aarch64": 0x0A03, "arm64": 0x0A03}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,126}\.so(?:\.[A-Za-z0-9_.]+)?")
_MUSL_LOADER = "lib/ld-musl-*.so.1"  # musl's only place for it; musl keeps no cache
_LIBSTDCXX = "libstdc++.so.6"


class Libraries(NamedTuple):
    """What the loader finds.

    Attributes:
        names: sorted; None where it is not known.
        libstdcxx: newest GLIBCXX_ version of the system's libstdc++, None where it is not known.
    """

    names: tuple[str, ...] | None = None
    libstdcxx: str | None = None


def parse_cache(data: bytes, *, machine: str) -> dict[str, str]:
    """Read ``/etc/ld.so.cache``: library name to path, of 64-bit libraries of a machine; nothing from another format.

    Args:
        data: the file; the old format may stand before the new one.
        machine: as ``platform.machine`` says it.
    """
    start = data.find(_MAGIC)
    flags = _FLAGS.get(machine.lower())
    if start < 0 or flags is None or len(data) < start + _HEADER.size:
        return {}
    _, count, _ = _HEADER.unpack_from(data, start)
    first = start + _HEADER.size
    if first + count * _ENTRY.size > len(data):
        return {}
    found: dict[str, str] = {}
    for number in range(count):
        kind, key, value, _, _ = _ENTRY.unpack_from(data, first + number * _ENTRY.size)
        name = _text(data, start + key)
        if kind == flags and _NAME.fullmatch(name):
            found.setdefault(name, _text(data, start + value))
    return found


def find_libraries(environment: Mapping[str, str], root: Path = Path("/")) -> Libraries:
    """Return what the loader finds: in its cache, its default folders and LD_LIBRARY_PATH; on musl there is no cache.

    Args:
        environment: of the programs that will need libraries.
        root: of the system's files.
    """
    machine = platform.machine()
    try:
        with (root / _CACHE).open("rb") as stream:
            cached = parse_cache(stream.read(_CACHE_BYTES), machine=machine)
    except OSError:
        cached = {}
    if not cached and not any(root.glob(_MUSL_LOADER)):
        return Libraries()
    names = set(cached)
    named = [Path(folder) for folder in environment.get("LD_LIBRARY_PATH", "").split(":") if folder]
    multiarch = f"{machine}-linux-gnu"
    for folder in (*named, *(root / place / more for place in _FOLDERS for more in ("", multiarch))):
        names.update(_names_in(folder))
    return Libraries(tuple(sorted(names)), _libstdcxx(cached, root))


def _names_in(folder: Path) -> Iterator[str]:
    try:
        for name in os.listdir(folder):  # noqa: PTH208 - thousands of names, and no Path is needed
            if ".so" in name and _NAME.fullmatch(name):
                yield name
    except OSError:
        return


def _libstdcxx(cached: Mapping[str, str], root: Path) -> str | None:
    """Return the newest symbol version by the file's name: libstdc++.so.6.0.N offers GLIBCXX_3.4.N.

    GCC, libstdc++ manual, "ABI Policy and Guidelines", table of library and symbol versions.
    """
    path = cached.get(_LIBSTDCXX)
    real = (root / path.lstrip("/")).resolve().name if path else ""
    match = re.fullmatch(r"libstdc\+\+\.so\.6\.0\.(\d{1,3})", real)
    return f"3.4.{match[1]}" if match else None


def _text(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset, offset + 4096)
    return data[offset:end].decode("ascii", errors="replace") if 0 <= offset < end else ""
