"""``list``: what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Command, common_options
from pipeline.cli.root_options import engine_option, require_root, root_option
from pipeline.cli.tables import table
from pipeline.deploy.generations import list_generations
from pipeline.deploy.host_base import MAKE_ANEW

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.installation import InstalledGeneration


@click.command("list", cls=Command)
@root_option
@engine_option
@common_options
def command(session: Session, root: Path | None, engine: str | None) -> None:
    """List the generations of an installation, the newest first; the current one and what is pinned are marked."""
    found = list_generations(require_root(root, session.settings), engine=engine, configured_pins=session.settings.pins)
    document = {"generations": [generation.model_dump(mode="json") for generation in found]}
    session.show(document, lambda: _text(found))
    for generation in found:
        if generation.current and generation.revoked:
            session.warn(f"{generation.target} {generation.version} is current and was revoked: {generation.revoked}")
        if generation.current and generation.fault:
            session.warn(f"{generation.target} {generation.version} cannot run: {generation.fault}; {MAKE_ANEW}")


def _text(found: tuple[InstalledGeneration, ...]) -> str:
    if not found:
        return "nothing is installed"
    rows = [
        (
            "*" if generation.current else "",
            generation.target,
            generation.version,
            " ".join(
                word
                for word, applies in (
                    ("rehearsal", generation.rehearsal),
                    ("pinned", generation.pinned),
                    ("revoked", generation.revoked),
                    ("broken", generation.fault),
                )
                if applies
            ),
            str(generation.number),
            generation.installed_at,
            generation.path,
        )
        for generation in found
    ]
    return table(("", "target", "version", "", "generation", "installed", "path"), rows, right=("generation",))
