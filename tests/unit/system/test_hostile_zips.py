"""Zip archives that say one thing to one program and another to the next: refused whole."""

import io
import struct
import zipfile
import zlib

import pytest

from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Limits
from pipeline.system.archives import FileArchiver
from tests.simulators.crafted_zip import Entry, Said, crafted, extra, zip64

FILE = Entry(b"f", b"f" * 500)
OTHER = Entry(b"g", b"g" * 500)
CRC = zlib.crc32(FILE.data)
PACKED, SIZE = len(FILE.packed), len(FILE.data)


def streamed(descriptor, **said):
    return Entry(b"f", FILE.data, flags=8, local=Said(crc=0, packed=0, size=0), descriptor=descriptor, **said)


def wide(*numbers):
    return extra(1, struct.pack(f"<{len(numbers)}Q", *numbers))


INNER = crafted(Entry(b"inner", b"i"))

HOSTILE = {
    "duplicate in the index": crafted(FILE, Entry(b"f", b"other")),
    "index names one entry twice": crafted(FILE, Entry(b"f", FILE.data, offset=0)),
    "fewer in the end record": crafted(FILE, OTHER, end={"here": 1, "total": 1}),
    "more in the end record": crafted(FILE, end={"here": 2, "total": 2}),
    "split": crafted(FILE, end={"disk": 1, "start_disk": 1}),
    "part of the entries": crafted(FILE, OTHER, end={"here": 1}),
    "data before": crafted(FILE, before=b"MZ"),
    "data before, offsets from after it": b"MZ" + crafted(FILE),
    "data between index and end": crafted(FILE, gap=b"x"),
    "data between entries": crafted(Entry(b"f", FILE.data, descriptor=b"junk"), OTHER),
    "entry that the index does not have": crafted(Entry(b"f", FILE.data, descriptor=OTHER.local_bytes())),
    "two end records": crafted(FILE, comment=b"x" * 3 + crafted(OTHER)),
    "comment that looks like an end record": crafted(FILE, comment=b"PK\5\6"),
    "entry that hides another archive's end": crafted(
        Entry(b"f", INNER[:-2] + struct.pack("<H", 46 + 1 + 22), method=0, central=Said())
    ),
    "comment longer than the file": crafted(FILE)[:-2] + b"\5\0",
    "no entry at the offset": crafted(FILE, Entry(b"g", OTHER.data, offset=3)),
    "overlapping entries": crafted(Entry(b"f", FILE.data, central=Said(packed=PACKED + 40)), OTHER),
    "other name": crafted(Entry(b"f", FILE.data, local=Said(name=b"../f"))),
    "other name with a NUL": crafted(Entry(b"f\0.txt", b"")),
    "other crc": crafted(Entry(b"f", FILE.data, local=Said(crc=1))),
    "other size": crafted(Entry(b"f", FILE.data, local=Said(size=1))),
    "other packed size": crafted(Entry(b"f", FILE.data, local=Said(packed=1))),
    "other method": crafted(Entry(b"f", FILE.data, local=Said(method=0))),
    "other flags": crafted(Entry(b"f", FILE.data, local=Said(flags=0x800))),
    "both sizes too small": crafted(Entry(b"f", FILE.data, local=Said(size=9), central=Said(size=9))),
    "both sizes too large": crafted(Entry(b"f", FILE.data, local=Said(size=999), central=Said(size=999))),
    "both checksums wrong": crafted(Entry(b"f", FILE.data, local=Said(crc=1), central=Said(crc=1))),
    "stored with two sizes": crafted(
        Entry(b"f", FILE.data, method=0, stored=FILE.data + b"more", local=Said(size=SIZE), central=Said(size=SIZE))
    ),
    "data after the compressed stream": crafted(Entry(b"f", FILE.data, stored=FILE.packed + b"more")),
    "data long after the compressed stream": crafted(Entry(b"f", FILE.data, stored=FILE.packed + bytes(1 << 18))),
    "compressed stream without an end": crafted(Entry(b"f", FILE.data, stored=FILE.packed[:-2])),
    "no compressed stream": crafted(Entry(b"f", b"", stored=b"")),
    "descriptor with another crc": crafted(streamed(struct.pack("<4s3L", b"PK\7\x08", 1, PACKED, SIZE))),
    "descriptor with another size": crafted(streamed(struct.pack("<3L", CRC, PACKED, 1))),
    "descriptor with another signature": crafted(streamed(struct.pack("<4s3L", b"PK\1\2", CRC, PACKED, SIZE))),
    "no descriptor": crafted(streamed(b"")),
    "descriptor of no known length": crafted(streamed(bytes(18))),
    "descriptor that nobody announced": crafted(
        Entry(b"f", FILE.data, descriptor=struct.pack("<4s3L", b"PK\7\x08", CRC, PACKED, SIZE))
    ),
    "encrypted": crafted(Entry(b"f", FILE.data, flags=1)),
    "strongly encrypted": crafted(Entry(b"f", FILE.data, flags=0x41)),
    "masked headers": crafted(Entry(b"f", FILE.data, flags=0x2000)),
    "patched data": crafted(Entry(b"f", FILE.data, flags=0x20)),
    "AES": crafted(Entry(b"f", FILE.data, central=Said(extra=extra(0x9901, bytes(7))))),
    "a later format": crafted(Entry(b"f", FILE.data, needed=98)),
    "deflate64": crafted(Entry(b"f", FILE.data, method=9)),
    "lzma": crafted(Entry(b"f", FILE.data, method=14)),
    "unicode path in the index": crafted(
        Entry(b"f", b"", central=Said(extra=extra(0x7075, b"\1" + struct.pack("<L", zlib.crc32(b"f")) + b"../f")))
    ),
    "unicode path in the file": crafted(Entry(b"f", b"", local=Said(extra=extra(0x7075, b"\1" + bytes(4) + b"../f")))),
    "extra field cut short": crafted(Entry(b"f", b"", central=Said(extra=b"\1\0\x08\0abc"))),
    "extra field with a tail": crafted(Entry(b"f", b"", local=Said(extra=extra(9, b"") + b"ab"))),
    "zip64 sizes missing": crafted(Entry(b"f", FILE.data, central=Said(size=0xFFFFFFFF))),
    "zip64 sizes that differ": crafted(
        Entry(b"f", FILE.data, local=Said(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=wide(SIZE + 1, PACKED)))
    ),
    "zip64 sizes twice": crafted(
        Entry(b"f", FILE.data, central=Said(size=0xFFFFFFFF, extra=wide(SIZE) + wide(SIZE)))
    ),
    "zip64 offset far away": crafted(
        Entry(b"f", FILE.data, offset=0xFFFFFFFF, central=Said(extra=wide(1 << 60)))
    ),
    "zip64 end elsewhere": zip64(FILE, locator_offset=0),
    "zip64 end with another count": zip64(FILE, record={"total": 2}),
    "zip64 end with another offset": zip64(FILE, record={"offset": 1}),
    "zip64 end on another disk": zip64(FILE, record={"disk": 1}),
    "zip64 end with a longer record": zip64(FILE, record={"own": 60}),
    "two end records that differ": zip64(FILE)[:-12] + struct.pack("<HLLH", 3, 0xFFFFFFFF, 0xFFFFFFFF, 0),
    "name of unknown encoding": crafted(Entry("ä".encode("cp437"))),
    "name that is no utf-8": crafted(Entry(b"\xff", flags=0x800)),
    "folder with two slashes": crafted(Entry(b"a//", mode=0o040755)),
    "folder by its attributes alone": crafted(Entry(b"a", attributes=0x10, system=0)),
    "folder by its mode alone": crafted(Entry(b"a", mode=0o040755)),
    "file by its mode alone": crafted(Entry(b"a/", mode=0o100644)),
    "link by a mode of another system": crafted(Entry(b"a", b"b", mode=0o120777, system=0)),
    "link whose target is no utf-8": crafted(Entry(b"a", b"\xff", mode=0o120777)),
    "fifo": crafted(Entry(b"a", mode=0o010644)),
    "socket": crafted(Entry(b"a", mode=0o140644)),
    "setgid": crafted(Entry(b"a", mode=0o102755)),
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    (tmp_path / "box").mkdir()
    return tmp_path


def unpack(place, data, limits=None):
    (place / "a.zip").write_bytes(data)
    archiver = FileArchiver() if limits is None else FileArchiver(limits)
    return archiver.unpack(place / "a.zip", place / "box" / "dest")


@pytest.mark.parametrize("case", HOSTILE)
def test_a_zip_that_contradicts_itself_is_refused_whole(place, case):
    with pytest.raises(IntegrityError, match=r"^a\.zip "):
        unpack(place, HOSTILE[case])
    assert list((place / "box").iterdir()) == []


FINE = {
    "two entries": crafted(FILE, OTHER),
    "stored": crafted(Entry(b"f", FILE.data, method=0)),
    "comment": crafted(FILE, comment=b"made by somebody"),
    "descriptor": crafted(streamed(struct.pack("<4s3L", b"PK\7\x08", CRC, PACKED, SIZE))),
    "descriptor without signature": crafted(streamed(struct.pack("<3L", CRC, PACKED, SIZE))),
    "wide descriptor": crafted(streamed(struct.pack("<4sL2Q", b"PK\7\x08", CRC, PACKED, SIZE))),
    "zip64 sizes": crafted(
        Entry(
            b"f",
            FILE.data,
            local=Said(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=wide(SIZE, PACKED)),
            central=Said(size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=wide(SIZE, PACKED)),
        )
    ),
    "zip64 end": zip64(FILE, OTHER),
    "time stamps": crafted(Entry(b"f", FILE.data, local=Said(extra=extra(0x5455, b"\1abcd") + b"\0\0"))),
    "utf-8 name": crafted(Entry("ä".encode(), FILE.data, flags=0x800)),
}  # fmt: skip


@pytest.mark.parametrize("case", FINE)
def test_what_zip_programs_really_write_is_read_as_zipfile_reads_it(place, case):
    unpack(place, FINE[case])
    with zipfile.ZipFile(io.BytesIO(FINE[case])) as archive:
        expected = {info.filename: archive.read(info) for info in archive.infolist()}
    assert {path.name: path.read_bytes() for path in (place / "box/dest").iterdir()} == expected


def test_an_empty_zip_is_an_empty_folder(place):
    assert unpack(place, crafted()) == 0


def test_a_zip_within_a_zip_stays_a_file(place):
    unpack(place, crafted(Entry(b"inner.zip", crafted(FILE), method=0)))
    assert (place / "box/dest/inner.zip").read_bytes() == crafted(FILE)


def test_many_entries_over_the_same_bytes_are_refused(place):
    # After David Fifield's overlapping bomb (2019): one kernel of data, quoted by every entry.
    kernel = Entry(b"0", bytes(1 << 20))
    entries = [kernel, *(Entry(str(n).encode(), kernel.data, stored=b"", offset=0) for n in range(1, 200))]
    with pytest.raises(IntegrityError):
        unpack(place, crafted(*entries))
    assert list((place / "box").iterdir()) == []


def test_a_size_beyond_the_limit_is_refused_by_the_index_alone(place):
    with pytest.raises(IntegrityError, match="more than"):
        unpack(place, crafted(Entry(b"f", bytes(3 << 20))), Limits(total_bytes=1 << 20))
