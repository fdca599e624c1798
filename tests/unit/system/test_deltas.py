"""Deltas: what comes out is the new layer to the byte, or nothing; whoever wrote the archive."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.delta import INDEX_FILE, PATCH_PARTS, DeltaFile, DeltaIndex, PatchedRun, part_path
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.tree import Tree, TreeEntry
from pipeline.ports import PlacedTree
from pipeline.system import delta_patching
from pipeline.system.archives import FileArchiver
from pipeline.system.delta_choosing import choose_sources
from pipeline.system.delta_patching import RUN_BYTES, runs_of
from pipeline.system.delta_streams import Blocks, Streams, put_together, take_apart
from pipeline.system.trees import FileTreeReader

ARCHIVER = FileArchiver()


def code(seed: int, size: int = 200_000) -> bytes:
    """Return bytes that look like no others and do not compress."""
    return random.Random(seed).randbytes(size)


def moved(data: bytes) -> bytes:
    """Return a file as a compiler makes it anew: a little longer in front, and addresses changed all over."""
    changed = bytearray(b"\x90" * 100 + data)
    for place in range(0, len(changed), 512):
        changed[place] = (changed[place] + 100) % 256
    return bytes(changed)


def lay(folder: Path, files: dict[str, bytes | str]) -> PlacedTree:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
            path.chmod(0o755 if name.startswith("bin/") else 0o644)
    return PlacedTree(folder, FileTreeReader().scan(folder))


OLD = {
    "bin/llama-server": code(1),
    "lib/libggml.so.0.25.1": code(2),
    "lib/libggml.so": "libggml.so.0.25.1",
    "lib/same": code(3),
    "lib/gone": code(4),
    "licenses/old": b"MIT\n",
}
NEW = {
    "bin/llama-server": moved(code(1)),
    "bin/empty": b"",
    "lib/libggml.so.0.26.0": moved(code(2)),
    "lib/libggml.so": "libggml.so.0.26.0",
    "lib/elsewhere/same": code(3),
    "lib/new": code(5),
    "licenses/old": b"MIT, too\n",
}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[PlacedTree, PlacedTree]:
    return lay(tmp_path / "old", OLD), lay(tmp_path / "new", NEW)


def packed(pair: tuple[PlacedTree, PlacedTree], archive: Path) -> Path:
    ARCHIVER.pack_delta(*pair, archive)
    return archive


def applied(archive: Path, old: Path, new: Tree, to: Path, *, files_bytes: int | None = None) -> Tree:
    return ARCHIVER.unpack_delta(
        archive,
        to,
        old=old,
        sha256=sha256_bytes(archive.read_bytes()),
        tree_sha256=new.sha256,
        files_bytes=new.size_bytes if files_bytes is None else files_bytes,
    )


def test_a_delta_makes_the_new_layer_out_of_the_old_one(pair, tmp_path):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    made = applied(archive, old.folder, new.tree, tmp_path / "made")
    assert made == new.tree == FileTreeReader().scan(tmp_path / "made")
    assert archive.stat().st_size < len(NEW["lib/new"]) + 50_000  # three other files of 200 kB are not in it
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.tar.zst", "made", "new", "old"]


def test_the_same_layers_give_the_same_bytes(pair, tmp_path):
    first = packed(pair, tmp_path / "1.tar.zst").read_bytes()
    for path in (tmp_path / "new").rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert packed(pair, tmp_path / "2.tar.zst").read_bytes() == first


def test_progress_ends_with_every_byte_of_the_new_files(pair, tmp_path):
    told: list[tuple[int, int]] = []
    ARCHIVER.pack_delta(*pair, tmp_path / "d.tar.zst", progress=lambda done, total: told.append((done, total)))
    size = pair[1].tree.size_bytes
    assert told[-1] == (size, size)
    assert told == sorted(told)


NAMES = st.sampled_from(["a", "b1", "b2", "x/a", "x/b1.0", "y/b2.0", "y/z"])
FILES = st.dictionaries(NAMES, st.binary(max_size=3000), min_size=1, max_size=7)


@given(old=FILES, new=FILES, kept=st.lists(NAMES, max_size=3), noise=st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_any_layer_comes_out_of_any_other(tmp_path_factory, old, new, kept, noise):
    folder = tmp_path_factory.mktemp("trees")
    for name in kept:
        if name in old:
            new[name] = bytes([noise]) + old[name]
    before, after = lay(folder / "old", old), lay(folder / "new", new)
    archive = packed((before, after), folder / "d.tar.zst")
    assert applied(archive, before.folder, after.tree, folder / "made") == after.tree
    shutil.rmtree(folder)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 1 << 40), st.integers(-(1 << 40), 1 << 40)), max_size=9
    ),
    data=st.data(),
)
def test_a_patch_taken_apart_is_the_same_put_together(steps, data):
    size = sum(step[0] for step in steps)
    diff = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, 255]), min_size=size, max_size=size).map(bytes))
    control = b"".join((abs(number) | (number < 0) << 63).to_bytes(8, "little") for step in steps for number in step)
    blocks = Blocks(control, diff, b"extra")
    assert put_together(take_apart(blocks), size) == blocks


@given(streams=st.builds(Streams, *[st.binary(max_size=40)] * 5), new_bytes=st.integers(0, 200))
def test_any_streams_make_a_patch_of_at_most_the_length_asked_for_or_are_refused(streams, new_bytes):
    try:
        blocks = put_together(streams, new_bytes)
    except IntegrityError:
        return
    assert len(blocks.diff) <= new_bytes


def entry(path: str, content: bytes = b"x") -> TreeEntry:
    return TreeEntry(path=path, mode=0o644, size_bytes=len(content), sha256=sha256_bytes(content))


@pytest.mark.parametrize(
    ("old", "path", "source"),
    [
        (["lib/a.so.1", "other"], "lib/a.so.1", "lib/a.so.1"),
        (["lib/a.so.1.2", "bin/a.so.1.3"], "lib/a.so.1.3", "lib/a.so.1.2"),
        (["x/a.so.1.2"], "lib/a.so.22.3", "x/a.so.1.2"),
        (["lib/b.so"], "lib/a.so", None),
    ],
)
def test_a_changed_file_is_made_of_its_namesake(old, path, source):
    found = choose_sources([entry(name, name.encode()) for name in old], [entry(path, b"new")])
    assert (found[path].entry.path if path in found else None) == source


def test_of_several_namesakes_the_one_of_the_nearest_size_is_taken():
    old = [entry("a.1", b"1" * 10), entry("a.2", b"2" * 90), entry("a.3", b"3" * 100)]
    assert choose_sources(old, [entry("a.4", b"4" * 97)])["a.4"].entry.path == "a.3"


def test_the_same_bytes_elsewhere_go_before_a_namesake():
    old = [entry("a", b"old"), entry("b", b"new")]
    found = choose_sources(old, [entry("a", b"new")])["a"]
    assert (found.entry.path, found.is_same) == ("b", True)


@pytest.mark.parametrize("old_bytes", [0, 1, RUN_BYTES, 5 * RUN_BYTES + 7])
@pytest.mark.parametrize("new_bytes", [0, 1, RUN_BYTES, RUN_BYTES + 1, 3 * RUN_BYTES])
def test_runs_cover_a_file_and_none_is_long(old_bytes, new_bytes):
    runs = runs_of(old_bytes, new_bytes)
    assert sum(run.new_bytes for run in runs) == new_bytes
    for run in runs:
        assert 0 < run.new_bytes <= RUN_BYTES
        assert run.old_bytes <= RUN_BYTES + (4 << 20)
        assert run.offset_bytes + run.old_bytes <= old_bytes


def test_a_file_of_several_runs_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(delta_patching, "RUN_BYTES", 50_000)
    monkeypatch.setattr(delta_patching, "OVERLAP_BYTES", 10_000)
    old = lay(tmp_path / "old", {"a": code(1, 230_000) + bytes(60_000)})
    new = lay(tmp_path / "new", {"a": moved(code(1, 230_000)) + bytes(70_000)})
    archive = packed((old, new), tmp_path / "d.tar.zst")
    assert applied(archive, old.folder, new.tree, tmp_path / "made") == new.tree
    assert archive.stat().st_size < 30_000


def test_a_file_that_resembles_nothing_comes_whole(tmp_path):
    old, new = lay(tmp_path / "old", {"a": code(1)}), lay(tmp_path / "new", {"a": code(2)})
    parts = unpacked(packed((old, new), tmp_path / "d.tar.zst"), tmp_path)
    assert (parts / "whole" / "000000").read_bytes() == code(2)
    assert not (parts / "values").exists()


def unpacked(archive: Path, tmp_path: Path) -> Path:
    ARCHIVER.unpack(archive, tmp_path / "parts")
    return tmp_path / "parts"


def repacked(parts: Path, archive: Path) -> Path:
    ARCHIVER.pack(parts, archive, epoch_seconds=0, zstd_level=3)
    return archive


# What may be wrong with the old files.


def _shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


@pytest.mark.parametrize("change", [_shorter, _flipped, _pipe, _link, Path.unlink])
@pytest.mark.parametrize("name", ["bin/llama-server", "lib/same"])
def test_a_changed_old_file_gives_no_layer(pair, tmp_path, name, change):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    change(old.folder / name)
    with pytest.raises(IntegrityError):
        applied(archive, old.folder, new.tree, tmp_path / "made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.tar.zst", "new", "old"]


def test_old_files_that_are_not_used_may_be_anything(pair, tmp_path):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    _longer(old.folder / "lib/gone")
    assert applied(archive, old.folder, new.tree, tmp_path / "made") == new.tree


# Deltas of somebody who means harm: each is signed, as far as this code knows.


def test_an_archive_that_is_not_the_signed_one_is_refused(pair, tmp_path):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    with pytest.raises(IntegrityError):
        ARCHIVER.unpack_delta(
            archive,
            tmp_path / "made",
            old=old.folder,
            sha256="0" * 64,
            tree_sha256=new.tree.sha256,
            files_bytes=new.tree.size_bytes,
        )
    assert not (tmp_path / "made").exists()


def _rewritten(pair, tmp_path, change) -> Path:
    parts = unpacked(packed(pair, tmp_path / "d.tar.zst"), tmp_path)
    index = read_document(DeltaIndex, (parts / INDEX_FILE).read_bytes(), what="index")
    change(parts, index)
    return repacked(parts, tmp_path / "hostile.tar.zst")


def _with_entry(parts: Path, index: DeltaIndex, **changes: object) -> None:
    first = index.files[0].model_copy(update={"entry": index.files[0].entry.model_copy(update=changes)})
    (parts / INDEX_FILE).write_bytes(write_document(index.model_copy(update={"files": (first, *index.files[1:])})))


def _with_run(parts: Path, index: DeltaIndex, **changes: int) -> None:
    files = list(index.files)
    place = next(number for number, file in enumerate(files) if file.runs)
    run = files[place].runs[0].model_copy(update=changes)
    files[place] = files[place].model_copy(update={"runs": (run,)})
    (parts / INDEX_FILE).write_bytes(write_document(index.model_copy(update={"files": tuple(files)})))


def _with_runs(parts: Path, index: DeltaIndex, changes: dict[str, int], *, count: int = 1) -> None:
    """Put runs in front of a patched file's own, which makes what they leave."""
    files = list(index.files)
    place = next(number for number, file in enumerate(files) if file.runs)
    own = files[place].runs[0]
    more = [own.model_copy(update=changes)] * count
    last = own.model_copy(update={"new_bytes": own.new_bytes - sum(run.new_bytes for run in more)})
    files[place] = files[place].model_copy(update={"runs": (*more, last)})
    (parts / INDEX_FILE).write_bytes(write_document(index.model_copy(update={"files": tuple(files)})))


