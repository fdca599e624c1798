"""Tar archives that say one thing to one program and another to the next, and streams that go on or stop: refused."""

import bz2
import gzip
import io
import lzma
import struct
import tarfile

import pytest
import zstandard

from pipeline.errors import IntegrityError
from pipeline.system.archives import FileArchiver
from tests.simulators.crafted_tar import END, header, long_name, member, pax, record, with_field, with_size

FILE = member("f", b"f" * 700)
SPARSE = b"S"

HOSTILE = {
    "negative size": with_size(header("f"), b"\xff" * 12) + END,
    "negative octal size": with_size(header("f"), b"-0000000001") + END,
    "size with a python prefix": with_size(header("f"), b"0o17") + END,
    "size with an underscore": with_size(header("f"), b"0000000_1") + END,
    "size with a sign": with_size(header("f"), b"+0000000001") + END,
    "huge base-256 size": with_size(header("f"), b"\x80" + b"\x7f" * 11) + END,
    "size beyond the end": header("f", size=1 << 40) + END,
    "folder with a size": header("d", size=512, kind=tarfile.DIRTYPE) + bytes(512) + END,
    "link with a size": header("l", size=512, kind=tarfile.SYMTYPE, linkname="f") + bytes(512) + END,
    "link with a folder's name": FILE + header("l/", kind=tarfile.SYMTYPE, linkname="f") + END,
    "pax size that hides an entry": pax(record("size", "2048")) + header("f", size=3) + FILE + bytes(1024) + END,
    "pax size that shows an entry": pax(record("size", "0")) + header("f", size=1536) + FILE + END,
    "pax size that is no number": pax(record("size", "1e3")) + FILE + END,
    "pax size with a unicode digit": pax(record("size", "٣")) + FILE + END,
    "two long names": long_name("a") + long_name("b") + FILE + END,
    "two long targets": long_name("a", b"K") + long_name("b", b"K") + header("l", kind=tarfile.SYMTYPE) + END,
    "pax and long name": pax(record("path", "a")) + long_name("b") + FILE + END,
    "long name and pax": long_name("b") + pax(record("path", "a")) + FILE + END,
    "two pax headers": pax(record("path", "a")) + pax(record("path", "b")) + FILE + END,
    "pax path that climbs": pax(record("path", "d/../../f")) + FILE + END,
    "pax target that climbs": pax(record("linkpath", "../f")) + header("l", kind=tarfile.SYMTYPE, linkname="f") + END,
    "pax path that is empty": pax(record("path", "")) + FILE + END,
    "pax path that is no utf-8": pax(record("path", b"\xff")) + FILE + END,
    "pax charset": pax(record("hdrcharset", "BINARY")) + FILE + END,
    "pax record longer than its header": pax(b"999 path=f\n") + FILE + END,
    "pax record with a length of zero": pax(b"0 path=f\n") + FILE + END,
    "pax record without a newline": pax(record("path", "f")[:-1] + b"x") + FILE + END,
    "GNU sparse 1.0 in pax": pax(record("GNU.sparse.major", "1"), record("GNU.sparse.name", "../f")) + FILE + END,
    "GNU sparse": header("f", kind=SPARSE) + END,
    "GNU dump of a folder": header("f", kind=b"D") + END,
    "GNU continuation of a volume": header("f", kind=b"M") + END,
    "GNU volume label": header("f", kind=b"V") + END,
    "global path": pax(record("path", "g"), kind=tarfile.XGLTYPE) + FILE + END,
    "global size": pax(record("size", "0"), kind=tarfile.XGLTYPE) + FILE + END,
    "global sparse": pax(record("GNU.sparse.major", "1"), kind=tarfile.XGLTYPE) + FILE + END,
    "long name that climbs": long_name("../" + "f" * 120) + FILE + END,
    "long name with a NUL": long_name("f\0g") + FILE + END,
    "long name without an entry": FILE + long_name("x" * 200) + END,
    "long name of a megabyte": long_name("x/" * (1 << 18)) + FILE + END,
    "prefix that climbs": with_field(header("f", form=tarfile.USTAR_FORMAT), 345, b"../..") + END,
    "name without an end": with_field(header("f"), 0, b"/" * 100) + END,
    "damaged checksum": FILE[:148] + b"000000\0 " + FILE[156:] + END,
    "damaged header after the first entry": FILE + bytes(100) + b"x" + bytes(411) + END,
    "text after the end": FILE + END + b"text",
    "another archive after the end": FILE + END + member("../evil") + END,
    "another archive after one empty block": FILE + bytes(512) + member("evil") + END,
    "no end": FILE,
    "end in a header": FILE + FILE[:100],
    "end in padding": FILE[:-1],
    "twenty megabytes of nothing after the end": FILE + bytes(20 << 20),
    "hard link to a file before it": FILE + header("g", kind=tarfile.LNKTYPE, linkname="f") + END,
    "hard link to a link out": header("l", kind=tarfile.SYMTYPE, linkname="../x")
    + header("g", kind=tarfile.LNKTYPE, linkname="l") + END,
    "link to a folder, then a file through it": header("d", kind=tarfile.DIRTYPE)
    + header("l", kind=tarfile.SYMTYPE, linkname="d") + member("l/f", b"x") + END,
    "link to a link to a folder, then a file through it": header("d", kind=tarfile.DIRTYPE)
    + header("l", kind=tarfile.SYMTYPE, linkname="m") + header("m", kind=tarfile.SYMTYPE, linkname="d")
    + member("l/f", b"x") + END,
    "link in the place of a folder, by another case": header("l", kind=tarfile.SYMTYPE, linkname=".")
    + member("L/f", b"x") + END,
    "two files, one of them a link": member("f", b"x") + header("f", kind=tarfile.SYMTYPE, linkname="g") + END,
    "folder of the root": header("/", kind=tarfile.DIRTYPE) + FILE + END,
    "folder without a name": with_field(header("d", kind=tarfile.DIRTYPE), 0, bytes(100)) + FILE + END,
    "contiguous file with the name of a folder": header("d/", kind=tarfile.CONTTYPE) + END,
    "setuid": header("f", mode=0o4755) + END,
    "setgid": header("f", mode=0o2755) + END,
}  # fmt: skip


