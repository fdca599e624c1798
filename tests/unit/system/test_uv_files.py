"""What uv's own files say of package indexes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.system.uv_files import UvFiles, read_uv_files


def write(folder: Path, text: str) -> Path:
    path = folder / "uv" / "uv.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.fixture
def of_user(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path / "user"), "XDG_CONFIG_DIRS": str(tmp_path / "system")}


def test_without_a_file_nothing_is_said(of_user):
    assert read_uv_files(of_user) == UvFiles()


def test_the_users_indexes_come_before_the_systems_and_the_first_default_counts(tmp_path, of_user):
    write(
        tmp_path / "user",
        '[[index]]\nname = "own"\nurl = "https://h/own"\n[[index]]\nurl = "https://h/all"\ndefault = true\n',
    )
    write(tmp_path / "system", 'index-url = "https://h/other"\nextra-index-url = ["https://h/more"]\n')
    found = read_uv_files(of_user)
    assert found == UvFiles(first=("own=https://h/own", "https://h/more"), default=("https://h/all",))


def test_of_the_systems_files_the_first_counts(tmp_path, of_user):
    write(tmp_path / "system", 'index-url = "https://h/a"\n')
    write(tmp_path / "other", 'extra-index-url = ["https://h/b"]\n')
    of_user["XDG_CONFIG_DIRS"] += f":{tmp_path / 'other'}"
    assert read_uv_files(of_user) == UvFiles(default=("https://h/a",))


def test_what_is_for_uv_pip_alone_wins(tmp_path, of_user):
    write(tmp_path / "user", 'index-url = "https://h/a"\n[pip]\nindex-url = "https://h/b"\n')
    assert read_uv_files(of_user).default == ("https://h/b",)


def test_a_folder_is_named_relative_to_the_file(tmp_path, of_user):
    path = write(tmp_path / "user", 'index-url = "simple"\n')
    assert read_uv_files(of_user).default == ((path.parent / "simple").as_uri(),)


def test_explicit_and_flat_indexes_are_none_of_the_environments(tmp_path, of_user):
    path = write(
        tmp_path / "user",
        '[[index]]\nname = "a"\nurl = "https://h/a"\nexplicit = true\n'
        '[[index]]\nname = "b"\nurl = "https://h/b"\nformat = "flat"\n',
    )
    assert read_uv_files(of_user) == UvFiles(links=(path,))


def test_files_with_find_links_are_named(tmp_path, of_user):
    path = write(tmp_path / "user", 'find-links = ["wheels"]\n')
    assert read_uv_files(of_user).links == (path,)


def test_a_file_that_is_named_is_the_only_one_and_none_may_be_wanted(tmp_path, of_user):
    write(tmp_path / "user", 'index-url = "https://h/a"\n')
    named = tmp_path / "named.toml"
    named.write_text('index-url = "https://h/named"\n')
    assert read_uv_files({**of_user, "UV_CONFIG_FILE": str(named)}).default == ("https://h/named",)
    assert read_uv_files({**of_user, "UV_NO_CONFIG": "1"}) == UvFiles()


def test_a_file_that_is_named_and_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="UV_CONFIG_FILE"):
        read_uv_files({"UV_CONFIG_FILE": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("text", [b"index = [", b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, of_user, text):
    path = write(tmp_path / "user", "")
    path.write_bytes(text)
    with pytest.raises(UsageError, match=str(path)):
        read_uv_files(of_user)
