"""Private keys on a disk that is full, and in a folder that two processes write to."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import HostError, NoSpaceError, PipelineError
from pipeline.system.keys import PrivateKeyFiles

FILES = PrivateKeyFiles()


def _without_space(results: multiprocessing.Queue, action: Callable[[Path, bytes], None], path: Path) -> None:
    """Say how the action ends where no file can grow past 100 bytes: refused as on a full disk (EFBIG)."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        action(path, b"k" * 200)
    except (PipelineError, OSError) as error:
        results.put((type(error), str(error)))
    else:
        results.put((None, ""))


def _error_without_space(action: Callable[[Path, bytes], None], path: Path) -> tuple[type[Exception] | None, str]:
    # In a process of its own: the limit would hold for the report of the tests too, where that goes to a file.
    processes = multiprocessing.get_context("fork")
    results = processes.Queue()
    process = processes.Process(target=_without_space, args=(results, action, path))
    process.start()
    answer = results.get(timeout=30)
    process.join(30)
    return answer


def test_no_half_key_is_left_on_a_full_disk(tmp_path: Path):
    error, text = _error_without_space(FILES.create, tmp_path / "root-1.pem")
    assert error is NoSpaceError
    assert "cannot write" in text
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_does_not_fit_leaves_the_old_one(tmp_path: Path):
    (tmp_path / "keys.json").write_bytes(b"old")
    error, _ = _error_without_space(FILES.replace, tmp_path / "keys.json")
    assert error is NoSpaceError
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"keys.json": b"old"}


def test_a_folder_that_is_not_there(tmp_path: Path):
    with pytest.raises(HostError, match="cannot write"):
        FILES.create(tmp_path / "no/root-1.pem", b"k")
    with pytest.raises(HostError, match="cannot write"):
        FILES.replace(tmp_path / "no/keys.json", b"k")


def test_what_a_dead_process_left_is_removed(tmp_path: Path):
    (tmp_path / ".root.json.new").write_bytes(b"half")
    FILES.replace(tmp_path / "keys.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"keys.json": b"new"}


def _replace_often(folder: Path, letter: bytes) -> None:
    for _ in range(100):
        FILES.replace(folder / "keys.json", letter * 5000)


def test_two_processes_do_not_take_each_others_files(tmp_path: Path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_replace_often, args=(tmp_path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert (tmp_path / "keys.json").read_bytes() in {b"a" * 5000, b"b" * 5000}
