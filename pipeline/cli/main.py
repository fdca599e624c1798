"""The command line: a group that loads a command when it is used, and the way from an error to an exit code."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from typing import TYPE_CHECKING

import click

from pipeline.app.settings import program_name
from pipeline.cli.failures import as_json, as_text, bug, classify
from pipeline.cli.options import add_common_options
from pipeline.cli.registry import COMMANDS
from pipeline.cli.session import Invocation
from pipeline.model.clean_text import presentable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem

COMPLETE_VARIABLE = "_ENGINE_PIPELINE_COMPLETE"


class LazyGroup(click.Group):
    """A group whose commands are listed from the registry and imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the registry's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"pipeline.cli.commands.{COMMANDS[cmd_name].module}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name near ones."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, COMMANDS, n=3)
            ctx.fail(f"no such command {name!r}." + (f" Did you mean {' or '.join(near)}?" if near else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the registry by section."""
        width = max(map(len, COMMANDS))
        for section in dict.fromkeys(entry.section for entry in COMMANDS.values()):
            rows = [(name.ljust(width), entry.help) for name, entry in COMMANDS.items() if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell asks for it

        return [
            CompletionItem(name, help=entry.help) for name, entry in COMMANDS.items() if name.startswith(incomplete)
        ]


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    if wanted and not ctx.resilient_parsing:
        click.echo(importlib.import_module("pipeline.app.project").version())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="What stays as it is (names, exit codes, files): docs/contract.md",
)
@add_common_options
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print it.")
def pipeline(**_values: object) -> None:
    """Build, prove, sign and install bundles of local LLM engines.

    Common options may stand before or after the command.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code; nothing is raised."""
    invocation = Invocation(json_output="--json" in arguments)
    try:
        code = pipeline.main(
            list(arguments),
            prog_name=program_name(),
            complete_var=COMPLETE_VARIABLE,
            standalone_mode=False,
            obj=invocation,
        )
        sys.stdout.flush()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except BrokenPipeError:
        return _leave_closed_pipe()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except BaseException as error:  # noqa: BLE001 - the last line of defence: it becomes an exit code
        return _fail(error, arguments, invocation)
    return code if isinstance(code, int) else 0


def _fail(error: BaseException, arguments: Sequence[str], invocation: Invocation) -> int:
    failure = classify(error)
    if failure is None:
        reports = importlib.import_module("pipeline.app.bug_report")
        settings = invocation.session.settings if invocation.session else None
        failure = bug(error, reports.write_bug_report(error, arguments, settings))
    if invocation.json_output and not invocation.answered:
        click.echo(presentable(as_json(failure)))
    else:
        click.echo(presentable(as_text(failure)), err=True)
    return failure.code


def _leave_closed_pipe() -> int:
    """Point stdout at nothing, so that the interpreter's last flush is quiet (docs.python.org, "Note on SIGPIPE")."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
