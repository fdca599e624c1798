"""Packing: deterministic, and joined archives are archives. Unpacking: the plain cases, by every format."""

import io
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from pipeline.errors import IntegrityError, NoSpaceError, UsageError
from pipeline.system.archives import FileArchiver
from pipeline.system.trees import FileTreeReader

EPOCH = 1_750_000_000


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "run").write_bytes(b"#!" + bytes(range(256)) * 40)
    (folder / "bin" / "run").chmod(0o750)
    (folder / "bin.txt").write_bytes(b"")
    (folder / "bin" / "run-link").symlink_to("../bin/run")
    (folder / "umlaut-ä").write_text("ä")
    (folder / ("long/" * 30) / ("x" * 150)).parent.mkdir(parents=True)
    (folder / ("long/" * 30) / ("x" * 150)).write_text("deep")
    return folder


def pack(tree, destination, level=3):
    FileArchiver().pack(tree, destination, epoch_seconds=EPOCH, zstd_level=level)
    return destination


def gnu_list(archive):
    with archive.open("rb") as source:
        data = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True).read()
    listed = subprocess.run(["tar", "-tvf", "-"], input=data, capture_output=True, check=True)
    return listed.stdout.decode().splitlines(), listed.stderr.decode()


def test_packing_tells_how_many_bytes_are_done_of_how_many(tmp_path):
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "large").write_bytes(bytes(5 << 20))
    for number in range(200):
        (folder / f"small-{number}").write_bytes(b"x" * 100)
    (folder / "link").symlink_to("large")
    told = []
    FileArchiver().pack(
        folder, tmp_path / "a", epoch_seconds=EPOCH, zstd_level=1, progress=lambda *now: told.append(now)
    )
    total = (5 << 20) + 20_000
    assert told[0] == (0, total)
    assert told[-1] == (total, total)
    assert told == sorted(told)
    assert 5 < len(told) < 10  # a megabyte each: not one for every small file


def test_telling_of_progress_changes_no_byte(tree, tmp_path):
    FileArchiver().pack(tree, tmp_path / "b", epoch_seconds=EPOCH, zstd_level=3, progress=lambda *_: None)
    assert (tmp_path / "b").read_bytes() == pack(tree, tmp_path / "a").read_bytes()


def test_packing_and_unpacking_gives_the_same_tree(tree, tmp_path):
    count = FileArchiver().unpack(pack(tree, tmp_path / "a.tar.zst"), tmp_path / "out")
    assert count == 5
    assert FileTreeReader().scan(tmp_path / "out") == FileTreeReader().scan(tree)


@pytest.mark.parametrize("level", [3, 19])
def test_the_same_files_elsewhere_with_other_times_and_umask_give_the_same_bytes(tree, tmp_path, level):
    first = pack(tree, tmp_path / "a.tar.zst", level)
    before = os.umask(0o077)
    try:
        other = tmp_path / "elsewhere" / "deeper"
        FileArchiver().unpack(first, other)
        for path in other.rglob("*"):
            if path.is_file() and not path.is_symlink():
                os.utime(path, (1, 1))
                path.chmod(0o700 if path.stat().st_mode & 0o100 else 0o600)
        second = pack(other, tmp_path / "b.tar.zst", level)
    finally:
        os.umask(before)
    assert second.read_bytes() == first.read_bytes()
    assert stat.S_IMODE(second.stat().st_mode) == 0o644


def test_members_carry_nothing_of_this_machine(tree, tmp_path):
    data = zstandard.ZstdDecompressor().stream_reader(pack(tree, tmp_path / "a.tar.zst").open("rb")).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", EPOCH)}
    assert [m.name for m in members] == sorted((m.name for m in members), key=str.encode)
    assert {m.name: m.mode for m in members if m.name.startswith("bin")} == {
        "bin.txt": 0o644,
        "bin/run": 0o755,
        "bin/run-link": 0o777,
    }


def test_gnu_tar_lists_a_layer_and_a_joined_bundle(tree, tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "lib.so").write_bytes(os.urandom(200_000))
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "manifest.json").write_text("{}")
    one, two = pack(tree, tmp_path / "1.tar.zst"), pack(tmp_path / "two", tmp_path / "2.tar.zst")
    joined = tmp_path / "joined.tar.zst"
    FileArchiver().concatenate([one, two], joined, extra=tmp_path / "cards", epoch_seconds=EPOCH)
    assert len(gnu_list(one)[0]) == 5
    lines, errors = gnu_list(joined)
    assert [line.split()[5] for line in lines][-2:] == ["lib.so", "manifest.json"]
    assert errors == ""
    assert joined.read_bytes().startswith(one.read_bytes() + two.read_bytes())
    assert FileArchiver().unpack(joined, tmp_path / "out") == 7


def test_an_empty_folder_packs_and_unpacks(tmp_path):
    (tmp_path / "empty").mkdir()
    assert FileArchiver().unpack(pack(tmp_path / "empty", tmp_path / "a.tar.zst"), tmp_path / "out") == 0
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_with_a_link_out_of_it_is_not_packed(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "link").symlink_to("/etc/passwd")
    with pytest.raises(IntegrityError):
        pack(tmp_path / "t", tmp_path / "a.tar.zst")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t"]


def test_joining_a_damaged_part_is_refused_by_its_name(tree, tmp_path):
    part = pack(tree, tmp_path / "part.tar.zst")
    part.write_bytes(part.read_bytes()[:-1])
    (tmp_path / "x").mkdir()
    with pytest.raises(IntegrityError, match=r"part\.tar\.zst is cut short"):
        FileArchiver().concatenate([part], tmp_path / "j.tar.zst", extra=tmp_path / "x", epoch_seconds=EPOCH)
    assert not (tmp_path / "j.tar.zst").exists()


