from __future__ import annotations

import io
import os

import pytest

from pipeline.cli.passphrase import read_passphrase
from pipeline.errors import UsageError


def test_the_first_line_of_a_file_is_the_passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(b"correct horse\r\nsomething else\n")
    assert read_passphrase(file=path, descriptor=None) == b"correct horse"


def test_a_descriptor_is_read_and_closed():
    read_end, write_end = os.pipe()
    os.write(write_end, b"secret\n")
    os.close(write_end)
    assert read_passphrase(file=None, descriptor=read_end) == b"secret"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_end)


def test_an_empty_first_line_is_no_passphrase(tmp_path):
    path = tmp_path / "passphrase"
    path.write_bytes(b"\nsecond\n")
    with pytest.raises(UsageError, match="empty"):
        read_passphrase(file=path, descriptor=None)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        read_passphrase(file=tmp_path / "nowhere", descriptor=None)


def test_a_descriptor_that_is_not_open_is_a_usage_error():
    with pytest.raises(UsageError, match="descriptor 97"):
        read_passphrase(file=None, descriptor=97)


def test_two_places_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match="exclude"):
        read_passphrase(file=tmp_path / "f", descriptor=3)


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="terminal"):
        read_passphrase(file=None, descriptor=None)
