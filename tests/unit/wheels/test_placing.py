"""Where the files of a tree lie in a wheel, which has no links."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.model.binary import BinaryCard
from pipeline.model.tree import Tree, TreeEntry
from pipeline.wheels.placing import installed_names


def tree(*paths: str, **links: str) -> Tree:
    files = [TreeEntry(path=path, mode=0o755, size_bytes=1, sha256="0" * 64) for path in paths]
    symbolic = [TreeEntry(path=path, mode=0o777, size_bytes=0, sha256=None, link=to) for path, to in links.items()]
    return Tree(sha256="0" * 64, entries=(*files, *symbolic))


def card(*needed: str, soname: str | None = None, is_executable: bool = False) -> BinaryCard:
    return BinaryCard(
        format="elf",
        machine="x86_64",
        is_executable=is_executable,
        soname=soname,
        needed=needed,
        runpath=("$ORIGIN",),
        version_needs={},
        has_symbols=False,
        has_debug=False,
        build_id=None,
    )


LINKED = tree("bin/liba.so.1.2", "bin/app", **{"bin/liba.so": "liba.so.1", "bin/liba.so.1": "liba.so.1.2"})


def test_a_library_lies_under_the_name_that_loaders_ask_for():
    cards = {"bin/liba.so.1.2": card(soname="liba.so.1"), "bin/app": card("liba.so.1", is_executable=True)}
    assert installed_names(LINKED, cards, programs=["bin/app"]) == {
        "bin/app": "bin/app",
        "bin/liba.so.1": "bin/liba.so.1.2",
    }


def test_a_name_that_another_library_needs_is_kept_too():
    cards = {"bin/liba.so.1.2": card(soname="liba.so.1"), "bin/app": card("liba.so", is_executable=True)}
    assert set(installed_names(LINKED, cards, programs=[])) == {"bin/app", "bin/liba.so", "bin/liba.so.1"}


def test_a_library_that_nobody_asks_for_keeps_its_own_name():
    cards = {"bin/liba.so.1.2": card()}
    assert "bin/liba.so.1.2" in installed_names(LINKED, cards, programs=[])


def test_a_program_lies_under_each_of_its_names():
    found = installed_names(
        tree("bin/app-1", **{"bin/app": "app-1"}), {"bin/app-1": card(is_executable=True)}, programs=["bin/app"]
    )
    assert found == {"bin/app": "bin/app-1", "bin/app-1": "bin/app-1"}


def test_what_is_no_binary_lies_under_each_of_its_names():
    assert set(installed_names(tree("a.txt", **{"b/c.txt": "../a.txt"}), {}, programs=[])) == {"a.txt", "b/c.txt"}


@pytest.mark.parametrize(
    "links", [{"lib64": "lib"}, {"a": "gone"}, {"a": "b", "b": "a"}], ids=["a folder", "nothing", "a loop"]
)
def test_a_link_to_no_file_makes_no_wheel(links):
    with pytest.raises(UsageError):
        installed_names(tree("lib/x", **links), {}, programs=[])
