"""``lock``: environments solved anew, looked at, or written in the form of other installers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.locking import lock_tools
from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.catalog import envs_dir_of
from pipeline.cli.lock_options import LockOptions, lock_options
from pipeline.cli.locking import (
    chosen_environments,
    outcome_text,
    pin_text,
    platforms_of,
    show_stale,
    warn_of_stale,
)
from pipeline.cli.options import Command, changing_options
from pipeline.cli.unused_channels import warn_of_unused_channels
from pipeline.errors import UsageError
from pipeline.lock import LockOutcome, LockRequest, lock_environment
from pipeline.lock.exports import export
from pipeline.lock.miniforge import pin_miniforge

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("lock", cls=Command)
@lock_options
@changing_options
def command(session: Session, *, asked: LockOptions) -> None:
    """Solve environments anew and replace their lock files: conda packages by conda-lock, wheels by uv.

    Wheels are asked for where builds ask (UV_DEFAULT_INDEX, UV_INDEX, uv.toml, pip's files); the lock names no index.
    """
    folder = (asked.envs_dir or envs_dir_of(session.settings.recipes_dir)).absolute()
    _refuse_what_has_no_meaning(asked)
    if asked.check:
        show_stale(session, chosen_environments(folder, asked.names, all_of_them=True))
    elif asked.miniforge is not None:
        _pin_miniforge(session, chosen_environments(folder, asked.names), asked.miniforge)
    elif asked.form:
        _export(session, asked, chosen_environments(folder, asked.names), asked.form)
    else:
        outcomes = _lock(session, asked, chosen_environments(folder, asked.names))
        session.show(
            [outcome.model_dump(mode="json") for outcome in outcomes], lambda: "\n".join(map(outcome_text, outcomes))
        )
        if not session.dry_run and any(outcome.files for outcome in outcomes):
            session.hint(f"\nnext: {program_name()} lock --check, and commit the files")


def _refuse_what_has_no_meaning(asked: LockOptions) -> None:
    """Refuse options that would be passed over: the one that is missing changes what the command does."""
    doing = {"--check": asked.check, "--format": asked.form, "--miniforge": asked.miniforge is not None}
    if len(given := [name for name, value in doing.items() if value]) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", hint="leave all but one of them out")
    if asked.form is None and (asked.output is not None or asked.with_urls):
        raise UsageError(
            "--output and --with-urls belong to --format", hint="add --format pylock or --format conda-explicit"
        )
    if asked.with_urls and asked.form != "pylock":
        raise UsageError("--with-urls belongs to --format pylock", hint="a conda-explicit list has urls already")
    solving = {"--channel": asked.channel, "--conda": asked.conda}
    if any(doing.values()) and (given := [name for name, value in solving.items() if value is not None]):
        raise UsageError(f"{' and '.join(given)}: nothing is solved here", hint="leave it out")
    if asked.platform is not None and not asked.form and (given := [name for name, value in doing.items() if value]):
        raise UsageError(f"{given[0]} is about all platforms of an environment", hint="leave --platform out")


def _lock(session: Session, asked: LockOptions, folders: list[Path]) -> list[LockOutcome]:
    requests = [
        LockRequest(
            folder=environment,
            platforms=platforms_of(environment, asked.platform),
            complete=asked.platform is None,
            channel=asked.channel,
            dry_run=session.dry_run,
        )
        for environment in folders
    ]
    warn_of_unused_channels(session, folders[0].parent)
    with build_services(session.settings) as services:
        tools = lock_tools(session.settings, conda=asked.conda, commands=services.commands)
        return [lock_environment(request, tools, services, disk=disk()) for request in requests]


def _pin_miniforge(session: Session, folders: list[Path], version: str) -> None:
    with build_services(session.settings) as services:
        outcomes = [
            pin_miniforge(folder, version, services, disk=disk(), dry_run=session.dry_run) for folder in folders
        ]
    session.show([outcome.model_dump(mode="json") for outcome in outcomes], lambda: "\n".join(map(pin_text, outcomes)))


def _export(session: Session, asked: LockOptions, folders: list[Path], form: str) -> None:
    if len(folders) != 1 or asked.platform is None:
        raise UsageError("--format writes one environment for one platform", hint="name them with --env and --platform")
    platforms_of(folders[0], asked.platform)
    if asked.with_urls:
        with build_services(session.settings) as services:
            text = export(folders[0], asked.platform, form=form, index=services.index)
    else:
        text = export(folders[0], asked.platform, form=form, index=None)
    reasons = warn_of_stale(session, folders[0])
    document = {"environment": folders[0].name, "platform": asked.platform, "format": form, "stale": list(reasons)}
    if asked.output is None:
        session.show({**document, "text": text}, text.rstrip)
        return
    path = asked.output.absolute()
    if not session.dry_run:
        disk().replace_file(path, text.encode(), staging_dir=path.parent)
    session.show({**document, "path": str(path)}, lambda: f"{'would write' if session.dry_run else 'wrote'} {path}")
