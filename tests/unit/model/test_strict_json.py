from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.digest import canonical_json
from pipeline.errors import IntegrityError
from pipeline.model.strict_json import MAX_DEPTH, parse_json


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b'{"a": 1, "a": 1}', "'a' stands twice"),
        (b'{"x": {"a": 1, "\\u0061": 2}}', "'a' stands twice"),
        (b"NaN", "NaN is no JSON number"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "Infinity"),
        (b"1e999", "1e999 is not a whole number"),
        (b"1.0", "1.0 is not a whole number"),
        (b"1e3", "whole number"),
        (b"-0", "no plain integer"),
        (b"9999999999999999999", "no plain integer"),
        (b"1" * 5000, "no plain integer"),
        (b"01", "Extra data"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"a": 1}'.encode("utf-16"), "no UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "control|Expecting|character"),
        (b'"\xff"', "no UTF-8"),
        (b'"\\ud800"', "U\\+D800"),
        (b'"\\u0000"', "U\\+0000"),
        (b'"\\u202e"', "U\\+202E"),
        (b'{"\\u001b[31m": 1}', "U\\+001B"),
        (b"[" * 33 + b"]" * 33, "nested deeper than 32"),
        (b"[" * 200_000, "nested deeper|Expecting"),
        (b'{"a":' * 200_000, "nested deeper|Expecting"),
        (b"", "Expecting value"),
        (b"{} {}", "Extra data"),
        (b"{'a': 1}", "Expecting property name"),
        (b"[1,]", "Expecting value|trailing comma"),
    ],
    ids=range(27),
)
def test_what_readers_disagree_about_is_refused(data: bytes, match: str):
    with pytest.raises(IntegrityError, match=match) as caught:
        parse_json(data, what="manifest")
    assert caught.value.message.startswith("manifest is malformed")


def test_a_text_that_stands_many_times_is_looked_at_once():
    document = b"[" + b",".join([b'{"name": "core", "role": "core"}'] * 1000) + b"]"
    looked_at = 0

    def count(_frame, event, called):
        nonlocal looked_at
        looked_at += event == "c_call" and called.__name__ == "search"

    sys.setprofile(count)
    try:
        parse_json(document, what="x")
    finally:
        sys.setprofile(None)
    assert looked_at == 3


def test_an_unclean_text_is_refused_wherever_it_stands_after_clean_ones():
    for data in (b'[{"a": "b"}, {"a": "\\u202e"}]', b'[{"a": "b"}, {"\\u202e": "b"}]', b'["a", ["a", "\\u202e"]]'):
        with pytest.raises(IntegrityError, match=r"U\+202E"):
            parse_json(data, what="x")


def test_long_documents_are_refused_unread():
    with pytest.raises(IntegrityError, match="it has 11 bytes, more than 10"):
        parse_json(b"[1,2,3,4,5]", what="x", limit_bytes=10)


def test_the_deepest_document_that_is_read():
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, what="x")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.text(st.characters(codec="utf-8", categories=["L", "N"])),
    lambda children: (
        st.lists(children) | st.dictionaries(st.text(st.characters(codec="utf-8", categories=["L"])), children)
    ),
    max_leaves=20,
)


@given(plain)
def test_what_we_write_we_read(value: object):
    assert parse_json(canonical_json(value), what="x", limit_bytes=1 << 20) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_an_integrity_error(data: bytes):
    try:
        parse_json(data, what="x")
    except IntegrityError:
        return
