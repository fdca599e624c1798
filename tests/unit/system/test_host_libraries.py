"""The loader's cache, written here in glibc's format (sysdeps/generic/dl-cache.h), and this machine's own."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from pipeline.system.host_libraries import Libraries, find_libraries, parse_cache

X86, I386, ARM = 0x0303, 0x0003, 0x0A03


def cache(*entries: tuple[str, str, int], old: bytes = b"") -> bytes:
    """Return a cache file of (name, path, flags); offsets of texts count from the new format's header."""
    head = 48 + 24 * len(entries)
    texts, packed = b"", b""
    for name, path, flags in entries:
        key = head + len(texts)
        texts += name.encode() + b"\0"
        packed += struct.pack("<iIIIQ", flags, key, head + len(texts), 0, 0)
        texts += path.encode() + b"\0"
    return old + struct.pack("<20sII20x", b"glibc-ld.so.cache1.1", len(entries), len(texts)) + packed + texts


ENTRIES = (
    ("libz.so.1", "/lib/x86_64-linux-gnu/libz.so.1", X86),
    ("libz.so.1", "/lib/i386-linux-gnu/libz.so.1", I386),
    ("libonly32.so.1", "/lib/i386-linux-gnu/libonly32.so.1", I386),
    ("libgomp.so.1", "/lib/x86_64-linux-gnu/libgomp.so.1", X86),
)


@pytest.mark.parametrize("old", [b"", b"ld.so-1.7.0\0" + b"\0" * 36])
def test_libraries_of_the_machine_are_read_in_both_formats(old):
    assert parse_cache(cache(*ENTRIES, old=old), machine="x86_64") == {
        "libz.so.1": "/lib/x86_64-linux-gnu/libz.so.1",
        "libgomp.so.1": "/lib/x86_64-linux-gnu/libgomp.so.1",
    }


@pytest.mark.parametrize("data", [b"", b"glibc-ld.so.cache1.1", cache(*ENTRIES)[:70], b"another file"])
def test_another_file_is_no_cache(data):
    assert parse_cache(data, machine="x86_64") == {}


def test_a_machine_whose_flags_are_not_known_has_no_list():
    assert parse_cache(cache(*ENTRIES), machine="riscv64") == {}


def test_offsets_that_lead_nowhere_are_passed_over():
    data = bytearray(cache(*ENTRIES))
    struct.pack_into("<I", data, 48 + 4, 1 << 31)
    assert "libgomp.so.1" in parse_cache(bytes(data), machine="x86_64")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the cache is written for x86-64")
def test_folders_and_the_user_s_path_add_to_the_cache(tmp_path):
    (tmp_path / "etc").mkdir()
    path = "/usr/lib/libstdc++.so.6"
    (tmp_path / "etc/ld.so.cache").write_bytes(cache(*ENTRIES, ("libstdc++.so.6", path, X86)))
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libstdc++.so.6").symlink_to("libstdc++.so.6.0.30")
    (tmp_path / "usr/lib/libstdc++.so.6.0.30").touch()
    (tmp_path / "usr/lib/libmine.so.2").touch()
    (tmp_path / "usr/lib/readme.txt").touch()
    (tmp_path / "own").mkdir()
    (tmp_path / "own/libown.so").touch()
    found = find_libraries({"LD_LIBRARY_PATH": str(tmp_path / "own")}, tmp_path)
    assert found.libstdcxx == "3.4.30"
    assert found.names == (
        "libgomp.so.1", "libmine.so.2", "libown.so", "libstdc++.so.6", "libstdc++.so.6.0.30", "libz.so.1",
    )  # fmt: skip


def test_a_musl_system_has_no_cache_and_its_folders_are_read(tmp_path):
    (tmp_path / "lib").mkdir()
    for name in ("ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"):
        (tmp_path / "lib" / name).touch()
    found = find_libraries({}, tmp_path)
    assert found == Libraries(("ld-musl-x86_64.so.1", "libc.musl-x86_64.so.1"))


def test_without_a_cache_nothing_is_known(tmp_path):
    assert find_libraries({}, tmp_path) == Libraries()


@pytest.mark.skipif(not Path("/etc/ld.so.cache").exists(), reason="no cache on this machine")
def test_this_machine_s_own_cache_is_read():
    found = find_libraries({})
    assert found.names is not None
    assert "libc.so.6" in found.names
