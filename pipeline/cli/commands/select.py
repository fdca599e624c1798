"""``select``: the variant for a host, and why it is none of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Command, common_options
from pipeline.cli.selecting import Question, answer, finish, host_facts, selection_options

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.deploy.select import Choice


@click.command("select", cls=Command)
@selection_options
@click.option(
    "--print-host-facts", "print_facts", is_flag=True, help="Write the host's facts as JSON, for --host-facts."
)
@common_options
def command(session: Session, *, print_facts: bool, **options: str | Path | bool | None) -> None:
    """Choose the variant that this machine, or a recorded one, runs best.

    Looks at processor, system and GPUs, and says of every other variant why it was not chosen. Ends with 3 when
    nothing fits.
    """
    question = Question(**options)  # type: ignore[arg-type] # click checks the options
    if print_facts:
        facts = host_facts(session, question.host_facts)
        session.show(facts.model_dump(mode="json"), lambda: facts.model_dump_json(indent=2))
        return
    found = answer(session, question)
    session.show(found.document(), lambda: _text(found.choice))
    finish(session, found, question)


def _text(choice: Choice) -> str:
    selection = choice.selection
    lines = []
    if selection.chosen:
        lines += [f"{selection.chosen.target} {selection.chosen.version}", selection.why]
    lines += [f"not {r.target} {r.version}: {'; '.join(r.reasons)}" for r in choice.rejected_here()]
    return "\n".join(lines)
