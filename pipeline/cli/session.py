"""One run of a command: its settings, how results are wanted, and the writing of results."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import click

from pipeline.model.clean_text import presentable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.app.settings import Settings
    from pipeline.errors import PipelineError


@dataclass(frozen=True, slots=True)
class Session:
    """What the common options mean for one command.

    Attributes:
        settings: of this run.
        json_output: whether the result is one JSON document.
        dry_run: whether nothing may change.
        invocation: what is told that there was a result; None outside of a command line.
    """

    settings: Settings
    json_output: bool = False
    dry_run: bool = False
    invocation: Invocation | None = None

    def show(self, document: object, text: Callable[[], str]) -> None:
        """Write a result to stdout: ``document`` as JSON where that was asked for, else the text."""
        rendered = json.dumps(document, indent=2, ensure_ascii=False) if self.json_output else text()
        if self.invocation:
            self.invocation.answered = True  # before the first byte: whoever reads the last one may press Ctrl-C
        if rendered:
            click.echo(presentable(rendered))

    def hint(self, text: str) -> None:
        """Write what to do next to stderr; nothing with --quiet or --json."""
        if not self.json_output and self.settings.verbosity != "quiet":
            click.echo(presentable(text), err=True)

    def warn(self, text: str) -> None:
        """Write a warning to stderr, also with --quiet."""
        click.echo(presentable(f"warning: {text}"), err=True)

    def end_with(self, error: PipelineError) -> NoReturn:
        """End with an error's code after the result was shown.

        With --json the result is the one document on stdout and says what is wrong; otherwise the error is raised.
        """
        if self.json_output:
            raise click.exceptions.Exit(error.exit_code)
        raise error


@dataclass(slots=True)
class Invocation:
    """What is known of a run when it fails, filled in as it goes on.

    Attributes:
        json_output: whether a failure is one JSON document too.
        session: of the command that ran; None when it was never reached.
        answered: whether the result is on stdout already, where a failure would be a second document.
    """

    json_output: bool = False
    session: Session | None = None
    answered: bool = False