def _noise(parts: Path, name: str) -> None:
    for path in (parts / name).iterdir():
        path.write_bytes(code(9, 4800))


def _filled(parts: Path, name: str, data: bytes) -> None:
    for path in (parts / name).iterdir():
        path.write_bytes(data)


HOSTILE = {
    "a path leads out": lambda parts, index: _with_entry(parts, index, path="../out"),
    "a path is absolute": lambda parts, index: _with_entry(parts, index, path="/tmp/out"),
    "a path comes twice": lambda parts, index: _with_entry(parts, index, path=index.files[1].entry.path),
    "two paths differ in case": lambda parts, index: _with_entry(parts, index, path="BIN/LLAMA-SERVER"),
    "a file is said to be huge": lambda parts, index: _with_entry(parts, index, size_bytes=1 << 40),
    "a source leads out": lambda parts, _: (parts / INDEX_FILE).write_bytes(
        (parts / INDEX_FILE).read_bytes().replace(b'"source": "lib/same"', b'"source": "../new/lib/new"')
    ),
    "a link leads out": lambda parts, _: (parts / INDEX_FILE).write_bytes(
        (parts / INDEX_FILE).read_bytes().replace(b'"libggml.so.0.26.0"', b'"../../../etc/passwd"')
    ),
    "a run makes more than its file has": lambda parts, index: _with_run(parts, index, new_bytes=1 << 30),
    "a run starts behind the end": lambda parts, index: _with_run(parts, index, offset_bytes=1 << 40),
    "a run is longer than any": lambda parts, index: _with_run(parts, index, old_bytes=1 << 40),
    "a run makes nothing": lambda parts, index: _with_runs(parts, index, {"new_bytes": 0}),
    "runs read far more than they make": lambda parts, index: _with_runs(parts, index, {"new_bytes": 1}, count=9),
    "steps are noise": lambda parts, _: _noise(parts, "steps"),
    "gaps are noise": lambda parts, _: _noise(parts, "gaps"),
    "values are noise": lambda parts, _: _noise(parts, "values"),
    "a number has no end": lambda parts, _: _filled(parts, "lengths", b"\xff" * 64),
    "a number is huge": lambda parts, _: _filled(parts, "gaps", b"\xff" * 8 + b"\x01"),
    "steps are missing": lambda parts, _: _filled(parts, "steps", b""),
    "an extra stream is missing": lambda parts, _: shutil.rmtree(parts / "extra"),
    "a stream is longer than what it makes": lambda parts, _: [
        path.write_bytes(bytes(1 << 20)) for path in (parts / "extra").iterdir()
    ],
    "a whole file is longer than listed": lambda parts, _: [
        path.write_bytes(bytes(1 << 20)) for path in (parts / "whole").iterdir()
    ],
    "a whole file is missing": lambda parts, _: shutil.rmtree(parts / "whole"),
    "there is no index": lambda parts, _: (parts / INDEX_FILE).unlink(),
    "the index is no JSON": lambda parts, _: (parts / INDEX_FILE).write_bytes(b"{"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_delta_makes_nothing(pair, tmp_path, what):
    old, new = pair
    archive = _rewritten(pair, tmp_path, HOSTILE[what])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(IntegrityError):
        applied(archive, old.folder, new.tree, tmp_path / "made")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("new_bytes", "old_bytes", "what"),
    [(0, 0, "greater than 0"), (1, (64 << 10) + 5, "far more than they make"), (3, (64 << 10) + 13, "far more")],
)
def test_runs_read_what_they_make_four_times_at_most(new_bytes, old_bytes, what):
    run = {"offset_bytes": 0, "old_bytes": old_bytes, "new_bytes": new_bytes}
    with pytest.raises(ValueError, match=what):
        DeltaFile.model_validate({"entry": entry("a", b"x" * new_bytes), "source": "b", "runs": (run,)}, strict=False)


def test_a_large_old_file_is_no_source_of_a_tiny_one(tmp_path):
    old, new = lay(tmp_path / "old", {"a": bytes(1 << 20)}), lay(tmp_path / "new", {"a": b"tiny" * 100})
    archive = packed((old, new), tmp_path / "d.tar.zst")
    assert applied(archive, old.folder, new.tree, tmp_path / "made") == new.tree


def test_nothing_is_packed_of_a_stream_that_is_empty(tmp_path):
    content = code(1)
    old, new = lay(tmp_path / "old", {"a": content}), lay(tmp_path / "new", {"a": content[:-1] + b"!"})
    parts = unpacked(packed((old, new), tmp_path / "d.tar.zst"), tmp_path)
    assert [path for path in parts.rglob("*") if path.is_file() and not path.stat().st_size] == []


def test_whoever_is_to_stop_stops_between_two_runs(pair, tmp_path):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    calls: list[int] = []

    def go_on() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ARCHIVER.unpack_delta(
            archive,
            tmp_path / "made",
            old=old.folder,
            sha256=sha256_bytes(archive.read_bytes()),
            tree_sha256=new.tree.sha256,
            files_bytes=new.tree.size_bytes,
            go_on=go_on,
        )
    assert len(calls) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.tar.zst", "new", "old"]


@pytest.mark.parametrize(("old_bytes", "new_bytes"), [(0, RUN_BYTES + 1), (RUN_BYTES + (4 << 20) + 1, RUN_BYTES)])
def test_a_run_longer_than_any_that_is_written_is_refused(tmp_path, old_bytes, new_bytes):
    old, new = lay(tmp_path / "old", {"a": bytes(old_bytes)}), lay(tmp_path / "new", {"a": b"x" * new_bytes})
    run = PatchedRun(offset_bytes=0, old_bytes=old_bytes, new_bytes=new_bytes)
    control = b"".join(number.to_bytes(8, "little") for number in (0, new_bytes, 0))
    for name, stream in zip(PATCH_PARTS, take_apart(Blocks(control, b"", b"x" * new_bytes)), strict=True):
        (tmp_path / "parts" / name).mkdir(parents=True)
        (tmp_path / "parts" / part_path(name, 0, 0)).write_bytes(stream)
    file = DeltaFile(entry=new.tree.entries[0], source="a", runs=(run,))
    index = DeltaIndex(old_tree=old.tree.sha256, new_tree=new.tree.sha256, files=(file,))
    (tmp_path / "parts" / INDEX_FILE).write_bytes(write_document(index))
    archive = repacked(tmp_path / "parts", tmp_path / "d.tar.zst")
    with pytest.raises(IntegrityError, match="more than any may have"):
        applied(archive, old.folder, new.tree, tmp_path / "made")


WORST = """
import resource
from pipeline.errors import IntegrityError
from pipeline.system.delta_patching import OVERLAP_BYTES, RUN_BYTES, apply_patch, stream_limits
from pipeline.system.delta_streams import Streams
old = bytes(RUN_BYTES + 2 * OVERLAP_BYTES)
numbers, *_ = stream_limits(RUN_BYTES)
count = numbers // 3
steps = bytes([2]) * count + bytes(2 * count)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
streams = Streams(steps, bytes(numbers), bytes(numbers), b"", bytes(RUN_BYTES - count))
try:
    apply_patch(old, RUN_BYTES, streams)
except IntegrityError:
    pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_streams_as_long_as_may_be_take_bounded_memory():
    done = subprocess.run([sys.executable, "-c", WORST], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 96 << 10  # kB


def test_a_delta_that_unpacks_to_far_more_than_the_layer_is_cut_off(pair, tmp_path):
    old, new = pair

    def bomb(parts: Path, _: DeltaIndex) -> None:
        with (parts / "bomb").open("wb") as stream:
            stream.truncate(new.tree.size_bytes * 2 + (65 << 20))

    archive = _rewritten(pair, tmp_path, bomb)
    with pytest.raises(IntegrityError):
        applied(archive, old.folder, new.tree, tmp_path / "made")


def test_a_delta_of_another_size_than_signed_is_refused(pair, tmp_path):
    old, new = pair
    archive = packed(pair, tmp_path / "d.tar.zst")
    with pytest.raises(IntegrityError):
        applied(archive, old.folder, new.tree, tmp_path / "made", files_bytes=new.tree.size_bytes + 1)


def test_a_patch_needs_a_source_and_must_add_up():
    item = entry("a")
    for wrong in (
        {"entry": item, "runs": ({"offset_bytes": 0, "old_bytes": 0, "new_bytes": 1},)},
        {"entry": item, "source": "b", "runs": ({"offset_bytes": 0, "old_bytes": 0, "new_bytes": 2},)},
    ):
        with pytest.raises(ValueError, match="runs"):
            DeltaFile.model_validate(wrong, strict=False)


def test_parts_lie_by_stream_and_by_number():
    assert [part_path(name, 3, 1) for name in PATCH_PARTS] == [
        "steps/000003.0001",
        "gaps/000003.0001",
        "lengths/000003.0001",
        "values/000003.0001",
        "extra/000003.0001",
    ]
    assert part_path("whole", 12) == "whole/000012"


LARGE_BYTES = 96 << 20
APPLYING = """
import resource, sys
from pathlib import Path
from pipeline.system.archives import FileArchiver
folder, sha256, tree_sha256, size = Path(sys.argv[1]), *sys.argv[2:]
signed = {"sha256": sha256, "tree_sha256": tree_sha256, "files_bytes": int(size)}
FileArchiver().unpack_delta(folder / "d.tar.zst", folder / "made", old=folder / "old", **signed)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))  # not of who forked it
"""


def test_memory_does_not_grow_with_the_size_of_a_patched_file(tmp_path):
    piece = code(1, 1 << 20)
    (tmp_path / "old").mkdir()
    with (tmp_path / "old" / "a").open("wb") as stream:
        for number in range(LARGE_BYTES >> 20):
            stream.write(piece[number:] + piece[:number])
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    with (tmp_path / "new" / "a").open("r+b") as stream:
        stream.write(b"changed")
    old, new = (PlacedTree(path, FileTreeReader().scan(path)) for path in (tmp_path / "old", tmp_path / "new"))
    archive = by_hand(old, new, tmp_path)
    argv = [
        sys.executable,
        "-c",
        APPLYING,
        tmp_path,
        sha256_bytes(archive.read_bytes()),
        new.tree.sha256,
        str(LARGE_BYTES),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 160 << 10  # kB; the interpreter with this program takes some 50 MB of it


def by_hand(old: PlacedTree, new: PlacedTree, folder: Path) -> Path:
    """Write the delta of two files that differ at their beginning alone, without bsdiff, which takes a minute here."""
    before, after = (folder / name / "a" for name in ("old", "new"))
    runs = runs_of(LARGE_BYTES, LARGE_BYTES)
    for name in PATCH_PARTS:
        (folder / "parts" / name).mkdir(parents=True)
    with before.open("rb") as left, after.open("rb") as right:
        for number, run in enumerate(runs):
            skipped = right.tell() - run.offset_bytes
            left.seek(right.tell())
            ones, others = left.read(run.new_bytes), right.read(run.new_bytes)
            diff = bytes((b - a) % 256 for a, b in zip(ones[:16], others[:16], strict=True)) + bytes(len(ones) - 16)
            steps = [(0, 0, skipped), (run.new_bytes, 0, 0)]
            control = b"".join(value.to_bytes(8, "little") for step in steps for value in step)
            for name, stream in zip(PATCH_PARTS, take_apart(Blocks(control, diff, b"")), strict=True):
                (folder / "parts" / part_path(name, 0, number)).write_bytes(stream)
    file = DeltaFile(entry=new.tree.entries[0], source="a", runs=runs)
    index = DeltaIndex(old_tree=old.tree.sha256, new_tree=new.tree.sha256, files=(file,))
    (folder / "parts" / INDEX_FILE).write_bytes(write_document(index))
    return repacked(folder / "parts", folder / "d.tar.zst")
