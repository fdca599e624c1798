"""Signatures of macOS binaries whose bytes linking has changed.

A Mach-O file holds digests of its own pages; arm64 Macs kill a program whose pages are not those. Writing the prefix
into a binary changes them, so it is signed again, ad hoc, as Apple's ``codesign`` does it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pipeline.errors import HostError, IntegrityError
from pipeline.ports.commands import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.ports import CommandRunner

# <mach-o/loader.h> and <mach-o/fat.h>: 32 and 64 bits, and several architectures in one, in both byte orders.
_MACH_O = tuple(
    bytes.fromhex(magic) for magic in ("feedface", "feedfacf", "cefaedfe", "cffaedfe", "cafebabe", "bebafeca")
)
_TIMEOUT_SECONDS = 120.0
_RECORDS_FOLDER = "conda-meta"


def sign_again(prefix: Path, *, commands: CommandRunner, env: Mapping[str, str]) -> tuple[str, ...]:
    """Have every Mach-O file that linking may have changed be signed validly; return the paths that were signed.

    Raises:
        HostError: ``codesign`` is not there, or cannot sign a file.
        IntegrityError: a record of what was linked cannot be read.
    """
    signed = []
    for path in rewritten_binaries(prefix):
        if _codesign(prefix, path, ("--verify", "--strict"), commands, env) is None:
            continue
        fault = _codesign(prefix, path, ("--force", "--sign", "-"), commands, env)
        fault = fault or _codesign(prefix, path, ("--verify", "--strict"), commands, env)
        if fault is not None:
            raise HostError(f"{path} cannot be signed again after its prefix was replaced: {fault}")
        signed.append(path)
    return tuple(signed)


def rewritten_binaries(prefix: Path) -> tuple[str, ...]:
    """Return the Mach-O files of a linked prefix whose packages had its path replaced in them, sorted.

    Raises:
        IntegrityError: a record of what was linked cannot be read.
    """
    return tuple(sorted(path for path in _with_prefix(prefix) if _is_mach_o(prefix / path)))


def _with_prefix(prefix: Path) -> Iterator[str]:
    for record in sorted((prefix / _RECORDS_FOLDER).glob("*.json")):
        try:
            paths = json.loads(record.read_bytes())["paths_data"]["paths"]
            yield from (path["_path"] for path in paths if path.get("file_mode") == "binary")
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{record.name} does not say what was linked: {error}") from error


def _is_mach_o(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in _MACH_O


def _codesign(
    prefix: Path, path: str, options: tuple[str, ...], commands: CommandRunner, env: Mapping[str, str]
) -> str | None:
    """Run codesign over a file; return None when it is content, else its last words."""
    argv = ("codesign", *options, str(prefix / path))
    try:
        outcome = commands.run(Command(argv, cwd=prefix, env=env, timeout_seconds=_TIMEOUT_SECONDS))
    except HostError as error:
        raise HostError(
            f"{path} must be signed again after its prefix was replaced: {error.message}",
            hint="codesign is part of macOS; install on the Mac that the environment is for",
        ) from error
    if outcome.exit_code == 0:
        return None
    return outcome.tail[-1] if outcome.tail else f"codesign ended with exit code {outcome.exit_code}"
