"""Names that are one file on some system, and names that no system should get."""

import pytest

from pipeline.errors import IntegrityError
from pipeline.system.archive_members import Limits, Member
from pipeline.system.portable_names import folded, segment_fault
from tests.simulators.archive_lists import judge

FINE = ("libllama.so.0.0.1", "llama-server.exe", "a b", "ä", "日本語", ".hidden", "-rf", "CONTRIBUTING.md", "com10.txt",
        "console", "nul-device.c", "a~b", "~", "%41", "$HOME", "x" * 255)  # fmt: skip
REFUSED = (
    "CON", "con.txt", "con.tar.gz", "Aux.c", "nul", "NUL .txt", "prn", "COM1", "com1.log", "COM¹", "lpt³.x", "LPT9",
    "COM0", "CONIN$", "conout$", "file.", "file ", "file...", ". ", "file:stream", "f::$DATA", "c:", "c:x", "a\\b",
    "\\\\server", "a<b", "a>b", 'a"b', "a|b", "a?b", "a*b", "a\x00b", "a\nb", "a\x7fb", "a\x85b", "\x1b[2J",
    "x" * 256, "ä" * 128, "a\ud800b",
)  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_a_name_that_every_system_can_have_is_fine(name):
    assert segment_fault(name) is None
    judge([Member(path=f"folder/{name}", kind="file")])


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("form", ["{}", "folder/{}", "{}/file"])
def test_a_name_that_some_system_cannot_have_is_refused(name, form):
    assert segment_fault(name) is not None
    with pytest.raises(IntegrityError):
        judge([Member(path=form.format(name), kind="file")])


PATHS = ("/", "/x", "//server/share", "./x", "x/.", "x/..", "../x", "a/../b", "a//b", "", "x/", "C:/x", "C:x", "\\x",
         "/".join("d" * 200) + "/x", "/".join(["x" * 200] * 6))  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_not_a_plain_one_below_its_root_is_refused(path):
    with pytest.raises(IntegrityError):
        judge([Member(path=path, kind="file")])


TWINS = (
    ("README", "readme"),
    ("é", "e\u0301"),
    ("Å", "\u212b"),
    ("straße", "STRASSE"),
    ("\ufb01le", "file"),
    ("I", "\u0131"),
    ("İ", "i"),
    ("\u017f", "s"),
    ("K", "\u212a"),
    ("\u03a3", "\u03c2"),
    (".git", ".g\u200cit"),
    ("a\ufeff", "a"),
    ("\u0345", "\u03b9"),
)


@pytest.mark.parametrize(("one", "other"), TWINS)
@pytest.mark.parametrize("form", ["{}", "folder/{}", "{}/file"])
def test_names_that_some_system_takes_for_one_are_refused(one, other, form):
    assert folded(one) == folded(other)
    members = [Member(path=form.format(name), kind="file") for name in (one, other)]
    for order in (members, members[::-1]):
        with pytest.raises(IntegrityError, match="one file where case does not count"):
            judge(order)


def test_folders_may_be_named_again_and_again():
    judge([Member(path="d", kind="folder"), Member(path="d/e", kind="folder"), Member(path="d/e/f", kind="file")])


def test_a_link_and_a_file_below_its_twin_are_refused():
    with pytest.raises(IntegrityError):
        judge([Member(path="lib", kind="link", link="."), Member(path="LIB/f", kind="file")])


def test_folders_that_are_only_implied_count_as_well():
    paths = ["/".join(f"{n}{depth}" for depth in range(100)) for n in range(20)]
    members = [Member(path=path, kind="file") for path in paths]
    judge(members, Limits(members=2000))
    with pytest.raises(IntegrityError, match="more than 1999 files and folders"):
        judge(members, Limits(members=1999))
