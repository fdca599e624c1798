"""One thing is not called by its plural, and long lists end."""

from __future__ import annotations

import pytest

from pipeline.model.counts import counted, listed


@pytest.mark.parametrize(("number", "text"), [(0, "0 wheels"), (1, "1 wheel"), (2, "2 wheels"), (1000, "1000 wheels")])
def test_a_number_comes_with_its_noun(number, text):
    assert counted(number, "wheel") == text


def test_a_noun_may_have_a_plural_of_its_own():
    assert (counted(1, "copy", "copies"), counted(3, "copy", "copies")) == ("1 copy", "3 copies")


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a, b"), (["a", "b", "c"], "a, b and 1 more")]
)
def test_a_list_ends_with_how_many_more_there_are(names, text):
    assert listed(names, shown=2) == text
