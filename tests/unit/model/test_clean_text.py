from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.clean_text import UNCLEAN, presentable, visible, without_user_info


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Grüße, 日本語\n\tand lines", "plain, Grüße, 日本語\n\tand lines"),
        ("\x1b[2Jcleared", "\\u001b[2Jcleared"),
        ("safe\u202egpj.exe", "safe\\u202egpj.exe"),
        ("lla\u200bma", "lla\\u200bma"),
        ("a\rb\x07\x9b1m", "a\\u000db\\u0007\\u009b1m"),
        ("half \ud800", "half \\ud800"),
        ("tag \U000e0041", "tag \\udb40\\udc41"),
        ("line\u2028line", "line\\u2028line"),
    ],
)
def test_what_moves_a_cursor_or_hides_is_written_out(text: str, shown: str):
    assert visible(text) == shown
    assert visible(shown) == shown
    visible(text).encode()  # a half of a character could not be


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_json_document_stays_the_same_document(text: str):
    assert json.loads(visible(json.dumps({"key": text}, ensure_ascii=False))) == {"key": text}


@given(st.text(st.characters()))
def test_nothing_unclean_is_left(text: str):
    assert UNCLEAN.search(visible(text)) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:word@host/path failed", "https://host/path failed"),
        ("at http://user@host:8080/x?y@z", "at http://host:8080/x?y@z"),
        ("https:/user:word@host/x is no file", "https:/host/x is no file"),
        ("https://user:w@rd@host/p", "https://host/p"),
        ('{"url": "https://user:word@host", "mail": "a@b"}', '{"url": "https://host", "mail": "a@b"}'),
        ("two: http://a:b@c http://d:e@f", "two: http://c http://f"),
        ("mail a@b, https://host/a@b", "mail a@b, https://host/a@b"),
    ],
)
def test_no_password_of_a_url_is_shown(text: str, shown: str):
    assert without_user_info(text) == shown
    assert presentable(text) == shown
