"""The options of ``lock``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from pipeline.cli.options import FILE, FOLDER, gathered_options

_OPTIONS = (
    click.option(
        "--env", "names", multiple=True, metavar="E", help="Environment, a folder below envs/; may be repeated."
    ),
    click.option("--platform", metavar="P", help="One platform of it.  [default: all that its environment.yml has]"),
    click.option("--check", is_flag=True, help="Change nothing; say what is stale and why (exit code 1)."),
    click.option(
        "--channel",
        metavar="URL_OR_DIR",
        help="Read the channel's packages there; urls in the lock stay the channel's own.",
    ),
    click.option(
        "--conda",
        metavar="PROGRAM",
        help="conda, mamba or micromamba; `builtin` is our own solver.  [default: what is on PATH, else our own]",
    ),
    click.option(
        "--miniforge",
        metavar="VERSION",
        help="Pin Miniforge's installers of that release, for `build --with-miniforge`; nothing is solved.",
    ),
    click.option(
        "--format",
        "form",
        type=click.Choice(["conda-explicit", "pylock"]),
        help="Write the lock that is there for other installers; nothing is solved.",
    ),
    click.option("--output", type=FILE, metavar="FILE", help="Where --format writes.  [default: stdout]"),
    click.option("--with-urls", is_flag=True, help="With --format pylock: urls of the configured index in it."),
    click.option(
        "--envs", "envs_dir", type=FOLDER, metavar="DIR", help="Folder of environments.  [default: the project's]"
    ),
)


@dataclass(frozen=True, slots=True)
class LockOptions:
    """The options as they were given."""

    names: tuple[str, ...]
    platform: str | None
    check: bool
    channel: str | None
    conda: str | None
    miniforge: str | None
    form: str | None
    output: Path | None
    with_urls: bool
    envs_dir: Path | None


lock_options = gathered_options(_OPTIONS, LockOptions)
