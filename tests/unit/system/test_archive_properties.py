"""Whatever list of members there is: it is refused whole, or exactly its entries are placed inside the destination."""

import io
import os
import random
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Member
from pipeline.system.archives import FileArchiver
from pipeline.system.portable_names import segment_fault
from pipeline.system.trees import FileTreeReader
from tests.simulators.archive_lists import judge
from tests.simulators.crafted_zip import Entry, crafted

WORDS = ["a", "b", "A", "lib", "LIB", "bin", "\u00e4", "a\u0308", "libx.so", "libx.so.1", "x.txt"]
BAD = ["..", ".", "", "con", "a.", "a:b", "a\\b", "\x01", "a ", "\u2028", "~", "LONGNA~1"]
NAMES = st.sampled_from(WORDS) | st.sampled_from(WORDS + BAD) | st.text(max_size=6)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
TARGETS = st.lists(st.sampled_from([*WORDS, "..", "..", ".", ""]), min_size=1, max_size=6).map("/".join)
CONTENT = st.binary(max_size=40) | st.integers(0, 5).map(lambda n: bytes(n * 400))


@st.composite
def members(draw):
    """Return a member with its bytes; links and files lie about each other's names often."""
    path = draw(PATHS)
    match draw(st.sampled_from(["file", "file", "link", "link", "folder"])):
        case "file":
            data = draw(CONTENT)
            return Member(path=path, kind="file", size_bytes=len(data), executable=draw(st.booleans())), data
        case "link":
            return Member(path=path, kind="link", link=draw(TARGETS | st.just("/etc"))), b""
    return Member(path=path, kind="folder"), b""


LISTS = st.lists(members(), max_size=8)
EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
MODES = {"file": 0o100644, "link": 0o120777, "folder": 0o040755}


def tar_of(entries):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in entries:
            info = tarfile.TarInfo(member.path)
            info.type = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}[member.kind]
            info.size, info.linkname = len(data), member.link or ""
            info.mode = 0o755 if member.executable else 0o644
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def zip_of(entries):
    return crafted(
        *(
            Entry(
                (member.path + "/" * (member.kind == "folder")).encode(),
                (member.link or "").encode() if member.kind == "link" else data,
                flags=0x800,
                mode=MODES[member.kind] | (0o111 if member.executable else 0),
            )
            for member, data in entries
        )
    )


def escapes(entries):
    """Tell whether a path, or a link however it is followed, leaves the tree: by real links in a real folder."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "outer", "root")
        root.mkdir(parents=True)
        for member, _ in entries:
            if member.path.startswith("/") or ".." in PurePosixPath(member.path).parts:
                return True
        for member, _ in entries:
            if member.kind == "link" and (member.link or "").startswith("/"):
                return True
        links = [member for member, _ in entries if member.kind == "link"]
        others = [member for member, _ in entries if member.kind != "link"]
        for member in (*others, *links):
            spot = root / member.path
            spot.parent.mkdir(parents=True, exist_ok=True)
            if member.kind == "link":
                spot.symlink_to(member.link)
            elif member.kind == "folder":
                spot.mkdir(exist_ok=True)
            else:
                spot.touch()
        return any(not _resolved(root / link.path).is_relative_to(root.resolve()) for link in links)


def _resolved(path):
    return Path(os.path.realpath(path))


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def placed(folder):
    """Return what is in a folder: path to (kind, executable, bytes or target); links are not followed."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            status = path.lstat()
            key = path.relative_to(folder).as_posix()
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", False, os.readlink(path))  # noqa: PTH115 - pathlib would tidy the target up
            elif stat.S_ISDIR(status.st_mode):
                found[key] = ("folder", False, b"")
            else:
                found[key] = ("file", bool(status.st_mode & 0o100), path.read_bytes())
    return found


def expected(entries):
    listed = {
        member.path.rstrip("/") if member.kind == "folder" else member.path: (
            member.kind,
            member.executable,
            member.link if member.kind == "link" else data,
        )
        for member, data in entries
    }
    implied = {parent.as_posix() for path in listed for parent in PurePosixPath(path).parents} - {"."}
    return {**dict.fromkeys(implied, ("folder", False, b"")), **listed}


@pytest.mark.parametrize(("suffix", "build"), [(".tar", tar_of), (".zip", zip_of)])
@given(entries=LISTS)
@EXAMPLES
def test_a_list_is_placed_exactly_or_refused_whole(suffix, build, entries):
    try:
        data = build(entries)
    except UnicodeEncodeError:
        return  # no archive can say that
    with tempfile.TemporaryDirectory() as place:
        box = Path(place, "box")
        box.mkdir()
        archive = Path(place, f"a{suffix}")
        archive.write_bytes(data)
        try:
            count = FileArchiver().unpack(archive, box / "out")
        except IntegrityError:
            event("refused")
            assert list(box.iterdir()) == []
            assert names_in(place) == [archive.name, "box"]
            return
        event("placed")
        assert [path.name for path in box.iterdir()] == ["out"]
        found = placed(box / "out")
        # tar and zip write a folder's name with a slash, and readers drop those; nothing else may differ
        assert found == expected([(m, d) for m, d in entries if m.path != "."])
        assert count == sum(kind != "folder" for kind, _, _ in found.values())
        for path, (kind, _, _) in found.items():
            if kind == "link":
                assert _resolved(box / "out" / path).is_relative_to(_resolved(box / "out"))
        tree = FileTreeReader().scan(box / "out")
        assert {entry.path for entry in tree.entries} == {p for p, (kind, _, _) in found.items() if kind != "folder"}


