"""Archives that mean harm, or are damaged: refused whole, with nothing written anywhere."""

import bz2
import gzip
import hashlib
import io
import lzma
import struct
import tarfile
import zipfile

import pytest
import zstandard

from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Limits, Member
from pipeline.system.archive_placing import FolderWriter
from pipeline.system.archives import FileArchiver
from tests.simulators.archive_lists import judge


def entry(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, type=kind, linkname=target)


def tar(*entries, form=tarfile.PAX_FORMAT):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=form) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


GOOD = tar(entry("d/f", b"x" * 3000), entry("last", b"y" * 700))

HOSTILE = {
    "absolute": tar(entry("/tmp/evil")),
    "parent": tar(entry("../evil")),
    "parent inside": tar(entry("a/../../evil")),
    "dot segment": tar(entry("a/./b")),
    "empty segment": tar(entry("a//b")),
    "empty name": tar(entry("")),
    "backslash": tar(entry("..\\evil")),
    "drive": tar(entry("c:/evil")),
    "drive below": tar(entry("a/c:evil")),
    "control character": tar(entry("a\x1bb")),
    "no utf-8": tar(entry("a\udcff"), form=tarfile.GNU_FORMAT),
    "reserved name": tar(entry("src/AUX.c")),
    "reserved name with spaces": tar(entry("nul  .txt")),
    "trailing dot": tar(entry("a./b")),
    "trailing space": tar(entry("a ")),
    "long name": tar(entry("x" * 256)),
    "long path": tar(entry("/".join(["x" * 200] * 6))),
    "duplicate": tar(entry("a", b"1"), entry("a", b"2")),
    "case twins": tar(entry("a/README"), entry("a/readme")),
    "case twins of folders": tar(entry("A/x"), entry("a/y")),
    "unicode twins": tar(entry("\u00e4"), entry("a\u0308")),
    "file as folder": tar(entry("a"), entry("a/b")),
    "file as folder, later": tar(entry("a/b"), entry("a")),
    "link as folder": tar(link("a", "b"), entry("a/f"), entry("b/g")),
    "absolute link": tar(link("a", "/etc/passwd")),
    "link out": tar(link("a", "../x")),
    "link out through a link": tar(link("d/up", ".."), link("d/out", "up/../../x")),
    "exit and re-entry": tar(entry("d/f"), link("l", "../dest/d/f")),
    "link loop": tar(link("a", "b"), link("b", "a")),
    "empty link": tar(link("a", "")),
    "hard link": tar(entry("a"), link("b", "a", tarfile.LNKTYPE)),
    "hard link out": tar(link("b", "/etc/passwd", tarfile.LNKTYPE)),
    "character device": tar(entry("a", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "block device": tar(entry("a", type=tarfile.BLKTYPE)),
    "fifo": tar(entry("a", type=tarfile.FIFOTYPE)),
    "unknown type": tar(entry("a", type=b"Z")),
    "setuid": tar(entry("a", mode=0o4755)),
    "setgid": tar(entry("a", mode=0o2755)),
    "global path": tar(entry("x", b"15 path=../evi\n", type=tarfile.XGLTYPE), entry("a")),
    "sparse": tar(entry("a", pax_headers={"GNU.sparse.major": "1"})),
    "pax size": tar(entry("a", pax_headers={"size": "-1"})),
    "pax absolute path": tar(entry("a", pax_headers={"path": "/evil"})),
    "pax nul in path": tar(entry("a", pax_headers={"path": "a\0b"})),
    "extension without entry": tar(entry("x", b"x", type=tarfile.GNUTYPE_LONGNAME)),
    "damaged pax record": tar(entry("x", b"99 path=a\n", type=tarfile.XHDTYPE), entry("a")),
    "two pax paths": tar(entry("x", b"9 path=a\n9 path=b\n", type=tarfile.XHDTYPE), entry("a")),
    "huge pax header": tar(entry("x", b"0" * (1 << 21), type=tarfile.XHDTYPE), entry("a")),
    "damaged header in the middle": GOOD[:3584] + b"\1" + GOOD[3585:],
    "data after the end": GOOD + b"x" * 512,
    "second archive after the end": GOOD + GOOD,
    "no end": GOOD[:512 + 3072 + 512 + 1024],
    "cut in a header": GOOD[:700],
    "cut in data": GOOD[:2000],
    "empty file": b"",
}  # fmt: skip


@pytest.fixture
def place(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "box").mkdir()
    return tmp_path


def refused(place, name, data, limits=None):
    archive = place / "in" / name
    archive.write_bytes(data)
    archiver = FileArchiver() if limits is None else FileArchiver(limits)
    with pytest.raises(IntegrityError) as caught:
        archiver.unpack(archive, place / "box" / "dest")
    assert caught.value.message.startswith(name)
    assert list((place / "box").iterdir()) == []
    assert sorted(path.name for path in place.iterdir()) == ["box", "in"]
    return caught.value.message


def test_the_archive_that_the_damaged_ones_are_made_from_is_fine(place):
    (place / "in/a.tar").write_bytes(GOOD)
    assert FileArchiver().unpack(place / "in/a.tar", place / "box/dest") == 2


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tar_is_refused_whole(place, case):
    refused(place, "a.tar.gz", gzip.compress(HOSTILE[case]))


def zst(data, **options):
    return zstandard.ZstdCompressor(write_checksum=True, **options).compress(data)


PACKERS = {".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress, ".tar.zst": zst}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("keep", [-1, -4, -9, 0.5, 12])
def test_a_compressed_stream_that_is_cut_short_is_refused(place, suffix, keep):
    data = PACKERS[suffix](GOOD)
    refused(place, f"a{suffix}", data[: int(len(data) * keep) if isinstance(keep, float) else keep])


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_compressed_stream_with_something_after_it_is_refused(place, suffix):
    refused(place, f"a{suffix}", PACKERS[suffix](GOOD) + b"garbage that nobody asked for")


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_flipped_byte_is_refused_or_changes_nothing(place, suffix):
    data = PACKERS[suffix](GOOD)
    wrong = 0
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 0x20
        archive = place / "in" / f"a{suffix}"
        archive.write_bytes(damaged)
        destination = place / "box" / f"d{position}"
        try:
            FileArchiver().unpack(archive, destination)
        except IntegrityError:
            wrong += 1
        else:  # bytes that mean nothing, such as gzip's time stamp
            assert (destination / "d/f").read_bytes() == b"x" * 3000
            assert (destination / "last").read_bytes() == b"y" * 700
    assert wrong


@pytest.mark.parametrize("suffix", PACKERS)
def test_several_compressed_streams_in_a_row_are_one_archive(place, suffix):
    pack = PACKERS[suffix]
    (place / "in" / f"a{suffix}").write_bytes(pack(GOOD[:1000]) + pack(GOOD[1000:]))
    assert FileArchiver().unpack(place / "in" / f"a{suffix}", place / "box/dest") == 2


def test_skippable_zstd_frames_are_skipped(place):
    skippable = struct.pack("<II", 0x184D2A51, 5) + b"hello"
    (place / "in/a.tar.zst").write_bytes(zst(GOOD[:512]) + skippable + zst(GOOD[512:]) + skippable)
    assert FileArchiver().unpack(place / "in/a.tar.zst", place / "box/dest") == 2


def test_a_zstd_window_that_would_eat_all_memory_is_refused(place):
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(GOOD) + compressor.flush()
    assert "window" in refused(place, "a.tar.zst", data)


@pytest.mark.parametrize("suffix", [".tar.xz", ".zip", ".tar", ".tar.zst"])
def test_a_name_that_says_another_format_than_the_content_is_refused(place, suffix):
    assert "something else" in refused(place, f"a{suffix}", gzip.compress(GOOD))


@pytest.mark.parametrize("name", ["a.rar", "a.gz", "a", "a.7z"])
def test_an_unknown_format_is_refused(place, name):
    assert "no supported format" in refused(place, name, gzip.compress(GOOD))


def test_a_bomb_is_refused_before_it_is_unpacked(place):
    bomb = gzip.compress(tar(entry("zeros", bytes(20 << 20))))
    limits = Limits(ratio=100, ratio_from_bytes=1 << 20)
    assert "more than 100 times" in refused(place, "a.tar.gz", bomb, limits)


def test_more_bytes_than_allowed_are_refused(place):
    assert "more than 2000 bytes" in refused(place, "a.tar", GOOD, Limits(total_bytes=2000))


def test_more_entries_than_allowed_are_refused(place):
    assert "more than 1 files and folders" in refused(place, "a.tar", GOOD, Limits(members=1))


def test_the_whole_list_is_judged_even_when_only_a_part_is_kept(place):
    (place / "in/a.tar").write_bytes(tar(entry("top/sub/f"), entry("top/other/../../../evil")))
    with pytest.raises(IntegrityError):
        FileArchiver().unpack(place / "in/a.tar", place / "box/dest", strip_top=True, subtree="sub")
    assert list((place / "box").iterdir()) == []


def test_judging_many_entries_is_quick():
    judge([Member(path=f"folder{n % 300}/file{n}", kind="file") for n in range(50_000)])


def zipped(*entries, **options):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            info.external_attr = mode << 16
            info.create_system = 3
            info.compress_type = options.get("method", zipfile.ZIP_DEFLATED)
            archive.writestr(info, data)
    return sink.getvalue()


GOOD_ZIP = zipped(("a/f", b"f" * 500, 0o100644), ("b", b"g" * 500, 0o100644))


def central(data, name):
    """Return where the central directory speaks of ``name``."""
    return data.rindex(name) - 46


def patched(data, position, replacement):
    return data[:position] + replacement + data[position + len(replacement) :]


HOSTILE_ZIPS = {
    "parent": zipped(("../evil", b"", 0)),
    "absolute": zipped(("/evil", b"", 0)),
    "backslash": zipped(("a\\b", b"", 0)),
    "link out": zipped(("l", b"../../etc/passwd", 0o120777)),
    "absolute link": zipped(("l", b"/etc/passwd", 0o120777)),
    "long link": zipped(("l", b"x" * 5000, 0o120777)),
    "device": zipped(("d", b"", 0o020666)),
    "setuid": zipped(("d", b"", 0o104755)),
    "case twins": zipped(("A", b"", 0), ("a", b"", 0)),
    "folder with content": zipped(("a/", b"x", 0o040755)),
    "bzip2": zipped(("a", b"x", 0), method=zipfile.ZIP_BZIP2),
    "data before": b"#!/bin/sh\n" + GOOD_ZIP,
    "data after": GOOD_ZIP + b"x",
    "two archives": GOOD_ZIP + GOOD_ZIP,
    "cut short": GOOD_ZIP[:-1],
    "cut in half": GOOD_ZIP[: len(GOOD_ZIP) // 2],
    "not a zip": b"PK" + bytes(100),
    "encrypted": patched(GOOD_ZIP, central(GOOD_ZIP, b"a/f") + 8, b"\1\0"),
    "other name in the local header": GOOD_ZIP.replace(b"a/f", b"a/g", 1),
    "other size in the local header": patched(GOOD_ZIP, 22, b"\1\0\0\0"),
    "other size in the index": patched(GOOD_ZIP, central(GOOD_ZIP, b"a/f") + 24, b"\1\0\0\0"),
    "wrong checksum": patched(patched(GOOD_ZIP, 14, b"abcd"), central(GOOD_ZIP, b"a/f") + 16, b"abcd"),
    "damaged data": patched(GOOD_ZIP, 35, b"\xff\xff"),
    "overlap": patched(GOOD_ZIP, central(GOOD_ZIP, b"b") + 42, b"\0\0\0\0"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_ZIPS)
def test_a_hostile_zip_is_refused_whole(place, case):
    refused(place, "a.zip", HOSTILE_ZIPS[case])


def test_the_zip_that_the_damaged_ones_are_made_from_is_fine(place):
    (place / "in/a.zip").write_bytes(GOOD_ZIP)
    assert FileArchiver().unpack(place / "in/a.zip", place / "box/dest") == 2


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_two_entries_of_one_name_is_refused(place):
    refused(place, "a.zip", zipped(("a", b"1", 0), ("a", b"2", 0)))


def test_a_zip_bomb_is_refused(place):
    bomb = zipped(("zeros", bytes(20 << 20), 0))
    assert "times" in refused(place, "a.zip", bomb, Limits(ratio=100, ratio_from_bytes=1 << 20))


def test_more_bytes_than_were_signed_are_refused_before_they_are_written(tmp_path):
    cut_short = tar(entry("large", b"x" * 5000))[:2048]  # whoever reads on finds the end missing
    (tmp_path / "a.tar").write_bytes(cut_short)
    sha256 = hashlib.sha256(cut_short).hexdigest()
    with pytest.raises(IntegrityError, match="unpacks to more than the 10 bytes that were signed"):
        FileArchiver().unpack_signed(tmp_path / "a.tar", tmp_path / "dest", sha256=sha256, files_bytes=10)
    with pytest.raises(IntegrityError, match="is cut short"):
        FileArchiver().unpack_signed(tmp_path / "a.tar", tmp_path / "dest", sha256=sha256, files_bytes=5000)


@pytest.mark.parametrize(("name", "data"), [("a.tar", HOSTILE["link out"]), ("a.tar", b"nothing"), ("a.rar", GOOD)])
def test_a_refused_archive_leaves_no_folders_above_its_destination(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(IntegrityError):
        FileArchiver().unpack(tmp_path / name, tmp_path / "new" / "below" / "dest")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_archive_that_is_gone_leaves_no_folders_above_its_destination(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileArchiver().unpack(tmp_path / "a.tar", tmp_path / "new" / "dest")
    assert not list(tmp_path.iterdir())


def test_what_a_file_system_takes_for_one_is_refused_when_it_is_written(tmp_path):
    """Of names whose equality nobody knows before, such as the 8.3 forms of NTFS; here the very same name stands in."""
    writer = FolderWriter(tmp_path)
    writer.add_file("a", [b"first"], executable=False)
    with pytest.raises(IntegrityError, match="'a', which is the same file as another one here"):
        writer.add_file("a", [b"second"], executable=True)
    with pytest.raises(IntegrityError, match="the folder 'a', which is the same as a file here"):
        writer.add_file("a/b", [b"third"], executable=True)
    assert (tmp_path / "a").read_bytes() == b"first"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
