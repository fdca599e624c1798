"""`wheel pin` and `wheel fetch`: wheels of an index that says no digests get ours, and must keep them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.simulators.bare_index import BareIndex
from tests.simulators.command_line import CommandLine
from tests.simulators.web import serving

LINUX = "llama_cpp_python-0.3.36-py3-none-manylinux_2_35_x86_64.whl"
MAC = "llama_cpp_python-0.3.36-py3-none-macosx_11_0_arm64.whl"
OLDER = "llama_cpp_python-0.3.9-cp311-cp311-linux_x86_64.whl"


@pytest.fixture
def user(tmp_path: Path) -> CommandLine:
    home = tmp_path / "user"
    home.mkdir()
    return CommandLine(home)


@pytest.fixture
def index(tmp_path: Path) -> BareIndex:
    index = BareIndex(tmp_path / "index", "llama-cpp-python")
    for name in (OLDER, MAC, LINUX, "llama_cpp_python-0.3.36.tar.gz", "readme.txt"):
        index.put(name, name.encode() * 100)
    return index


@pytest.fixture
def url(index: BareIndex):
    with serving(index.folder) as (url, _):
        yield f"{url}/whl"


def pin(user: CommandLine, url: str, *more: str):
    return user.run("wheel", "pin", url, "--project", "llama_cpp_python", *more)


def pins(user: CommandLine) -> dict:
    return {file["filename"]: file for file in json.loads((user.home / "wheel-pins.json").read_text())["files"]}


def test_the_newest_wheels_are_read_and_their_digests_written_down(user, url):
    assert pin(user, url).returncode == 0
    data = LINUX.encode() * 100
    assert set(pins(user)) == {LINUX, MAC}
    assert pins(user)[LINUX]["sha256"] == hashlib.sha256(data).hexdigest()
    assert pins(user)[LINUX]["size_bytes"] == len(data)


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (("--platform", "linux-x86_64"), {LINUX}),
        (("--platform", "macos-arm64", "--python", "3.14"), {MAC}),
        (("--version", "0.3.9"), {OLDER}),
        (("--platform", "linux-x86_64", "--python", "3.11", "--version", "0.3.9"), {OLDER}),
    ],
)
def test_what_is_wanted_is_chosen(user, url, options, chosen):
    assert pin(user, url, *options).returncode == 0
    assert set(pins(user)) == chosen


@pytest.mark.parametrize(
    "options",
    [("--version", "9"), ("--platform", "windows-arm64"), ("--version", "0.3.9", "--python", "3.12")],
)
def test_nothing_like_it_is_said_and_nothing_written(user, url, options):
    assert pin(user, url, *options).returncode == 3
    assert not (user.home / "wheel-pins.json").exists()


def test_versions_are_compared_as_numbers_and_older_pins_stay(user, url):
    pin(user, url, "--version", "0.3.9")
    pin(user, url)
    assert set(pins(user)) == {OLDER, LINUX, MAC}


def test_a_file_that_changed_is_refused_and_the_pins_stay(user, url, index):
    pin(user, url)
    before = (user.home / "wheel-pins.json").read_bytes()
    index.put(LINUX, b"something else")
    assert pin(user, url).returncode == 7
    assert (user.home / "wheel-pins.json").read_bytes() == before
    assert pin(user, url, "--accept-changed").returncode == 0
    assert pins(user)[LINUX]["sha256"] == hashlib.sha256(b"something else").hexdigest()


def test_a_second_look_at_the_same_writes_the_same(user, url):
    pin(user, url)
    path = user.home / "wheel-pins.json"
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert pin(user, url).returncode == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_file_that_is_gone_is_said(user, url, index):
    pin(user, url)
    index.withdraw(MAC)
    done = pin(user, url)
    assert done.returncode == 0
    assert MAC in done.stderr


def test_what_was_pinned_is_brought(user, url):
    pin(user, url)
    user.ok("wheel", "fetch", "--output", "wheels")
    assert {path.name for path in (user.home / "wheels").iterdir()} == {LINUX, MAC}
    assert (user.home / "wheels" / LINUX).read_bytes() == LINUX.encode() * 100


def test_bytes_that_are_not_what_was_pinned_are_refused_and_not_kept(user, url, index):
    pin(user, url)
    index.put(LINUX, b"x" * len(LINUX.encode() * 100))
    assert user.run("wheel", "fetch", "--output", "wheels").returncode == 7
    assert not (user.home / "wheels" / LINUX).exists()


def test_a_dry_run_writes_nothing(user, url):
    assert pin(user, url, "--dry-run").returncode == 0
    assert not (user.home / "wheel-pins.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("wheel", "pin", "ftp://x", "--project", "p"), 2),
        (("wheel", "pin", "http://127.0.0.1:9/whl", "--project", "p", "--offline"), 12),
        (("wheel", "fetch", "nowhere.json"), 2),
        (("wheel", "pin", "http://127.0.0.1:9/whl", "--project", "p", "--python", "3"), 2),
    ],
)
def test_what_makes_no_sense_is_said(user, arguments, code):
    assert user.run(*arguments).returncode == code


def test_another_index_wants_another_file(user, url):
    pin(user, url)
    assert user.run("wheel", "pin", f"{url}/other", "--project", "llama-cpp-python").returncode == 2


def test_a_page_that_is_none_is_refused(user, url, index):
    (index.folder / "whl" / "llama-cpp-python" / "index.html").write_text("not found, sorry")
    assert pin(user, url).returncode == 7


def test_a_project_that_is_not_there_is_said(user, url):
    assert user.run("wheel", "pin", url, "--project", "other").returncode == 3
