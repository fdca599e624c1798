"""Numbers and lists in messages, as a reader expects them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 8
"""How many names a message lists before it says how many more there are: about two lines of a terminal."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 wheel``, ``2 wheels``, ``0 wheels``.

    Args:
        number: how many.
        noun: in the singular.
        plural: where it is not the singular with an ``s``.
    """
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def sized(size_bytes: int) -> str:
    """Return ``20.7 MB``, and below one megabyte ``33.1 kB``; powers of ten, as disks and downloads are sold."""
    megabytes = size_bytes / 1e6
    return f"{megabytes:.1f} MB" if megabytes >= 1 else f"{size_bytes / 1e3:.1f} kB"


def listed(names: Sequence[str], *, shown: int = SHOWN) -> str:
    """Return the first names, separated by commas, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
