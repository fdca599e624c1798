"""``upstream list``: the newest releases and what each has."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import Command, common_options
from pipeline.cli.tables import table
from pipeline.cli.upstream_options import (
    api_option,
    engine_option,
    listing_option,
    opened_upstream,
    short_targets,
    span_text,
    target_option,
)
from pipeline.errors import NothingSelectedError
from pipeline.model.counts import counted
from pipeline.upstream.overview import ReleaseOverview, overview

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.cli.session import Session


@click.command("list", cls=Command, short_help="List the newest releases and what each has.")
@target_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="Show so many at most."
)
@listing_option
@engine_option
@api_option
@common_options
def command(
    session: Session, targets: tuple[str, ...], *, limit: int, engine: str, api: str | None, listing: Path | None
) -> None:
    """List upstream's newest releases: age, number of files, whole or partial, and what can be made of each.

    With --target only releases that have an archive for it are listed; none at all ends with 3.
    """
    wanted = set(short_targets(engine, targets))
    with opened_upstream(session, engine, api, listing=listing) as upstream:
        now = upstream.services.clock.now_seconds()
        rows: Sequence[ReleaseOverview] = ()
        for _ in upstream.releases.all_pages():
            every = overview(upstream.releases.known, upstream.preferences, upstream.parts, now_seconds=now)
            rows = sorted(
                (row for row in every if wanted <= set(row.targets)), key=lambda row: row.published_at, reverse=True
            )
            if len(rows) >= limit:
                break
        if wanted and not rows:
            raise NothingSelectedError(
                f"none of {counted(len(upstream.releases.known), 'release')} has an archive for"
                f" {', '.join(sorted(wanted))}",
                hint="`upstream list --verbose` names the targets of each, and why some are not made",
            )
        document = {
            "engine": engine,
            "repository": upstream.preferences.repository,
            "releases": [asdict(row) for row in rows[:limit]],
            "checked_at": upstream.releases.checked_at,
            "cached": upstream.releases.cached,
        }
        session.show(document, lambda: _text(rows[:limit], is_verbose=session.settings.verbosity == "verbose"))
        session.hint("\n--verbose names the targets of each, and why others are left out")


def _text(rows: Sequence[ReleaseOverview], *, is_verbose: bool) -> str:
    lines = [
        (
            row.tag,
            span_text(row.age_seconds),
            str(row.assets),
            _state(row),
            str(len(row.targets)) if row.targets else "-",
            str(len(row.left_out)) if row.left_out else "-",
        )
        for row in rows
    ]
    text = table(("tag", "age", "files", "state", "targets", "left out"), lines, right=("files", "targets", "left out"))
    if not is_verbose:
        return text
    details: list[str] = []
    for row in rows:
        details.append(f"{row.tag}: {' '.join(row.targets) or 'no target'}")
        details += [f"  {target} is left out: {why}" for target, why in row.left_out.items()]
    return "\n".join((text, "", *details))


def _state(row: ReleaseOverview) -> str:
    if row.kind != "build":
        return "points to a build" if row.kind == "version" else "no build"
    if row.complete is None:
        return "not known"
    return "whole" if row.complete else f"partial: lacks {counted(len(row.lacks), 'kind of file', 'kinds of file')}"
