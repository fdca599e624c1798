"""The content store: everything appears whole, damage is noticed, leftovers of the dead go."""

import multiprocessing
import os
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import HostError, IntegrityError, NoSpaceError
from pipeline.model.result import BlobRef, StepResult, TreeRef
from pipeline.system.store import FileStore

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "cache")


def add(store, data, name="f.bin"):
    path = store.cache_dir.parent / "incoming"
    path.write_bytes(data)
    return store.add_blob(path, filename=name)


def make_tree(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def quarantined(store):
    return [path.name for path in (store.cache_dir / "quarantine").iterdir()]


def staged(store):
    return [path for path in (store.cache_dir / "staging").rglob("*") if not path.name.endswith(".owner")]


def test_a_file_is_moved_in_and_read_back(store):
    blob = add(store, b"content")
    assert blob == BlobRef(sha256=sha256_bytes(b"content"), size_bytes=7, filename="f.bin")
    assert store.has_blob(blob.sha256)
    assert not (store.cache_dir.parent / "incoming").exists()
    with store.open_blob(blob) as stream:
        assert stream.read() == b"content"


def test_a_file_with_another_digest_than_said_does_not_enter(store, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    with pytest.raises(IntegrityError):
        store.add_blob(tmp_path / "f", filename="f", sha256="0" * 64)
    assert not store.has_blob("0" * 64)
    assert (tmp_path / "f").read_bytes() == b"x"


@pytest.mark.parametrize("changed", [b"contenT", b"conten", b"content+", b""])
def test_a_changed_file_is_noticed_on_reading_and_set_aside(store, changed):
    blob = add(store, b"content")
    store.blob_path(blob.sha256).write_bytes(changed)
    with store.open_blob(blob) as stream, pytest.raises(IntegrityError, match="changed") as caught:
        list(iter(lambda: stream.read(3), b""))
    assert "again" in caught.value.hint
    assert not store.has_blob(blob.sha256)
    assert len(quarantined(store)) == 1


def test_a_missing_file_is_an_integrity_error(store):
    with (
        pytest.raises(IntegrityError, match="not in the store"),
        store.open_blob(BlobRef(sha256="0" * 64, size_bytes=1, filename="f")),
    ):
        pass


def test_a_copy_has_mode_0644_whatever_the_umask(store, tmp_path):
    blob = add(store, b"content")
    before = os.umask(0o077)
    try:
        store.copy_blob(blob, tmp_path / "copy")
    finally:
        os.umask(before)
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o644


def test_a_copy_of_a_changed_file_leaves_nothing(store, tmp_path):
    blob = add(store, b"content")
    store.blob_path(blob.sha256).write_bytes(b"CONTENT")
    (tmp_path / "out").mkdir()
    with pytest.raises(IntegrityError):
        store.copy_blob(blob, tmp_path / "out" / "copy")
    assert list((tmp_path / "out").iterdir()) == []


def test_dropping_a_file_twice_is_no_error(store):
    blob = add(store, b"content")
    store.drop_blob(blob.sha256)
    store.drop_blob(blob.sha256)
    assert not store.has_blob(blob.sha256)


def test_a_tree_is_moved_in_with_plain_modes_and_without_empty_folders(store, tmp_path):
    folder = make_tree(tmp_path / "t", {"bin/run": b"1", "doc": b"22"})
    (folder / "bin" / "run").chmod(0o777)
    (folder / "doc").chmod(0o600)
    (folder / "bin" / "link").symlink_to("run")
    (folder / "empty" / "er").mkdir(parents=True)
    tree = store.add_tree(folder)
    path = store.tree_path(tree)
    assert tree.size_bytes == 3
    assert store.has_tree(tree.sha256)
    assert not folder.exists()
    assert stat.S_IMODE((path / "bin" / "run").stat().st_mode) == 0o755
    assert stat.S_IMODE((path / "doc").stat().st_mode) == 0o644
    assert (path / "bin" / "link").readlink() == Path("run")
    assert not (path / "empty").exists()
    store.verify_tree(tree)


def test_a_tree_that_is_there_already_stays(store, tmp_path):
    first = store.add_tree(make_tree(tmp_path / "t", {"f": b"1"}))
    inode = store.tree_path(first).stat().st_ino
    second = store.add_tree(make_tree(tmp_path / "t", {"f": b"1"}))
    assert second == first
    assert store.tree_path(first).stat().st_ino == inode
    assert not (tmp_path / "t").exists()
    assert staged(store) == [] or all(path.is_dir() and not any(path.iterdir()) for path in staged(store))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(lambda path: (path / "b").write_bytes(b"2"), "b is not what it was", id="content"),
        pytest.param(lambda path: (path / "b").unlink(), "b is missing", id="missing"),
        pytest.param(lambda path: (path / "aa").write_bytes(b""), "aa is unexpected", id="unexpected"),
        pytest.param(lambda path: (path / "b").chmod(0o755), "b is not what it was", id="mode"),
        pytest.param(lambda path: os.mkfifo(path / "pipe"), "neither a file", id="type"),
    ],
)
def test_a_changed_tree_is_set_aside_and_the_first_change_is_named(store, tmp_path, change, named):
    tree = store.add_tree(make_tree(tmp_path / "t", {"a": b"1", "b": b"1"}))
    change(store.tree_path(tree))
    with pytest.raises(IntegrityError, match=named):
        store.verify_tree(tree)
    assert not store.has_tree(tree.sha256)
    assert len(quarantined(store)) == 1
    with pytest.raises(IntegrityError):
        store.tree_path(tree)


