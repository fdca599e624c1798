"""``upstream classify``: what the names of release files mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.asset_names.classify import classify_all
from pipeline.cli.options import Command, common_options
from pipeline.cli.tables import table
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.cli.session import Session
    from pipeline.model.upstream import AssetMeaning


@click.command("classify", cls=Command, short_help="Say what file names mean.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@common_options
def command(session: Session, names: tuple[str, ...]) -> None:
    """Say of each file NAME of an upstream release what it is for; needs no network.

    A word that upstream is not known to use is an error that names it (exit code 2), never a guess.
    """
    meanings, unknown = classify_all(names)
    if len(unknown) == 1:
        raise unknown[0]
    if unknown:
        raise UsageError("\n".join(error.message for error in unknown), hint=unknown[0].hint)
    session.show([meaning.model_dump(mode="json") for meaning in meanings], lambda: _text(meanings))


def _text(meanings: tuple[AssetMeaning, ...]) -> str:
    headings = ("name", "kind", "tag", "platform", "accel", "qualifiers", "format")
    rows = [
        (
            meaning.name,
            meaning.kind,
            meaning.tag or "-",
            meaning.platform or "-",
            meaning.accel or "-",
            " ".join(meaning.qualifiers) or "-",
            meaning.format,
        )
        for meaning in meanings
    ]
    return table(headings, rows)
