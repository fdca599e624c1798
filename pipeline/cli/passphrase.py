"""Where a passphrase comes from: a file, an open descriptor, or a question on the terminal; never an argument."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_BYTES = 4096


def passphrase_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--passphrase-file`` and ``--passphrase-fd``."""
    by_descriptor = click.option(
        "--passphrase-fd", type=click.IntRange(min=0), metavar="N", help="Read the passphrase from an open descriptor."
    )
    by_file = click.option(
        "--passphrase-file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Read the passphrase from the first line of FILE.",
    )
    return by_file(by_descriptor(function))


def read_passphrase(*, file: Path | None, descriptor: int | None, is_new: bool = False) -> bytes:
    """Return the passphrase; ask for it, twice when it ``is_new``, where no place was given.

    Raises:
        UsageError: there is nobody to ask, both places were given, or what was read is no passphrase.
    """
    if file is not None and descriptor is not None:
        raise UsageError("--passphrase-file and --passphrase-fd exclude each other", hint="give one of them")
    if file is not None:
        try:
            with file.open("rb") as stream:
                return _first_line(stream.read(_LONGEST_BYTES), str(file))
        except OSError as error:
            raise UsageError(
                f"passphrase file {file}: {error.strerror}", hint="name a file that you can read"
            ) from error
    if descriptor is not None:
        try:
            with os.fdopen(descriptor, "rb") as stream:
                return _first_line(stream.read(_LONGEST_BYTES), f"descriptor {descriptor}")
        except OSError as error:
            raise UsageError(
                f"descriptor {descriptor}: {error.strerror}", hint="open it for reading, for example with 3<FILE"
            ) from error
    if not sys.stdin.isatty():
        raise UsageError(
            "a passphrase is needed, and there is no terminal to ask on",
            hint="give --passphrase-file FILE or --passphrase-fd N",
        )
    answer: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new, err=True)
    return answer.encode()


def _first_line(data: bytes, where: str) -> bytes:
    passphrase = data.split(b"\n", 1)[0].rstrip(b"\r")
    if not passphrase:
        raise UsageError(f"{where}: the first line is empty", hint="write the passphrase on the first line")
    return passphrase
