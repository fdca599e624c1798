"""Entry point: ``python -m pipeline``, also installed as ``engine-pipeline``."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_INTERRUPTED = 130  # as ``pipeline.cli.failures`` says it once that is loaded


def main() -> None:
    """Run the command line of this process and exit with its code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # before the command line, which takes longer to load
        signal.signal(number, _end_at_once)
    from pipeline.cli.main import run  # noqa: PLC0415 - a signal while it loads must not show a traceback

    for number in (signal.SIGINT, signal.SIGTERM):  # a cancelled CI job ends as Ctrl-C does
        signal.signal(number, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def _end_at_once(_number: int, _frame: FrameType | None) -> None:
    """End without a traceback: nothing has been begun."""
    os.write(2, b"error: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
