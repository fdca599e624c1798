"""Writes lists of conda packages as ``conda create --file`` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.names import conda_subdir

if TYPE_CHECKING:
    from collections.abc import Iterable


def explicit_text(platform: str, comments: Iterable[str], packages: Iterable[tuple[str, str]]) -> str:
    """Return an ``@EXPLICIT`` list.

    Args:
        platform: of the contract's names.
        comments: for people, one a line.
        packages: where each package is and its digest, md5 or sha256 in lower-case hex.
    """
    lines = [*(f"# {comment}" for comment in comments), f"# platform: {conda_subdir(platform)}", "@EXPLICIT"]
    lines += [f"{place}#{digest}" for place, digest in packages]
    return "\n".join(lines) + "\n"
