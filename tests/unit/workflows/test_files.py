from __future__ import annotations

import pytest

from pipeline.workflows import GeneratedFile, StaleWorkflowsError, require_fresh, stale_files

FILES = (GeneratedFile("a.yml", b"one\ntwo\n"), GeneratedFile("b.yml", b"three\n"))


def test_files_that_are_the_same_are_fresh():
    found = {file.path: file.content for file in FILES}
    assert stale_files(FILES, found) == ()
    require_fresh(FILES, found)


def test_the_first_difference_is_shown_and_every_stale_file_is_named():
    with pytest.raises(StaleWorkflowsError) as stale:
        require_fresh(FILES, {"a.yml": b"one\nzwei\n", "b.yml": None})
    assert "2 stale files: a.yml, b.yml" in stale.value.message
    assert "-zwei\n+two" in stale.value.message
    assert stale.value.exit_code == 1


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(StaleWorkflowsError, match=r"b\.yml is not there"):
        require_fresh(FILES, {"a.yml": FILES[0].content})


@pytest.mark.parametrize("there", [b"one\r\ntwo\r\n", b"one\ntwo"])
def test_other_line_ends_are_a_difference(there):
    with pytest.raises(StaleWorkflowsError, match="line ends"):
        require_fresh(FILES[:1], {"a.yml": there})


def test_a_file_without_use_is_stale_only_where_it_was_generated():
    file = GeneratedFile("a.yml", None)
    assert stale_files([file], {"a.yml": None}) == stale_files([file], {"a.yml": b"name: mine\n"}) == ()
    with pytest.raises(StaleWorkflowsError, match="should not be there any more"):
        require_fresh([file], {"a.yml": b"# Made by `python -m pipeline generate ci`, not by hand"})


def test_a_long_difference_is_cut():
    file = GeneratedFile("a.yml", "".join(f"{n}\n" for n in range(100)).encode())
    with pytest.raises(StaleWorkflowsError, match=r"\.\.\. and \d+ more"):
        require_fresh([file], {"a.yml": b"x\n"})