def zst(data):
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKERS = {".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "box").mkdir()
    return tmp_path


def unpack(place, name, data):
    (place / name).write_bytes(data)
    return FileArchiver().unpack(place / name, place / "box" / "dest")


def refused(place, name, data):
    with pytest.raises(IntegrityError) as caught:
        unpack(place, name, data)
    assert caught.value.message.startswith(f"{name} ")
    assert list((place / "box").iterdir()) == []
    return caught.value.message


@pytest.mark.parametrize("case", HOSTILE)
def test_a_tar_that_contradicts_itself_is_refused_whole(place, case):
    refused(place, "a.tar", HOSTILE[case])


@pytest.mark.parametrize("case", sorted(case for case in HOSTILE if HOSTILE[case].endswith(END)))
def test_it_is_refused_as_a_layer_too(place, case):
    """Layers have no end blocks; nothing else may differ."""
    refused(place, "a.tar.zst", zst(HOSTILE[case].removesuffix(END)))


FINE = {
    "pax and an owner": pax(record("mtime", "1.5"), record("uname", "é")) + FILE + END,
    "a comment for all": pax(record("comment", "a" * 40), kind=tarfile.XGLTYPE) + FILE + END,
    "base-256 size": with_size(header("f", size=700), b"\x80" + bytes(9) + struct.pack(">H", 700)) + FILE[512:] + END,
    "size in spaces": with_size(header("f", size=700), b"    1274 \0") + FILE[512:] + END,
    "pax size instead of the header's": pax(record("size", "700")) + header("f") + FILE[512:] + END,
    "pax size beside the header's": pax(record("size", "700")) + FILE + END,
    "long name": long_name("f" * 120) + FILE + END,
    "old type of a file": header("f", size=700, kind=tarfile.AREGTYPE) + FILE[512:] + END,
    "old type of a folder": header("d/", kind=tarfile.AREGTYPE) + FILE + END,
    "blocking of GNU tar": FILE + bytes(20 * 512),
    "one empty block": FILE + bytes(512),
    "top folder": header("./", kind=tarfile.DIRTYPE) + member("./f", b"x") + END,
}  # fmt: skip


@pytest.mark.parametrize("case", FINE)
def test_what_tar_programs_really_write_is_read_as_tarfile_reads_it(place, case):
    unpack(place, "a.tar", FINE[case])
    with tarfile.open(fileobj=io.BytesIO(FINE[case])) as archive:
        files = {info.name.removeprefix("./"): archive.extractfile(info).read() for info in archive if info.isfile()}
    found = {path.name: path.read_bytes() for path in (place / "box/dest").iterdir() if path.is_file()}
    assert found == files


def gzip_with(data, *, crc=None, size=None, flags=0, extra=b""):
    """Return one gzip member (RFC 1952) with a trailer that may lie."""
    deflated = gzip.compress(data)[10:-8]
    true = gzip.compress(data)[-8:]
    trailer = struct.pack("<L", crc) if crc is not None else true[:4]
    trailer += struct.pack("<L", size) if size is not None else true[4:]
    return b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + extra + deflated + trailer


WHOLE = FILE + END
ZSTD_SKIPPABLE = struct.pack("<LL", 0x184D2A5F, 3) + b"abc"
STREAMS = {
    "gzip without trailer": ("a.tar.gz", gzip.compress(WHOLE)[:-8]),
    "gzip with half a trailer": ("a.tar.gz", gzip.compress(WHOLE)[:-3]),
    "gzip with another checksum": ("a.tar.gz", gzip_with(WHOLE, crc=1)),
    "gzip with another size": ("a.tar.gz", gzip_with(WHOLE, size=1)),
    "gzip with a reserved flag": ("a.tar.gz", gzip_with(WHOLE, flags=0x80)),
    "gzip with a header checksum that is wrong": ("a.tar.gz", gzip_with(WHOLE, flags=2, extra=b"\0\0")),
    "gzip with zeros after it": ("a.tar.gz", gzip.compress(WHOLE) + bytes(64)),
    "gzip whose second member is cut": ("a.tar.gz", gzip.compress(FILE) + gzip.compress(END)[:-1]),
    "gzip with a second archive": ("a.tar.gz", gzip.compress(WHOLE) + gzip.compress(WHOLE)),
    "gzip of a gzip": ("a.tar.gz", gzip.compress(gzip.compress(WHOLE))),
    "bzip2 with another checksum": ("a.tar.bz2", bz2.compress(WHOLE)[:-5] + b"abcd" + bz2.compress(WHOLE)[-1:]),
    "bzip2 whose second stream is cut": ("a.tar.bz2", bz2.compress(FILE) + bz2.compress(END)[:-2]),
    "xz without a check": ("a.tar.xz", lzma.compress(WHOLE)[:-12]),
    "xz with something after it": ("a.tar.xz", lzma.compress(WHOLE) + b"YZ"),
    "xz of the old format": ("a.tar.xz", lzma.compress(WHOLE, format=lzma.FORMAT_ALONE)),
    "xz that needs a gigabyte": (
        "a.tar.xz",
        lzma.compress(WHOLE, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mf": lzma.MF_HC4, "mode": 1}]),
    ),
    "zstd cut in its last block": ("a.tar.zst", zst(WHOLE)[:-6]),
    "zstd without its checksum": ("a.tar.zst", zst(WHOLE)[:-4]),
    "zstd with another checksum": ("a.tar.zst", zst(WHOLE)[:-4] + b"abcd"),
    "zstd with a skippable frame that is cut": ("a.tar.zst", zst(WHOLE) + ZSTD_SKIPPABLE[:-1]),
    "zstd that is all skippable": ("a.tar.zst", ZSTD_SKIPPABLE),
    "zstd with a magicless frame after it": ("a.tar.zst", zst(WHOLE) + zst(WHOLE)[4:]),
    "zstd with a reserved block": ("a.tar.zst", b"\x28\xb5\x2f\xfd\x20\x01\x07\0\0"),
    "zstd with a dictionary that nobody has": ("a.tar.zst", b"\x28\xb5\x2f\xfd\x23\1\0\0\0\1\x09\0\0a"),
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_that_is_not_whole_and_alone_is_refused(place, case):
    refused(place, *STREAMS[case])


@pytest.mark.parametrize("suffix", PACKERS)
def test_any_cut_of_a_stream_is_refused(place, suffix):
    data = PACKERS[suffix](WHOLE)
    for end in range(len(data)):
        refused(place, f"a{suffix}", data[:end])


def test_any_cut_of_a_layer_is_refused(place):
    data = zst(FILE)
    for end in range(len(data)):
        refused(place, "a.tar.zst", data[:end])


def test_nested_archives_stay_files(place):
    unpack(place, "a.tar.gz", gzip.compress(member("inner.tar.gz", gzip.compress(WHOLE)) + END))
    assert (place / "box/dest/inner.tar.gz").read_bytes() == gzip.compress(WHOLE)
