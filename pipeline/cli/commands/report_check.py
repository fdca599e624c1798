"""``report check``: bundles beside their budgets and beside the release before."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

import click

from pipeline.app.services import open_services
from pipeline.catalog import budgets_of, load
from pipeline.cli import budgeting
from pipeline.cli.budget_view import over_parts, parts_markdown, parts_text, room_parts
from pipeline.cli.budgeting import Compared, baseline_option, baseline_root_option
from pipeline.cli.bundle_places import bundle_place
from pipeline.cli.locations import location_of
from pipeline.cli.options import Command, common_options
from pipeline.measure.budgets import judge
from pipeline.measure.choosing import choose
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.budgeting import BudgetMode
    from pipeline.cli.session import Session
    from pipeline.model.budget_verdict import BudgetVerdict

_PLACE = "A dist folder, or a signed repository: a folder or a url."


@click.command("check", cls=Command, short_help="Compare bundles with their budgets and the release before.")
@click.option("--from", "place", metavar="PLACE", help=f"{_PLACE}  [default: the output folder]")
@click.option(
    "--target", "targets", multiple=True, metavar="T", help="Targets; repeats, commas, globs.  [default: all]"
)
@click.option("--release", metavar="R", help="Version of the bundles.  [default: the newest of each target]")
@baseline_option
@click.option("--baseline-from", metavar="PLACE", help="Where the baseline is.  [default: as --from]")
@baseline_root_option
@click.option(
    "--budget",
    type=click.Choice(("fail", "warn")),
    default="fail",
    show_default=True,
    help="What comes of a bundle above its budget: an error (11), or a warning.",
)
@common_options
def command(
    session: Session,
    place: str | None,
    targets: tuple[str, ...],
    release: str | None,
    baseline: str | None,
    baseline_from: str | None,
    trusted_root: Path | None,
    budget: BudgetMode,
) -> None:
    """Say how much of their budgets bundles use, and end with 11 where one is above it, or outgrew the release before.

    What grew is named by layer, file and section. Layers are read for that only where something is over.
    """
    catalog = load(session.settings.recipes_dir)
    text = place or str(session.settings.output)
    with ExitStack() as held:
        location, baseline_location = location_of(text), location_of(baseline_from) if baseline_from else ""
        services = held.enter_context(
            open_services(
                session.settings,
                store_dir=session.settings.cache_dir,
                location=location,
                baseline=baseline_location,
            )
        )
        here = held.enter_context(bundle_place(session, text, trusted_root=trusted_root, services=services))
        there = here
        if baseline_from is not None:
            earlier = bundle_place(
                session, baseline_from, trusted_root=trusted_root, services=services, is_earlier=True
            )
            there = held.enter_context(earlier)
        elsewhere = None if there is here else there.artifacts
        chosen = choose(here.artifacts, patterns=targets, release=release, baseline=baseline, elsewhere=elsewhere)
        verdict = judge(chosen.bundles, budgets_of(catalog), chosen.baselines)
        compared = Compared(chosen.bundles, chosen.baselines, nullcontext(here), nullcontext(there))
        verdict = budgeting.with_reasons(session, verdict, compared, services)
    error = budgeting.error_of(verdict, budget)
    session.show({"from": text, **budgeting.budget_document(verdict, error)}, lambda: _text(verdict))
    if session.settings.summary_path:
        with session.settings.summary_path.open("a", encoding="utf-8") as summary:
            summary.write(parts_markdown((*over_parts(verdict), *room_parts(verdict))))
    budgeting.finish(session, verdict, error)


def _text(verdict: BudgetVerdict) -> str:
    parts = (*room_parts(verdict), *over_parts(verdict))
    compared = counted(len(verdict.figures), "figure")
    return "\n\n".join(filter(None, (parts_text(parts), f"{compared} compared, {len(verdict.over)} over")))
