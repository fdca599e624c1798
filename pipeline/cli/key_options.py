"""Options of the commands that sign: the folder of keys, its passphrase, and who may sign for what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

import click

from pipeline.app.services import key_files
from pipeline.cli.options import FOLDER
from pipeline.cli.passphrase import passphrase_options, read_passphrase
from pipeline.errors import UsageError
from pipeline.model.publication import RoleName
from pipeline.publish.key_folder import open_keys
from pipeline.publish.keys import KeyCount

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.publish.key_folder import KeyFolder
_ROLE = re.compile(r"root|targets|engines|snapshot|timestamp|(?:engine|env):[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_COUNT = re.compile(r"(?P<role>[a-z]+)=(?P<threshold>[0-9]{1,3})(?:/(?P<keys>[0-9]{1,3}))?")


def keys_option(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--keys``."""
    return click.option(
        "--keys", "folder", type=FOLDER, metavar="DIR", help="Folder with the keys.  [default: the user's own]"
    )(function)


def signing_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--keys`` and where the passphrase comes from."""
    return keys_option(passphrase_options(function))


def new_key_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add ``--keys``, where a new passphrase comes from, and ``--no-passphrase``."""
    plain = click.option("--no-passphrase", is_flag=True, help="Leave new private keys unencrypted.")
    return keys_option(passphrase_options(plain(function)))


def keys_folder(session: Session, folder: Path | None) -> Path:
    """Return the folder of keys that is meant."""
    return (folder or session.settings.keys_dir).absolute()


def open_key_folder(
    session: Session, folder: Path | None, *, passphrase_file: Path | None = None, passphrase_fd: int | None = None
) -> KeyFolder:
    """Open the keys that are meant; the passphrase is read when the first key is needed.

    Raises:
        UsageError, IntegrityError: as ``open_keys``.
    """
    return open_keys(
        keys_folder(session, folder),
        passphrase=lambda: read_passphrase(file=passphrase_file, descriptor=passphrase_fd),
        key_files=key_files(),
    )


def new_passphrase(*, file: Path | None, descriptor: int | None, none: bool) -> bytes | None:
    """Return the passphrase of keys that are made, None for plain ones.

    Raises:
        UsageError: the options contradict each other, or there is nobody to ask.
    """
    if none and (file or descriptor is not None):
        raise UsageError("--no-passphrase excludes the other passphrase options", hint="leave one of them out")
    return None if none else read_passphrase(file=file, descriptor=descriptor, is_new=True)


def require_role(text: str) -> str:
    """Return a role that keys can be for.

    Raises:
        UsageError: it is none.
    """
    if not _ROLE.fullmatch(text):
        raise UsageError(
            f"{text!r} is no role", hint=f"one of {', '.join(get_args(RoleName))}, or engine:NAME or env:NAME"
        )
    return text


def read_counts(texts: tuple[str, ...]) -> dict[RoleName, tuple[int, int | None]]:
    """Return ``ROLE=M`` or ``ROLE=M/N`` as role to (how many must sign, how many there are).

    Raises:
        UsageError: one of them has another form, or names a role twice.
    """
    counts: dict[RoleName, tuple[int, int | None]] = {}
    for text in texts:
        match = _COUNT.fullmatch(text)
        if match is None or match["role"] not in get_args(RoleName) or match["role"] in counts:
            raise UsageError(
                f"--threshold {text}: it has to be ROLE=M/N, each role once",
                hint=f"for example root=2/3; roles are {', '.join(get_args(RoleName))}",
            )
        total = None if match["keys"] is None else int(match["keys"])
        counts[cast("RoleName", match["role"])] = (int(match["threshold"]), total)
    return counts


def key_counts(texts: tuple[str, ...]) -> dict[RoleName, KeyCount]:
    """Return ``ROLE=M/N`` as role to its counts; ``ROLE=M`` is M of M.

    Raises:
        UsageError: as ``read_counts``.
    """
    return {role: KeyCount(threshold, total or threshold) for role, (threshold, total) in read_counts(texts).items()}
