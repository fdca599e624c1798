"""``lock``: environments solved anew, looked at, or written in the form of other installers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.app.locking import lock_tools
from pipeline.app.services import build_services, disk
from pipeline.app.settings import program_name
from pipeline.catalog import envs_dir_of
from pipeline.cli.locking import chosen_environments, outcome_text, platforms_of, show_stale
from pipeline.cli.options import FILE, FOLDER, Command, changing_options
from pipeline.errors import UsageError
from pipeline.lock import LockRequest, lock_environment
from pipeline.lock.exports import export

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.lock import LockOutcome


@click.command("lock", cls=Command)
@click.option("--env", "names", multiple=True, metavar="E", help="Environment, a folder below envs/; repeats.")
@click.option("--platform", metavar="P", help="One platform of it.  [default: all that its environment.yml has]")
@click.option("--check", is_flag=True, help="Change nothing; say what is stale and why (exit code 1).")
@click.option(
    "--channel", metavar="URL_OR_DIR", help="Read the channel's packages there; urls in the lock stay its own."
)
@click.option("--conda", metavar="PATH", help="conda, mamba or micromamba.  [default: what is on PATH, else our own]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["conda-explicit", "pylock"]),
    help="Write the lock as it is, for other installers.",
)
@click.option("--output", type=FILE, metavar="FILE", help="Where --format writes.  [default: stdout]")
@click.option("--with-urls", is_flag=True, help="With --format pylock: the urls of the configured index.")
@click.option(
    "--envs", "envs_dir", type=FOLDER, metavar="DIR", help="Folder of environments.  [default: the project's]"
)
@changing_options
def command(
    session: Session,
    *,
    names: tuple[str, ...],
    platform: str | None,
    check: bool,
    channel: str | None,
    conda: str | None,
    form: str | None,
    output: Path | None,
    with_urls: bool,
    envs_dir: Path | None,
) -> None:
    """Solve environments anew and replace their lock files: conda packages by conda-lock, wheels by uv.

    uv's own variables choose the index (UV_DEFAULT_INDEX, UV_INDEX ...); the lock names none.
    """
    folder = (envs_dir or envs_dir_of(session.settings.recipes_dir)).absolute()
    if check and form:
        raise UsageError("--check and --format exclude each other")
    if check:
        show_stale(session, chosen_environments(folder, names, all_of_them=True))
    elif form:
        _export(session, chosen_environments(folder, names), platform, form=form, output=output, with_urls=with_urls)
    else:
        tools = lock_tools(session.settings, conda=conda)
        outcomes: list[LockOutcome] = []
        with build_services(session.settings) as services:
            for environment in chosen_environments(folder, names):
                request = LockRequest(
                    folder=environment,
                    platforms=platforms_of(environment, platform),
                    complete=platform is None,
                    channel=channel,
                    dry_run=session.dry_run,
                )
                outcomes.append(lock_environment(request, tools, services, disk=disk()))
        session.show(
            [outcome.model_dump(mode="json") for outcome in outcomes], lambda: "\n".join(map(outcome_text, outcomes))
        )
        if not session.dry_run and any(outcome.files for outcome in outcomes):
            session.hint(f"\nnext: {program_name()} lock --check, and commit the files")


def _export(
    session: Session, folders: list[Path], platform: str | None, *, form: str, output: Path | None, with_urls: bool
) -> None:
    if len(folders) != 1 or platform is None:
        raise UsageError("--format writes one environment for one platform", hint="name them with --env and --platform")
    platforms_of(folders[0], platform)
    if with_urls:
        with build_services(session.settings) as services:
            text = export(folders[0], platform, form=form, index=services.index)
    else:
        text = export(folders[0], platform, form=form, index=None)
    if output is None:
        session.show(
            {"environment": folders[0].name, "platform": platform, "format": form, "text": text}, lambda: text.rstrip()
        )
        return
    if not session.dry_run:
        disk().replace_file(output.absolute(), text.encode(), staging_dir=output.absolute().parent)
    session.show(
        {"environment": folders[0].name, "platform": platform, "format": form, "path": str(output)},
        lambda: f"{'would write' if session.dry_run else 'wrote'} {output}",
    )
