"""The options that say which installation, and which engine in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import FOLDER
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.app.settings import Settings

root_option = click.option(
    "--root", type=FOLDER, metavar="DIR", help="Folder of the installation.  [env: ENGINE_PIPELINE_ROOT]"
)
engine_option = click.option("--engine", metavar="E", help="Which engine; needed where several are installed.")

keep_option = click.option(
    "--keep",
    type=click.IntRange(min=2),
    metavar="N",
    help="Generations to keep.  [default: 3, or what pipeline.toml says]",
)


def require_root(root: Path | None, settings: Settings) -> Path:
    """Return the folder of the installation, absolute.

    Raises:
        UsageError: nothing names one.
    """
    chosen = root or settings.root
    if chosen is None:
        raise UsageError(
            "which installation is meant is not said", hint="give --root DIR, or set root in pipeline.toml"
        )
    return chosen.absolute()
