"""How people say which release they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.upstream.selectors import parse_selector, version_numbers


@pytest.mark.parametrize(("text", "kind"), [
    ("b11434", "build"), ("latest", "latest"), ("stable", "stable"), ("v0.4.1", "version"), (">=b11000", "range"),
    (">=b1, <b2", "range"), ("==b5", "range"), ("<=b5", "range"), (" latest ", "latest"),
])  # fmt: skip
def test_each_form_is_told_apart(text, kind):
    assert parse_selector(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b0",
        "11434",
        "b",
        "v0.4",
        "v1.2.3.4",
        "newest",
        ">=11000",
        ">=b1,",
        "=b5",
        "~=b5",
        "b1,b2",
        ">=v0.4.1",
        "master-2d7bf11",
        "b1234567890",
        "latest; rm",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError):
        parse_selector(text)


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_bounds_are_numbers_not_text(low, high, number):
    selector = parse_selector(f">=b{low},<b{high}")
    assert selector.admits(number) == (low <= number < high)
    assert selector.lowest == low


def test_versions_compare_by_number():
    assert version_numbers("v0.10.0") > version_numbers("v0.9.9")
    assert version_numbers("v01.2.3") is None