def test_the_listing_of_a_tree_is_kept_and_a_damaged_one_is_none(store, tmp_path):
    tree = store.add_tree(make_tree(tmp_path / "t", {"a": b"1"}))
    listing = store.listing(tree)
    assert listing is not None
    assert [entry.path for entry in listing.entries] == ["a"]
    store.listing_path(tree.sha256).write_text("[]")
    assert store.listing(tree) is None


def test_a_result_counts_only_while_all_its_outputs_are_there(store, tmp_path):
    blob = add(store, b"content")
    tree = store.add_tree(make_tree(tmp_path / "t", {"f": b"1"}))
    result = StepResult(key=KEY, blobs={"archive": blob}, trees={"tree": tree}, facts={"n": [1, None, 1.5]})
    assert store.result(KEY) is None
    store.put_result(result)
    assert store.result(KEY) == result
    store.drop_blob(blob.sha256)
    assert store.result(KEY) is None


@pytest.mark.parametrize("text", ["", "{", '{"key": 1}', f'{{"key": "{KEY}", "extra": 1}}', "\0" * 100])
def test_a_damaged_result_counts_as_none(store, text):
    store.put_result(StepResult(key=KEY))
    store.result_path(KEY).write_text(text)
    assert store.result(KEY) is None


def test_a_result_under_the_key_of_another_counts_as_none(store):
    store.put_result(StepResult(key=KEY))
    other = "ac" + KEY[2:]
    store.result_path(other).parent.mkdir()
    store.result_path(KEY).rename(store.result_path(other))
    assert store.result(other) is None


def test_a_work_folder_is_empty_and_removed_at_the_end(store):
    with store.work_dir("w") as path:
        (path / "f").write_text("x")
    assert not path.exists()


def test_a_kept_work_folder_stays_until_it_is_dropped(store):
    with store.work_dir("w", keep=True) as path:
        (path / "f").write_text("x")
    with store.work_dir("w", keep=True) as again:
        assert again == path
        assert (again / "f").read_text() == "x"
    with store.work_dir("w", keep=True):
        store.drop_work_dir("w")
        assert not path.exists()
    store.drop_work_dir("w")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-x", "a" * 129])
def test_a_work_folder_needs_a_safe_name(store, name):
    with pytest.raises(ValueError, match="no name"), store.work_dir(name):
        pass


def test_a_work_folder_has_one_owner_at_a_time(store):
    order = []

    def second():
        with store.work_dir("w"):
            order.append("second")

    with store.work_dir("w"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def _hold(cache_dir, ready):
    store = FileStore(cache_dir)
    with store.work_dir("w", keep=True) as path, store.staging.place() as staged_path:
        (path / "f").write_text("half")
        staged_path.write_text("half")
        ready.set()
        time.sleep(60)


def test_what_a_killed_process_held_is_free_and_what_it_staged_is_swept(store):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    child = context.Process(target=_hold, args=(store.cache_dir, ready))
    child.start()
    assert ready.wait(20)
    assert any(path.is_file() for path in staged(store))
    FileStore(store.cache_dir)
    assert any(path.is_file() for path in staged(store)), "the living keep theirs"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    FileStore(store.cache_dir)
    assert staged(store) == []
    FileStore(store.cache_dir)
    with store.work_dir("w", keep=True) as path:
        assert (path / "f").read_text() == "half"


def _add_same(cache_dir, number, barrier, results):
    folder = make_tree(cache_dir.parent / f"t{number}", {f"f{n}": b"%d" % n for n in range(50)})
    (cache_dir.parent / f"b{number}").write_bytes(b"blob" * 1000)
    store = FileStore(cache_dir)
    barrier.wait()
    tree = store.add_tree(folder)
    blob = store.add_blob(cache_dir.parent / f"b{number}", filename="b")
    results.put((tree.sha256, blob.sha256))


def test_four_processes_add_the_same_things_at_once(store):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.Queue()
    children = [
        context.Process(target=_add_same, args=(store.cache_dir, number, barrier, results)) for number in range(4)
    ]
    for child in children:
        child.start()
    found = {results.get(timeout=20) for _ in children}
    for child in children:
        child.join(20)
        assert child.exitcode == 0
    (tree, blob) = found.pop()
    assert not found
    store.verify_tree(TreeRef(sha256=tree, size_bytes=0))
    assert store.has_blob(blob)


def test_a_log_has_a_safe_name(store):
    path = store.log_path("compile llama.cpp/b1 ../../x")
    assert path.parent == store.cache_dir / "logs"
    assert path.name == "compile-llama.cpp-b1-..-..-x.log"


def test_a_folder_that_may_not_be_written_is_a_host_error(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(HostError, match="Read-only") as caught:
        FileStore(small_disk / "cache")
    assert "writable" in caught.value.hint


def test_a_full_disk_is_said_and_leaves_nothing_half_made(small_disk, tmp_path):
    store = FileStore(small_disk / "cache")
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3 << 20))
    with pytest.raises(NoSpaceError) as caught:
        store.add_blob(big, filename="big")
    assert str(small_disk) in caught.value.message
    assert "free space" in caught.value.hint
    folder = make_tree(tmp_path / "t", {"f": os.urandom(3 << 20)})
    with pytest.raises(NoSpaceError):
        store.add_tree(folder)
    assert not any(path.is_file() for path in staged(store))
    assert list((small_disk / "cache" / "trees").iterdir()) == []
    assert add(store, b"small fits").size_bytes == 10


def test_a_copy_to_a_full_disk_leaves_nothing(small_disk, store):
    blob = add(store, os.urandom(3 << 20))
    with pytest.raises(NoSpaceError):
        store.copy_blob(blob, small_disk / "copy")
    assert list(small_disk.iterdir()) == []
