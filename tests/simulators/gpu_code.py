"""GPU code for tests: fat binaries of CUDA, bundles of HIP, and the libraries that they lie in.

Layouts: of a fat binary as nvcc writes it (tests/fixtures/binaries/gpu-code); of a bundle clang's document "Clang
Offload Bundler", bundled binary file layout; of a compressed one RawCompressedBundleHeader in LLVM's
lib/Object/OffloadBundle.cpp; of files the System V gABI and Microsoft's "PE Format".
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

import zstandard

from tests.simulators.binaries import FIXTURES

GPU_CODE = FIXTURES / "gpu-code"
PTX, CUBIN, LTO = 1, 2, 8
HOST = "host-x86_64-unknown-linux-gnu-"
DEVICE = "hipv4-amdgcn-amd-amdhsa--"
_SUFFIXES = {"": 0, "a": 1 << 20, "f": 1 << 21}
_SECTION, _PE_SECTION = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<8sIIII12xI")
_ALIGNMENT = 512


class Code(NamedTuple):
    """One entry of a fat binary."""

    architecture: int
    kind: int = CUBIN
    suffix: str = ""
    size: int = 24


def fat_binary(*entries: Code, header_bytes: int = 64) -> bytes:
    """Return a fat binary with entries whose code is nothing but bytes."""
    body = b""
    for code in entries:
        head = struct.pack("<HHIQ", code.kind, 0x101, header_bytes, code.size)
        head += struct.pack("<IIIIQQ", 0, 0, 0x10008, code.architecture, 0, 0x11 | _SUFFIXES[code.suffix])
        body += head.ljust(header_bytes, b"\0") + b"\xa5" * code.size
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body


def bundle(*names: str, code: bytes = b"code of a GPU", align: int = 4096) -> bytes:
    """Return a bundle with the given entry IDs after the host's, whose code is empty, as always."""
    head = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(names) + 1)
    size = len(head) + sum(24 + len(name) for name in (HOST, *names))
    content = b""
    for name in (HOST, *names):
        content += bytes(-(size + len(content)) % align)
        mine = b"" if name == HOST else code
        head += struct.pack("<QQQ", size + len(content), len(mine), len(name)) + name.encode()
        content += mine
    return head + content


def compressed(plain: bytes, *, version: int = 3, method: int = 1) -> bytes:
    """Return a bundle compressed with zlib (method 0) or zstd (1)."""
    packed = zlib.compress(plain) if method == 0 else zstandard.compress(plain)
    sizes = {1: "I", 2: "II", 3: "QQ"}[version]
    header_bytes = 8 + struct.calcsize(f"<{sizes}Q")
    numbers = (header_bytes + len(packed), len(plain))[-len(sizes) :]
    return struct.pack(f"<4sHH{sizes}Q", b"CCOB", version, method, *numbers, 0) + packed


def aligned(*bundles: bytes) -> bytes:
    """Return bundles as they stand in a section, each of them at a multiple of 4096 bytes."""
    return b"".join(one + bytes(-len(one) % 4096) for one in bundles)


def with_section(library: bytes, name: str, content: bytes) -> bytes:
    """Return an ELF (64 bits, little endian) or PE file with one more section."""
    return (_with_pe_section if library[:2] == b"MZ" else _with_elf_section)(library, name.encode(), content)


def elf(name: str, content: bytes) -> bytes:
    """Return an ELF file for x86_64 that has one section and nothing else."""
    names = b"\0.shstrtab\0"
    header = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 0, 75, 0, 64, 0, 56, 64, 2, 1)
    table = _SECTION.pack(1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    return _with_elf_section(header + names + bytes(_SECTION.size) + table, name.encode(), content)


def _with_elf_section(data: bytes, name: bytes, content: bytes) -> bytes:
    table_at = struct.unpack_from("<Q", data, 40)[0]
    count, names_index = struct.unpack_from("<HH", data, 60)
    headers = [list(_SECTION.unpack_from(data, table_at + index * _SECTION.size)) for index in range(count)]
    old = headers[names_index]
    names = data[old[4] : old[4] + old[5]] + name + b"\0"
    changed = bytearray(data)
    headers.append([old[5], 1, 2, 0, len(changed), len(content), 0, 0, 8, 0])
    changed += content
    old[4], old[5] = len(changed), len(names)
    changed += names
    struct.pack_into("<Q", changed, 40, len(changed))
    struct.pack_into("<H", changed, 60, len(headers))
    return bytes(changed) + b"".join(_SECTION.pack(*header) for header in headers)


def _with_pe_section(data: bytes, name: bytes, content: bytes) -> bytes:
    header = struct.unpack_from("<I", data, 0x3C)[0]
    count, optional_bytes = (
        struct.unpack_from("<H", data, header + 6)[0],
        struct.unpack_from("<H", data, header + 20)[0],
    )
    at = header + 24 + optional_bytes + 40 * count
    last = _PE_SECTION.unpack_from(data, at - 40)
    address = (last[2] + max(last[1], last[3]) + 4095) // 4096 * 4096
    changed = bytearray(data) + bytes(-len(data) % _ALIGNMENT)
    stored = content + bytes(-len(content) % _ALIGNMENT)
    assert not any(changed[at : at + 40]), "no room for one more section header"
    _PE_SECTION.pack_into(changed, at, name[:8], len(content), address, len(stored), len(changed), 0x40000040)
    struct.pack_into("<H", changed, header + 6, count + 1)
    struct.pack_into("<I", changed, header + 24 + 56, address + (len(content) + 4095) // 4096 * 4096)  # SizeOfImage
    return bytes(changed) + stored
