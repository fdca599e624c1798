"""Archives that want to eat memory or time: refused by a child that has little of either."""

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import sys
import tarfile
import zlib

import pytest
import zstandard

from tests.simulators.crafted_tar import END, header, long_name, member, pax, record
from tests.simulators.crafted_zip import Entry, Said, crafted

# The interpreter with this program takes some 100 MB of address space, xz up to 65 MB more (-9), zstd its window.
ADDRESS_SPACE_BYTES = 512 << 20
CPU_SECONDS = 60  # against loops without an end; what these take is a few
LARGE = Said(size=1 << 31)
CHILD = """
import resource, sys
from pathlib import Path
from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Limits
from pipeline.system.archives import FileArchiver
space, seconds = int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_AS, (space, space))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
archive = Path(sys.argv[1])
try:
    FileArchiver(Limits(ratio_from_bytes=16 << 20)).unpack(archive, archive.parent / "box" / "out")
except IntegrityError as error:
    print(error.message)
    sys.exit(7)
"""


def in_a_small_child(folder, name, data):
    """Return what a child with little memory says of an archive, and assert that it leaves nothing."""
    (folder / "box").mkdir()
    (folder / name).write_bytes(data)
    argv = [sys.executable, "-c", CHILD, folder / name, str(ADDRESS_SPACE_BYTES), str(CPU_SECONDS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr[-2000:]
    assert list((folder / "box").iterdir()) == []
    return done.stdout


def zeros(opened):
    """Write 256 MiB of zeros as one tar member into something that compresses."""
    opened.write(header("zeros", size=1 << 28))
    for _ in range(1 << 8):
        opened.write(bytes(1 << 20))
    opened.write(END)


def gzip_bomb():
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=9) as opened:
        zeros(opened)
    return sink.getvalue()


def bzip2_bomb():
    return bz2.compress(member("zeros", bytes(64 << 20)) + END)


def xz_bomb():
    return lzma.compress(member("zeros", bytes(64 << 20)) + END, preset=0)


def zstd_bomb():
    """Frames of run-length blocks, 4 bytes for 128 KiB."""
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", (1 << 17) << 3 | 1 << 1 | 1)[:3] + b"\0"
    frame = b"\x28\xb5\x2f\xfd\0\x38" + block * 1023 + last
    return zstandard.ZstdCompressor().compress(header("zeros", size=1 << 40)) + frame * 64


def zip_bomb():
    deflater = zlib.compressobj(9, wbits=-15)
    packed = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(1 << 8)) + deflater.flush()
    entry = Entry(b"zeros", b"", stored=packed)
    entry.local.size = entry.central.size = 1 << 28
    return crafted(entry)


def repeated(block, times):
    """Return many copies of some tar blocks, compressed."""
    return zstandard.ZstdCompressor().compress(block * times + END)


BOMBS = {
    "zeros in gzip": ("a.tar.gz", gzip_bomb),
    "zeros in bzip2": ("a.tar.bz2", bzip2_bomb),
    "zeros in xz": ("a.tar.xz", xz_bomb),
    "run-length blocks in zstd": ("a.tar.zst", zstd_bomb),
    "zeros in a zip": ("a.zip", zip_bomb),
    "a size that is not true in a zip": ("a.zip", lambda: crafted(Entry(b"f", b"x", local=LARGE, central=LARGE))),
    "long names": ("a.tar", lambda: (long_name("n" * 900) + member("f")) * 120_000 + END),
    "names of a megabyte": ("a.tar.zst", lambda: repeated(long_name("n" * (1 << 20 - 1)) + member("f"), 200)),
    "pax headers of a megabyte": ("a.tar.zst", lambda: repeated(pax(record("comment", "c" * 900_000)), 400)),
    "headers for all without an end": ("a.tar.zst", lambda: repeated(pax(kind=tarfile.XGLTYPE), 400_000)),
    "more entries than there may be": ("a.tar.zst", lambda: repeated(member("f"), 150_000)),
    "deep folders": ("a.tar.zst", lambda: _entries(lambda n: "/".join([f"{n}", *["d"] * 120]), 5_000)),
    "many links into each other": ("a.tar.zst", lambda: _links(20_001)),
    "links that go far": ("a.tar.zst", lambda: _far_links(15_000)),
    "links that go far through others": ("a.tar.zst", lambda: _winding_links(19_000)),
    "an index of many entries": ("a.zip", lambda: _bare_index(1 << 20)),
    "an end record that promises more": ("a.zip", lambda: crafted(end={"here": 65_535, "total": 65_535})),
    "empty gzip members": ("a.tar.gz", lambda: gzip.compress(b"") * 150_000),
    "empty bzip2 streams": ("a.tar.bz2", lambda: bz2.compress(b"") * 150_000),
    "empty zstd frames": ("a.tar.zst", lambda: zstandard.ZstdCompressor().compress(b"") * 150_000),
    "skippable zstd frames": ("a.tar.zst", lambda: struct.pack("<LL", 0x184D2A50, 0) * 150_000),
    "empty zstd blocks": ("a.tar.zst", lambda: b"\x28\xb5\x2f\xfd\0\x38" + bytes(3) * 1_500_000 + b"\1\0\0"),
    "zeros after the end": ("a.tar.gz", lambda: gzip.compress(member("f") + bytes(64 << 20))),
}  # fmt: skip


def _entries(name, count):
    tar = b"".join(pax(record("path", name(n))) + member("f") for n in range(count))
    return zstandard.ZstdCompressor().compress(tar + END)


def _links(count):
    tar = b"".join(header(f"l{n}", kind=tarfile.SYMTYPE, linkname=f"l{n + 1}") for n in range(count))
    return zstandard.ZstdCompressor().compress(tar + END)


def _far_links(count):
    """Links with targets of 500 names; the last one leads out."""
    far = pax(record("linkpath", "d/" * 450 + "f"))
    tar = b"".join(far + header(f"l{n}", kind=tarfile.SYMTYPE, linkname="f") for n in range(count))
    return zstandard.ZstdCompressor().compress(tar + header("out", kind=tarfile.SYMTYPE, linkname="..") + END)


def _winding_links(count):
    """Links of which each leads through 30 others, with 100 names each."""
    way = [header(f"w{n}", kind=tarfile.SYMTYPE, linkname="d/" * 40 + "../" * 40 + f"w{n + 1}") for n in range(30)]
    tar = b"".join((*way, *(header(f"l{n}", kind=tarfile.SYMTYPE, linkname="w0") for n in range(count))))
    return zstandard.ZstdCompressor().compress(tar + END)


def _bare_index(count):
    record_ = Entry(b"f").central_bytes(0) * count
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(record_), 100, 0)
    return b"PK\3\4" + bytes(96) + record_ + end


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's")
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, case):
    name, make = BOMBS[case]
    assert in_a_small_child(tmp_path, name, make()).startswith(f"{name} ")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's")
def test_the_child_is_small_indeed(tmp_path):
    """The limit bites: without it the tests above would show nothing."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({ADDRESS_SPACE_BYTES},) * 2); bytes(1 << 30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"MemoryError" in done.stderr
