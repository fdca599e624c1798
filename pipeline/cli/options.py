"""The options that every command takes, before or after its name."""

from __future__ import annotations

import functools
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.app.settings import Flags, load_settings
from pipeline.cli.session import Invocation, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Callback = Callable[..., None]

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)

_COMMON = (
    click.option("--json", "json_output", is_flag=True, default=None, help="Write one JSON document to stdout."),
    click.option("--offline", is_flag=True, default=None, help="Use no network; what is not here is an error."),
    click.option("--locked", is_flag=True, default=None, help="Refuse whatever is not pinned by a digest."),
    click.option(
        "--jobs", type=click.IntRange(min=1), metavar="N", help="Compilers or downloads at once.  [default: processors]"
    ),
    click.option(
        "--cache-dir",
        type=FOLDER,
        metavar="DIR",
        help="Folder of downloads and results.  [env: ENGINE_PIPELINE_CACHE_DIR]",
    ),
    click.option("--config", type=FILE, metavar="FILE", help="Project file.  [default: pipeline.toml, if it is there]"),
    click.option("--progress/--no-progress", default=None, help="Live display on a terminal.  [default: progress]"),
    click.option("-q", "--quiet", "verbosity", flag_value="quiet", default=None, help="Only warnings and errors."),
    click.option("-v", "--verbose", "verbosity", flag_value="verbose", default=None, help="Details as well."),
    click.option("--json-events", type=FILE, metavar="FILE", help="Write each event there as a JSON line."),
)
_DRY_RUN = click.option("-n", "--dry-run", is_flag=True, help="Say what would change, and change nothing.")
_FLAGS = ("cache_dir", "config", "offline", "locked", "jobs", "progress", "verbosity", "json_events")


def add_common_options(command: Callback) -> Callback:
    """Add the common options to a click callback, which gets them as they were written."""
    for option in reversed(_COMMON):
        command = option(command)
    return command


def common_options(function: Callback) -> Callback:
    """Add the common options to a command whose first parameter is the ``Session`` they become."""
    return add_common_options(_with_session(function))


def gathered_options(
    options: Sequence[Callable[[Any], Any]], kind: type[Any], *, name: str = "asked"
) -> Callable[[Callback], Callback]:
    """Return what adds options to a command, which gets them as ``name``: a dataclass with a field for each."""

    def add(function: Callback) -> Callback:
        @functools.wraps(function)
        def command(*positional: object, **values: Any) -> None:  # noqa: ANN401 - as click hands them over
            asked = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            function(*positional, **{name: asked}, **values)

        for option in reversed(options):
            command = option(command)
        return command

    return add


def changing_options(function: Callback) -> Callback:
    """Add the common options and ``--dry-run``; otherwise as ``common_options``."""
    return _DRY_RUN(common_options(function))


def _with_session(function: Callback) -> Callback:
    @functools.wraps(function)
    def command(*, dry_run: bool = False, **values: object) -> None:
        context = click.get_current_context()
        given = {name: _innermost(context, name, values.pop(name)) for name in (*_FLAGS, "json_output")}
        json_output = bool(given.pop("json_output"))
        invocation = context.find_object(Invocation)
        session = Session(load_settings(Flags(**given)), json_output, dry_run, invocation)
        if invocation:
            invocation.session = session
        function(session, **values)

    return command


def _innermost(context: click.Context, name: str, value: object) -> Any:  # noqa: ANN401 - of any option's type
    """Return what was said nearest to the command: behind its own name, else behind that of a group around it."""
    while value is None and context.parent:
        context = context.parent
        value = context.params.get(name)
    return value


class Command(click.Command):
    """A command whose help lists its own options before the common ones; arguments have a list of click's."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write both lists."""
        common = {*_FLAGS, "json_output", "dry_run", "help"}
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], "Common options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and not isinstance(parameter, click.Argument):
                sections["Common options" if parameter.name in common else "Options"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(Command, click.Group):
    """A command that has commands; it takes the common options too, and its help lists the commands first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands and the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)
