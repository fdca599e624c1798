"""Small files of a folder that anybody may have written to: no pipe holds the reader up, no length fills its memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.deploy.hashing import NotWhatItWasError, open_plain
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path


def read_plain(path: Path, *, limit_bytes: int) -> bytes:
    """Return the bytes of a plain file; a link is none.

    Raises:
        FileNotFoundError, NotADirectoryError: it is not there.
        IntegrityError: it is no plain file, is longer, or cannot be read.
    """
    try:
        with os.fdopen(open_plain(str(path)), "rb") as stream:
            data = stream.read(limit_bytes + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except NotWhatItWasError as error:
        raise IntegrityError(f"{path} is no plain file", hint="this program did not write it") from error
    except OSError as error:
        raise IntegrityError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    if len(data) > limit_bytes:
        raise IntegrityError(f"{path} is longer than the {limit_bytes} bytes it may have")
    return data
