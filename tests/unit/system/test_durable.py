from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import HostError, NoSpaceError
from pipeline.system.disk import disk_errors
from pipeline.system.durable import FileDisk


@pytest.fixture
def disk() -> FileDisk:
    return FileDisk()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every fsync and rename in order, by what it was called on."""
    seen: list[str] = []
    real_sync, real_rename, real_replace = os.fsync, os.rename, os.replace

    def fsync(descriptor: int) -> None:
        seen.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        real_sync(descriptor)

    def rename(source: object, target: object) -> None:
        seen.append(f"rename {Path(str(target)).name}")
        real_rename(source, target)

    def replace(source: object, target: object) -> None:
        seen.append(f"replace {Path(str(target)).name}")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(os, "replace", replace)
    return seen


def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(tmp_path: Path, disk: FileDisk, calls: list[str]):
    staging = tmp_path / "staging"
    staging.mkdir()
    disk.replace_file(tmp_path / "pointer", b"new", staging_dir=staging)
    assert calls[0].startswith("fsync replace-")
    assert calls[1:] == ["replace pointer", f"fsync {tmp_path.name}"]
    assert (tmp_path / "pointer").read_bytes() == b"new"
    assert list(staging.iterdir()) == []


def test_a_move_syncs_both_parents(tmp_path: Path, disk: FileDisk, calls: list[str]):
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    (tmp_path / "from/tree").mkdir()
    disk.move(tmp_path / "from/tree", tmp_path / "to/tree")
    assert calls == ["rename tree", "fsync to", "fsync from"]


@pytest.mark.parametrize("kind", ["file", "empty folder", "full folder", "dead link"])
def test_a_move_never_replaces_anything(tmp_path: Path, disk: FileDisk, kind: str):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    match kind:
        case "file":
            target.write_text("x")
        case "dead link":
            target.symlink_to("nowhere")
        case _:
            target.mkdir()
            if kind == "full folder":
                (target / "x").write_text("x")
    with pytest.raises(FileExistsError):
        disk.move(source, target)
    assert source.is_dir()


def test_new_folders_are_synced_into_their_parents(tmp_path: Path, disk: FileDisk, calls: list[str]):
    disk.make_dirs(tmp_path / "a/b")
    assert calls == [f"fsync {tmp_path.name}", "fsync a"]
    disk.make_dirs(tmp_path / "a/b")
    disk.make_dirs(tmp_path / "c/d", durable=False)
    assert len(calls) == 2


def test_few_files_are_synced_one_by_one_and_many_at_once(tmp_path: Path, disk: FileDisk, calls: list[str]):
    (tmp_path / "few").mkdir()
    (tmp_path / "few/file").write_text("x")
    (tmp_path / "few/link").symlink_to("nowhere")
    disk.sync(tmp_path / "few")
    assert calls == ["fsync file", "fsync few"]  # content before the name that leads to it
    (tmp_path / "many").mkdir()
    for number in range(80):
        (tmp_path / "many" / str(number)).touch()
    disk.sync(tmp_path / "many")
    assert calls == ["fsync file", "fsync few"]  # content before the name that leads to it


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, disk: FileDisk, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pointer").write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError):
        disk.replace_file(tmp_path / "pointer", b"new", staging_dir=tmp_path)
    assert (tmp_path / "pointer").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["pointer"]


def test_a_file_is_linked_or_copied(tmp_path: Path, disk: FileDisk, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o755)
    disk.link_file(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").samefile(tmp_path / "a")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    disk.link_file(tmp_path / "a", tmp_path / "c")
    assert not (tmp_path / "c").samefile(tmp_path / "a")
    assert ((tmp_path / "c").read_text(), (tmp_path / "c").stat().st_mode & 0o777) == ("x", 0o755)


def test_a_copy_says_what_was_written(tmp_path: Path, disk: FileDisk):
    (tmp_path / "a").write_bytes(b"abc")
    sha256, size = disk.copy_file(tmp_path / "a", tmp_path / "b")
    assert (sha256[:8], size) == ("ba7816bf", 3)


def test_places_that_cannot_be_written_are_the_hosts_fault(tmp_path: Path, disk: FileDisk):
    (tmp_path / "file").write_text("x")
    for act in (
        lambda: disk.make_dirs(tmp_path / "file"),
        lambda: disk.make_dirs(tmp_path / "file/below"),
        lambda: disk.write_file(tmp_path / "file/x", b""),
        lambda: disk.lock(tmp_path / "file/x/lock").__enter__(),
    ):
        with pytest.raises(HostError) as caught:
            act()
        assert caught.value.exit_code == 5


def test_a_full_disk_is_told_with_its_folder_and_says_nothing_of_the_cache(tmp_path: Path):
    with pytest.raises(NoSpaceError, match=str(tmp_path)) as caught, disk_errors(tmp_path / "repository"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.folder == tmp_path / "repository"
    assert "MB free), or choose another folder" in caught.value.hint
    assert "cache" not in caught.value.hint


def test_removing_what_is_not_there_is_no_error(tmp_path: Path, disk: FileDisk):
    disk.remove(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(tmp_path)
    disk.remove(tmp_path / "link")
    assert tmp_path.is_dir()


def test_a_lock_is_held_by_one(tmp_path: Path, disk: FileDisk):
    with disk.lock(tmp_path / "locks/root.lock"):
        child = os.fork()
        if child == 0:
            try:
                with FileDisk().lock(tmp_path / "locks/root.lock", waiting=(tmp_path / "waited").touch):
                    (tmp_path / "entered").touch()
            finally:
                os._exit(0)
        while not (tmp_path / "waited").exists():
            os.sched_yield()
        assert not (tmp_path / "entered").exists()
    os.waitpid(child, 0)
    assert (tmp_path / "entered").exists()


def test_chunks_become_a_new_file_and_its_digest(tmp_path: Path, disk: FileDisk):
    found = disk.write_chunks(tmp_path / "file", iter([b"one", b"", b"two"]))
    assert found == (sha256_bytes(b"onetwo"), 6)
    assert (tmp_path / "file").read_bytes() == b"onetwo"
    with pytest.raises(FileExistsError):
        disk.write_chunks(tmp_path / "file", iter([b"again"]))
    disk.write_chunks(tmp_path / "script", iter([b"#!/bin/sh"]), executable=True)
    assert (tmp_path / "script").stat().st_mode & 0o777 == 0o755


def test_a_file_moves_over_another_one(tmp_path: Path, disk: FileDisk):
    for name in ("new", "old"):
        disk.write_file(tmp_path / name, name.encode())
    disk.move_over(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"new"
    assert not (tmp_path / "new").exists()
    disk.write_file(tmp_path / "newer", b"newer")
    disk.move_over(tmp_path / "newer", tmp_path / "old", durable=False)
    assert (tmp_path / "old").read_bytes() == b"newer"
    with pytest.raises(HostError):
        disk.move_over(tmp_path / "nothing", tmp_path / "old")
