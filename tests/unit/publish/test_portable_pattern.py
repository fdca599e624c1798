from __future__ import annotations

import re
import subprocess

import pytest

from pipeline.publish.portable_pattern import portable_pattern

LINES = [
    "version: 11434 (abc)", "build 11434", "version: 114345", "build: 11434", "a.b", "axb", "1 2", "x_1", "", "b[c]",
    "^", "aab",
]  # fmt: skip


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?:build|version:) 11434\b",
        r"\bbuild \d+",
        r"^a\.b$",
        r"[ab]{2,3}b?",
        r"\w_\d",
        r"b\[c\]",
        r"\^",
        r"(a|1)\s?",
        r"\D$",
    ],
)
def test_it_matches_the_lines_that_python_matches(pattern):
    spelled = portable_pattern(pattern)
    assert spelled is not None
    for line in LINES:
        done = subprocess.run(["grep", "-E", "-q", "-e", spelled], input=f"{line}\n".encode(), check=False)
        assert done.returncode in {0, 1}
        assert (done.returncode == 0) == bool(re.search(pattern, line)), line


@pytest.mark.parametrize(
    "pattern", [r"a+?", r"(?=a)", r"(?P<n>a)", r"(a)\1", r"a\bb", r"\.\b", r"[\d]", r"\Z", r"a++", r"\t"]
)
def test_what_has_no_equal_is_none(pattern):
    assert portable_pattern(pattern) is None
