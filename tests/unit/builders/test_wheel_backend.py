"""A wheel is delivered whole or not at all, whatever happens while it is copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.builders.wheel_backend import deliver_wheel
from pipeline.errors import HostError, IntegrityError, NoSpaceError
from tests.simulators.engine_world import FixedHost, services_for
from tests.simulators.mounts import mounted

GIBI = 1 << 30


@pytest.fixture
def wheel(tmp_path) -> Path:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    path.write_bytes(os.urandom(2 << 20))
    return path


@pytest.fixture
def services(tmp_path):
    return services_for(tmp_path / "store", host=FixedHost(free=GIBI))


def test_a_wheel_lies_where_it_is_wanted_and_the_same_one_stays(wheel, services, tmp_path):
    output = tmp_path / "wheels" / "cpu"
    path, sha256, size_bytes = deliver_wheel(wheel, output, services)
    assert (path.read_bytes(), size_bytes) == (wheel.read_bytes(), 2 << 20)
    before = path.stat()
    assert deliver_wheel(wheel, output, services) == (path, sha256, size_bytes)
    assert path.stat() == before
    assert list(output.iterdir()) == [path]


def test_another_wheel_of_that_name_is_not_overwritten(wheel, services, tmp_path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / wheel.name).write_text("mine")
    with pytest.raises(IntegrityError):
        deliver_wheel(wheel, tmp_path / "wheels", services)
    assert (tmp_path / "wheels" / wheel.name).read_text() == "mine"


def test_a_disk_that_fills_up_during_the_copy_is_named_as_that_and_nothing_is_left(wheel, services, tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as disk:
        with pytest.raises(NoSpaceError) as caught:
            deliver_wheel(wheel, disk, services)
        assert str(disk) in caught.value.message
        assert caught.value.exit_code == 4
        assert list(disk.iterdir()) == []


def test_an_interrupt_leaves_nothing(wheel, services, tmp_path, monkeypatch):
    def interrupted(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        deliver_wheel(wheel, tmp_path / "wheels", services)
    assert list((tmp_path / "wheels").iterdir()) == []


def test_a_file_where_the_folder_should_be_is_an_error(wheel, services, tmp_path):
    (tmp_path / "wheels").write_text("mine")
    with pytest.raises(HostError, match="cannot be written"):
        deliver_wheel(wheel, tmp_path / "wheels", services)
