"""Folders as values."""

import os
import socket

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.system.trees import FileTreeReader


def scan(folder):
    return FileTreeReader().scan(folder)


def test_entries_come_in_byte_order_with_mode_size_digest_and_link(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "run").write_bytes(b"xy")
    (tmp_path / "b" / "run").chmod(0o700)
    (tmp_path / "b.txt").write_bytes(b"")
    (tmp_path / "link").symlink_to("./b/run")
    (tmp_path / "empty").mkdir()
    entries = scan(tmp_path).entries
    assert [(e.path, e.mode, e.size_bytes, e.link) for e in entries] == [
        ("b.txt", 0o644, 0, None),
        ("b/run", 0o755, 2, None),
        ("link", 0o777, 0, "./b/run"),
    ]
    assert entries[1].sha256 == sha256_bytes(b"xy")


def test_the_digest_does_not_depend_on_time_umask_or_place(tmp_path):
    digests = []
    for name, mode in (("one", 0o600), ("two", 0o664)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "f").write_bytes(b"1")
        (folder / "f").chmod(mode)
        digests.append(scan(folder).sha256)
    assert digests[0] == digests[1]


def test_a_fifo_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IntegrityError, match="neither a file"):
        scan(tmp_path)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(IntegrityError):
            scan(tmp_path)


@pytest.mark.parametrize("name", [b"bad\xff", b"new\nline", b"back\\slash", b"c:x"])
def test_a_name_that_is_not_portable_is_refused(tmp_path, name):
    os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT | os.O_WRONLY))
    with pytest.raises(IntegrityError, match="not portable"):
        scan(tmp_path)


def test_a_link_out_of_the_folder_is_refused_and_not_followed(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "t" / "link").symlink_to("../secret")
    with pytest.raises(IntegrityError, match="leads out of the tree"):
        scan(tmp_path / "t")
