"""Where an environment can be: what its packages, its programs and Python itself can bear in a path."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.environment import EnvironmentCard


def check_prefix(card: EnvironmentCard, final_prefix: Path, *, root: Path) -> None:
    """Refuse a place that an environment cannot be linked into; nothing need be downloaded to find out.

    A conda package is made in a long path, and that path is replaced in its files: in binaries by one that is no longer
    (conda-build pads it to 255 bytes; other tools less).

    Args:
        card: of the environment.
        final_prefix: where it will be.
        root: that the user has chosen, for the message.

    Raises:
        UsageError: the path is too long, or has characters that files of the environment cannot hold.
    """
    try:
        path = os.fspath(final_prefix).encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{root!s:.100} is no UTF-8, and a Python environment cannot be linked into it",
            hint="choose another --root",
        ) from None
    if any(byte < 0x20 or byte == 0x7F for byte in path):
        raise UsageError(f"{str(root)!r} has control characters in it", hint="choose another --root")
    if card.prefix_limit is not None and len(path) > card.prefix_limit:
        over = len(path) - card.prefix_limit
        raise UsageError(
            f"the environment would be in {final_prefix}, a path of {len(path)} bytes, and its packages can be linked "
            f"into one of at most {card.prefix_limit}",
            hint=f"choose a --root whose path is {over} bytes shorter (it has {len(os.fsencode(root))})",
        )
