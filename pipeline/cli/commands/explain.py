"""``explain``: what was found of a host, and every variant with every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.host_facts import describe
from pipeline.cli.options import Command, common_options
from pipeline.cli.selecting import Question, answer, finish, selection_options
from pipeline.cli.tables import table

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.selecting import Answer
    from pipeline.cli.session import Session


@click.command("explain", cls=Command)
@selection_options
@common_options
def command(session: Session, **options: str | Path | bool | None) -> None:
    """Show what `select` looks at and how it judges each variant: one line a reason.

    Chooses as `select` does, with the same options, exit codes and --json document.
    """
    question = Question(**options)  # type: ignore[arg-type] # click checks the options
    found = answer(session, question)
    session.show(found.document(), lambda: _text(found))
    finish(session, found, question)


def _text(found: Answer) -> str:
    selection = found.choice.selection
    host = table(("host", ""), list(describe(found.facts)))
    rows = []
    if selection.chosen:
        rows.append(("chosen", selection.chosen.target, selection.chosen.version, selection.why))
    if found.lacks:
        rows.append(("", "", "", found.lacks))
    for rejected in found.choice.rejected_here():
        state = "fits" if rejected.fits else "no"
        rows.append((state, rejected.target, rejected.version, rejected.reasons[0]))
        rows += [("", "", "", reason) for reason in rejected.reasons[1:]]
    source = f"variants in {found.source}" + ("" if found.signed else ", not signed")
    return f"{host}\n\n{source}\n{table(('', 'target', 'version', 'why'), rows)}"
