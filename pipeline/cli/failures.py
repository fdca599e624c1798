"""Turns what went wrong into an exit code and words; the one place that knows how an error looks."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass

import click

from pipeline.errors import (
    DOCS_FOLDER,
    EXIT_BUG,
    EXIT_INTERRUPTED,
    HostError,
    NoSpaceError,
    PipelineError,
    UsageError,
)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
# What is wrong with a place rather than with this program; a file that is not there (ENOENT) may be either.
_BAD_PLACE = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as it is shown.

    Attributes:
        code: exit code.
        name: of the error class.
        message: what failed and why.
        hint: what to do next; empty when the message says it all.
        docs: page about it.
    """

    code: int
    name: str
    message: str
    hint: str
    docs: str


def classify(error: BaseException) -> Failure | None:
    """Return how a failure with a known cause is shown, None for a bug."""
    match error:
        case PipelineError():
            return Failure(error.exit_code, type(error).__name__, error.message, error.hint, error.docs)
        case click.Abort() | KeyboardInterrupt():
            return Failure(
                EXIT_INTERRUPTED,
                "Interrupted",
                "interrupted",
                "run the same command again: what is finished is kept, and it goes on from there",
                f"{DOCS_FOLDER}/interrupted.md",
            )
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "python -m pipeline"
            wrong = UsageError(error.format_message(), hint=f"`{command} --help` lists what it takes")
            return classify(wrong)
        case click.ClickException():
            return classify(UsageError(error.format_message()))
        case OSError():
            return _classify_os_error(error)
        case _:
            return None


def _classify_os_error(error: OSError) -> Failure | None:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in _NO_SPACE:
        return classify(
            NoSpaceError(f"no space left on the disk{where}", hint="free some space there, or choose another folder")
        )
    if error.errno in _BAD_PLACE and error.filename:
        return classify(
            HostError(
                f"{error.filename} cannot be used: {error.strerror}",
                hint="correct that place, or choose another folder",
            )
        )
    return None


def bug(error: BaseException, report_path: str | None) -> Failure:
    """Return how a broken assumption is shown; ``report_path`` is the file with its traceback."""
    first_line = str(error).partition("\n")[0]
    kept = f"; its traceback is in {report_path}" if report_path else ""
    return Failure(
        EXIT_BUG,
        type(error).__name__,
        f"this is a bug in engine-pipeline: {type(error).__name__}: {first_line}{kept}",
        "please report it with that file; --verbose shows the traceback here" if report_path else "please report it",
        f"{DOCS_FOLDER}/bug.md",
    )


def as_text(failure: Failure) -> str:
    """Return the lines for stderr: what and why, what to do next, where to read more."""
    rows = [("error:", failure.message), ("next:", failure.hint), ("docs:", failure.docs)]
    return "\n".join(f"{label:<7}" + text.replace("\n", "\n" + " " * 7) for label, text in rows if text)


def as_json(failure: Failure) -> str:
    """Return the one JSON document for stdout."""
    return json.dumps(as_object(failure), indent=2, ensure_ascii=False)


def as_object(failure: Failure) -> dict[str, object]:
    """Return that document as plain JSON, for a result that has it inside."""
    body = {
        "code": failure.code,
        "class": failure.name,
        "message": failure.message,
        "hint": failure.hint,
        "docs": failure.docs,
    }
    return {"error": body}
