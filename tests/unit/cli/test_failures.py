from __future__ import annotations

import errno
import json
import os

import click
import pytest

from pipeline import errors
from pipeline.cli.failures import as_json, as_text, bug, classify
from pipeline.names import UnknownNameError


def os_error(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), path)


def test_an_error_keeps_its_code_class_message_hint_and_page():
    failure = classify(UnknownNameError("what", hint="next"))
    assert (failure.code, failure.name, failure.message, failure.hint, failure.docs) == (
        2,
        "UnknownNameError",
        "what",
        "next",
        "docs/errors/usage.md",
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PipelineError("m"), 1),
        (errors.NothingSelectedError("m"), 3),
        (errors.NoSpaceError("m"), 4),
        (errors.HostError("m"), 5),
        (errors.NetworkError("m"), 6),
        (errors.IntegrityError("m"), 7),
        (errors.TrustError("m"), 8),
        (errors.BuildError("m"), 9),
        (errors.ProofError("m"), 10),
        (errors.BudgetError("m"), 11),
        (errors.OfflineError("m"), 12),
        (errors.PartialError("m"), 13),
        (click.UsageError("m"), 2),
        (click.ClickException("m"), 2),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (os_error(errno.ENOSPC), 4),
        (os_error(errno.EDQUOT), 4),
        (os_error(errno.EACCES, "/a/file"), 5),
        (os_error(errno.EROFS, "/a/file"), 5),
        (os_error(errno.ENOTDIR, "/a/file/x"), 5),
    ],
)
def test_what_went_wrong_decides_the_exit_code(error, code):
    assert classify(error).code == code


@pytest.mark.parametrize(
    "error", [KeyError("k"), AssertionError(), os_error(errno.ENOENT, "/a/file"), RecursionError()]
)
def test_everything_else_is_a_bug(error):
    assert classify(error) is None


def test_an_error_is_shown_with_what_to_do_next_and_where_to_read():
    text = as_text(classify(errors.UsageError("first\nsecond", hint="do this")))
    assert text.splitlines() == [
        "error: first",
        "       second",
        "next:  do this",
        "docs:  docs/errors/usage.md",
    ]


def test_an_error_without_hint_has_no_empty_line():
    assert as_text(classify(errors.UsageError("m"))).splitlines() == ["error: m", "docs:  docs/errors/usage.md"]


def test_an_error_as_json_is_the_contracts_object():
    assert json.loads(as_json(classify(errors.NetworkError("m", hint="h")))) == {
        "error": {"code": 6, "class": "NetworkError", "message": "m", "hint": "h", "docs": "docs/errors/network.md"}
    }


def test_a_bug_names_itself_and_its_report():
    failure = bug(KeyError("core"), "/logs/bug.txt")
    assert failure.code == 70
    assert "KeyError: 'core'" in failure.message
    assert "/logs/bug.txt" in failure.message


def test_a_full_disk_names_the_place():
    assert "/a/file" in classify(os_error(errno.ENOSPC, "/a/file")).message
