"""Entry point: ``python -m pipeline``, also installed as ``engine-pipeline``."""

from __future__ import annotations

import signal
import sys

from pipeline.cli.main import run


def main() -> None:
    """Run the command line of this process and exit with its code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a cancelled CI job ends as Ctrl-C does
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
