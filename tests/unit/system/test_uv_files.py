"""What uv's own files say of package indexes."""

from __future__ import annotations

import os
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


WRONG = [
    ("index = 5", "index must be a list"),
    ("index = true", "index must be a list"),
    ('[index]\nurl = "https://h/a"', "index must be a list"),
    ('index = ["https://h/a"]', "index must be a list of tables"),
    ('[[index]]\nname = "own"', "index.url must be"),
    ('[[index]]\nurl = ""', "index.url must be"),
    ("[[index]]\nurl = 5", "index.url must be text"),
    ('[[index]]\nname = 5\nurl = "https://h/a"', "index.name must be text"),
    ('[[index]]\nurl = "https://h/a"\ndefault = "false"', "index.default must be true or false"),
    ('[[index]]\nurl = "https://h/a"\nexplicit = 1', "index.explicit must be true or false"),
    ('[[index]]\nurl = "https://h/a"\nformat = 1', "index.format must be text"),
    ('index-url = ["https://h/a"]', "index-url must be text"),
    ("index-url = 5", "index-url must be text"),
    ("extra-index-url = 5", "extra-index-url must be a list"),
    ("extra-index-url = [5]", "extra-index-url must be a list of texts"),
    ("pip = 5", "pip must be a table"),
    ("[pip]\nindex-url = 5", "index-url must be text"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_index_is_refused_with_file_and_key_and_not_passed_over(tmp_path, of_user, text, said):
    path = write(tmp_path / "user", text)
    with pytest.raises(UsageError) as caught:
        read_uv_files(of_user)
    assert f"{path}: {said}" in caught.value.message
    assert "https://" not in caught.value.message


def test_a_file_that_nests_without_end_is_named(tmp_path, of_user):
    path = write(tmp_path / "user", "a = " + "[" * 5000)
    with pytest.raises(UsageError, match=str(path)):
        read_uv_files(of_user)


def test_a_system_file_that_cannot_be_looked_at_is_named(tmp_path, of_user):
    folder = tmp_path / ("n" * 300)  # no file system takes the name: refused to everybody, to root too
    of_user["XDG_CONFIG_DIRS"] = str(folder)
    with pytest.raises(UsageError, match=r"nnn/uv/uv\.toml"):
        read_uv_files(of_user)


def test_a_system_folder_that_may_not_be_searched_is_named(tmp_path):
    path = write(tmp_path / "system", 'index-url = "https://h/a"\n')
    path.parent.chmod(0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)  # root may search every folder
    try:
        with pytest.raises(UsageError, match=f"{path}: cannot be looked at"):
            read_uv_files({"XDG_CONFIG_DIRS": str(tmp_path / "system")})
    finally:
        os.seteuid(me)
        path.parent.chmod(0o700)
