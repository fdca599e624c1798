"""Locks of this program and of filelock keep each other out."""

import os
import subprocess
import sys

import pytest
from filelock import FileLock, Timeout

from pipeline.system.claims import claimed, try_claim


def test_a_claim_keeps_other_claims_out_until_it_is_released(tmp_path):
    first = try_claim(tmp_path / "x.lock")
    assert first is not None
    assert try_claim(tmp_path / "x.lock") is None
    first.release()
    second = try_claim(tmp_path / "x.lock")
    assert second is not None
    second.release()


def test_filelock_and_a_claim_keep_each_other_out(tmp_path):
    path = tmp_path / "x.lock"
    claim = try_claim(path)
    with pytest.raises(Timeout):
        FileLock(path).acquire(timeout=0)
    claim.release(forget=False)
    with FileLock(path):
        assert try_claim(path) is None
    again = try_claim(path)
    assert again is not None
    again.release()


def test_a_lock_that_was_removed_while_it_was_opened_is_no_claim(tmp_path):
    path = tmp_path / "x.lock"
    holder = try_claim(path)
    path.unlink()
    other = try_claim(path)  # another file of that name
    assert other is not None
    other.release()
    holder.release(forget=False)


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from pipeline.system.claims import try_claim;"
        "assert try_claim(Path(sys.argv[1])); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path / "x.lock"], check=False).returncode == 9
    claim = try_claim(tmp_path / "x.lock")
    assert claim is not None
    claim.release()


def test_whoever_waits_is_told_once(tmp_path):
    path = tmp_path / "x.lock"
    holder = try_claim(path)
    told = []
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            holder.release()

    with claimed(path, sleep=sleep, waiting=lambda: told.append("waiting")):
        assert try_claim(path) is None
    assert told == ["waiting"]
    assert len(naps) == 3


def test_a_claim_that_was_released_is_free_although_a_child_has_the_file_open(tmp_path):
    claim = try_claim(tmp_path / "x.lock")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent is done
        os._exit(0)
    os.close(reader)
    try:
        claim.release(forget=False)
        again = try_claim(tmp_path / "x.lock")
        assert again is not None
        again.release()
    finally:
        os.close(writer)
        os.waitpid(child, 0)
