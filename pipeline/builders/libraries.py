"""The runtime libraries of a toolkit: which files they are, and one digest of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.digest import key_of, sha256_stream
from pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def libraries_below(top: Path, globs: Iterable[str]) -> tuple[Path, ...]:
    """Return what globs name below a toolkit, each once by the name that a program asks for, sorted.

    Raises:
        BuildError: a glob matches nothing.
    """
    found: dict[str, Path] = {}
    for glob in globs:
        matches = sorted(path for path in top.glob(glob) if path.is_file())
        if not matches:
            raise BuildError(
                f"the toolkit in {top} has no {glob}",
                hint="the vendor renamed it: correct toolkit.runtime.files in the accelerator's recipe",
            )
        found |= {path.name: path for path in matches}
    return tuple(found[name] for name in sorted(found))


def digest_of_libraries(paths: Iterable[Path]) -> str:
    """Return one digest of files' names and bytes; links are followed."""
    digests = {}
    for path in paths:
        with path.open("rb") as stream:
            digests[path.name] = sha256_stream(stream)[0]
    return key_of("libraries", digests)