@given(entries=LISTS)
@EXAMPLES
def test_a_list_with_an_escaping_path_or_link_is_refused(entries):
    try:
        leaves = escapes(entries)
    except (OSError, ValueError):  # it cannot even be built; whether it is refused is for the test above
        return
    if leaves:
        event("leaves")
        with pytest.raises(IntegrityError):
            judge([member for member, _ in entries])


@given(entries=LISTS)
@EXAMPLES
def test_what_is_accepted_does_not_depend_on_the_order(entries):
    listed = [member for member, _ in entries]

    def verdict(some):
        try:
            judge(some)
        except IntegrityError:
            return False
        return True

    assert verdict(listed) == verdict(listed[::-1])


GOOD_NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda name: "/" not in name and name not in {".", ".."} and segment_fault(name) is None
)
GOOD_TREES = st.dictionaries(
    st.lists(GOOD_NAMES, min_size=1, max_size=3).map(tuple), st.tuples(CONTENT, st.booleans()), min_size=1, max_size=6
)


@given(tree=GOOD_TREES)
@EXAMPLES
def test_a_good_tree_survives_every_format_and_comes_out_as_python_reads_it(tree):
    entries = [
        (Member("/".join(path), "file", size_bytes=len(data), executable=executable), data)
        for path, (data, executable) in tree.items()
    ]
    try:
        judge([member for member, _ in entries])
    except IntegrityError:
        return  # twins of case, a file in the place of a folder
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "a.tar").write_bytes(tar_of(entries))
        (folder / "a.zip").write_bytes(zip_of(entries))
        (folder / "empty").mkdir()
        FileArchiver().unpack(folder / "a.tar", folder / "tar")
        FileArchiver().unpack(folder / "a.zip", folder / "zip")
        FileArchiver().pack(folder / "tar", folder / "b.tar.zst", epoch_seconds=0, zstd_level=1)
        FileArchiver().unpack(folder / "b.tar.zst", folder / "zst")
        assert placed(folder / "tar") == placed(folder / "zip") == placed(folder / "zst") == expected(entries)
        with tarfile.open(folder / "a.tar") as archive:
            assert [info.name for info in archive] == [member.path for member, _ in entries]
        with zipfile.ZipFile(folder / "a.zip") as archive:
            assert archive.namelist() == [member.path for member, _ in entries]
            assert archive.testzip() is None


def _tar_as_python_lists_it(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        kinds = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link"}
        found = {
            info.name.removeprefix("./"): (
                kinds.get(info.type, "file"),
                info.linkname if info.issym() else archive.extractfile(info).read() if info.isfile() else b"",
            )
            for info in archive
        }
    found.pop(".", None)
    return found


def _zip_as_python_lists_it(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = {}
        for info in archive.infolist():
            if stat.S_IFMT(info.external_attr >> 16) == stat.S_IFLNK and info.create_system == 3:
                found[info.filename] = ("link", archive.read(info).decode())
            elif info.is_dir():
                found[info.filename.rstrip("/")] = ("folder", b"")
            else:
                found[info.filename] = ("file", archive.read(info))
    return found


SEEDS = [
    (Member("bin/run", "file", size_bytes=600, executable=True), b"r" * 600),
    (Member("bin/link", "link", link="run"), b""),
    (Member("lib", "folder"), b""),
    (Member("lib/" + "long" * 30, "file", size_bytes=3), b"abc"),
]


@pytest.mark.parametrize(
    ("suffix", "build", "as_python"),
    [(".tar", tar_of, _tar_as_python_lists_it), (".zip", zip_of, _zip_as_python_lists_it)],
)
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 3))
@settings(EXAMPLES, max_examples=400)
def test_a_damaged_archive_is_refused_or_read_as_python_reads_it(suffix, build, as_python, seed, changes):
    data = bytearray(build(SEEDS))
    random_ = random.Random(seed)
    for _ in range(changes):
        data[random_.randrange(len(data))] = random_.choice(
            [0, 1, 0x20, 0x2F, 0x2E, 0x30, 0xFF, random_.randrange(256)]
        )
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place, f"a{suffix}")
        archive.write_bytes(data)
        try:
            FileArchiver().unpack(archive, Path(place, "out"))
        except IntegrityError:
            event("refused")
            assert names_in(place) == [archive.name]
            return
        event("read")
        ours = {path: (kind, content) for path, (kind, _, content) in placed(Path(place, "out")).items()}
        theirs = as_python(bytes(data))
        assert {path: found for path, found in ours.items() if path in theirs} == theirs
        assert all(kind == "folder" for path, (kind, _) in ours.items() if path not in theirs)