@pytest.mark.parametrize(("suffix", "mode"), [(".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar.xz", "w:xz"),
                                               (".tar.bz2", "w:bz2"), (".tar", "w")])  # fmt: skip
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_every_tar_format_of_other_programs_is_unpacked(tree, tmp_path, suffix, mode, form):
    archive = tmp_path / f"a{suffix}"
    with tarfile.open(archive, mode, format=form, pax_headers={"comment": "a commit"}) as sink:
        sink.add(tree, "top")
    assert FileArchiver().unpack(archive, tmp_path / "out", strip_top=True) == 5
    assert FileTreeReader().scan(tmp_path / "out") == FileTreeReader().scan(tree)


def test_gnu_tar_s_own_archives_are_unpacked(tree, tmp_path):
    archive = tmp_path / "a.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", tree, "."], check=True)
    FileArchiver().unpack(archive, tmp_path / "out")
    assert FileTreeReader().scan(tmp_path / "out") == FileTreeReader().scan(tree)


def test_a_zip_keeps_links_and_exec_bits(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as sink:
        for name, mode, data in (("d/run", 0o100755, b"x" * 9999), ("d/link", 0o120777, b"run"), ("f", 0, b"")):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            sink.writestr(info, data)
    assert FileArchiver().unpack(archive, tmp_path / "out") == 3
    assert (tmp_path / "out/d/run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/d/link").readlink() == Path("run")
    assert (tmp_path / "out/f").stat().st_mode & 0o777 == 0o644


def test_a_zip_that_was_streamed_is_unpacked(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as sink:
        sink.writestr("a/b", "text")
        sink.writestr("c", "more")
    (tmp_path / "a.whl").write_bytes(pipe.data)
    assert FileArchiver().unpack(tmp_path / "a.whl", tmp_path / "out") == 2
    assert (tmp_path / "out/a/b").read_text() == "text"


def test_only_the_subtree_is_kept(tmp_path):
    archive = tmp_path / "sdist.tar.gz"
    with tarfile.open(archive, "w:gz") as sink:
        for name in (
            "pkg-1/setup.py",
            "pkg-1/llama.cpp/CMakeLists.txt",
            "pkg-1/llama.cpp/src/a.cpp",
            "pkg-1/llama.cppx",
        ):
            sink.addfile(tarfile.TarInfo(name))
    assert FileArchiver().unpack(archive, tmp_path / "out", strip_top=True, subtree="llama.cpp") == 2
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")) == [
        "CMakeLists.txt",
        "src",
        "src/a.cpp",
    ]


def test_a_link_out_of_the_subtree_is_refused(tmp_path):
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as sink:
        sink.addfile(tarfile.TarInfo("top/other"))
        link = tarfile.TarInfo("top/sub/link")
        link.type, link.linkname = tarfile.SYMTYPE, "../other"
        sink.addfile(link)
    assert FileArchiver().unpack(archive, tmp_path / "all") == 2
    with pytest.raises(IntegrityError, match="leads out"):
        FileArchiver().unpack(archive, tmp_path / "out", strip_top=True, subtree="sub")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "fault"), [
    ({"strip_top": True}, "no single top folder"),
    ({"subtree": "absent"}, "nothing in the folder absent"),
])  # fmt: skip
def test_a_part_that_is_not_there_is_refused(tmp_path, options, fault):
    with tarfile.open(tmp_path / "a.tar", "w") as sink:
        sink.addfile(tarfile.TarInfo("one/f"))
        sink.addfile(tarfile.TarInfo("two/f"))
    with pytest.raises(IntegrityError, match=fault):
        FileArchiver().unpack(tmp_path / "a.tar", tmp_path / "out", **options)


def test_a_destination_with_something_in_it_is_refused(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(UsageError, match="not empty"):
        FileArchiver().unpack(pack(tree, tmp_path / "a.tar.zst"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_destination_and_the_leftover_of_a_killed_run_are_replaced(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / ".out.unpacking-old").mkdir()
    (tmp_path / ".out.unpacking-old" / "half").touch()
    FileArchiver().unpack(pack(tree, tmp_path / "a.tar.zst"), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.zst", "out", "tree"]


def test_a_full_disk_leaves_nothing(small_disk, tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "big").write_bytes(os.urandom(3 << 20))
    archive = pack(tmp_path / "t", tmp_path / "a.tar.zst")
    with pytest.raises(NoSpaceError):
        FileArchiver().unpack(archive, small_disk / "out")
    with pytest.raises(NoSpaceError):
        pack(tmp_path / "t", small_disk / "a.tar.zst")
    assert list(small_disk.iterdir()) == []


def test_packing_and_unpacking_a_large_file_takes_little_memory(tmp_path):
    (tmp_path / "t").mkdir()
    with (tmp_path / "t" / "big").open("wb") as sink:
        sink.write(os.urandom(6 << 20))
        sink.seek(200 << 20)
        sink.write(b"end")
    code = """
import sys
from pathlib import Path
from pipeline.system.archives import FileArchiver
folder = Path(sys.argv[1])
FileArchiver().pack(folder / "t", folder / "a.tar.zst", epoch_seconds=0, zstd_level=int(sys.argv[2]))
FileArchiver().unpack(folder / "a.tar.zst", folder / "out")
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the parent's memory from before the exec
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
    peak = subprocess.run([sys.executable, "-c", code, tmp_path, "17"], check=True, capture_output=True, text=True)
    assert int(peak.stdout) < 100
