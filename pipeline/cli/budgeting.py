"""Budgets on the command line: the options of commands that make bundles, the verdict, and how they end by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from pipeline.app.measuring import layer_reader
from pipeline.cli.budget_view import figure_text, over_parts, parts_markdown, parts_text, verdict_document
from pipeline.cli.bundle_places import bundle_place
from pipeline.cli.failures import as_object, classify
from pipeline.cli.locations import location_of
from pipeline.cli.options import FILE
from pipeline.errors import BudgetError, NothingSelectedError, PipelineError, UsageError
from pipeline.measure.budgets import judge
from pipeline.measure.choosing import choose
from pipeline.measure.explaining import bundles_to_read, explained
from pipeline.measure.reading import read_contents
from pipeline.model.counts import counted, listed
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.cli.bundle_places import BundlePlace
    from pipeline.cli.session import Session
    from pipeline.model.budget_verdict import BudgetVerdict
    from pipeline.model.budgets import Budgets
    from pipeline.model.layer_content import LayerContent
    from pipeline.model.manifest import Artifact
    from pipeline.ports import Services

BudgetMode = Literal["fail", "warn", "off"]

baseline_option = click.option(
    "--baseline", metavar="R", help="Version that nothing may outgrow.  [default: the one before]"
)
baseline_root_option = click.option(
    "--trusted-root", type=FILE, metavar="FILE", help="Root metadata that a repository is checked against."
)
BUDGET_OPTIONS = (
    click.option(
        "--budget",
        type=click.Choice(get_args(BudgetMode)),
        default="fail",
        show_default=True,
        help="What comes of a bundle above its budget, which is kept: an error (11), a warning; or nobody looks.",
    ),
    click.option(
        "--baseline-from",
        metavar="PLACE",
        help="What was published before: a repository or a dist folder. Nothing may outgrow it.",
    ),
    baseline_option,
    baseline_root_option,
)


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    """The options as they were given."""

    budget: BudgetMode
    baseline_from: str | None
    baseline: str | None
    trusted_root: Path | None

    @property
    def location(self) -> str:
        """Where the release before is read from, for ``build_services``; empty where none is."""
        return location_of(self.baseline_from) if self.baseline_from else ""


@dataclass(frozen=True, slots=True)
class Compared:
    """Bundles with what they are compared with.

    Attributes:
        bundles: to compare.
        baselines: target to its release before; None where nothing is compared with any.
        here: where the bundles are; entered once, when layers are read.
        there: where the baselines are, likewise.
    """

    bundles: tuple[Artifact, ...]
    baselines: Mapping[str, Artifact] | None
    here: AbstractContextManager[BundlePlace]
    there: AbstractContextManager[BundlePlace]


def require_baseline(
    session: Session, asked: BudgetOptions, services: Services, *, targets: Collection[str]
) -> tuple[Artifact, ...] | None:
    """Return what was published before, read before hours of compiling and not after; None where nobody compares.

    Args:
        session: of the command.
        asked: the options.
        services: to read it with.
        targets: that are going to be made.

    Raises:
        UsageError: a version is named and no place.
        NothingSelectedError: the place has that version of none of the targets.
        PipelineError: as ``bundle_place``.
    """
    if asked.baseline is not None and asked.baseline_from is None:
        raise UsageError(
            f"where {asked.baseline} was published is not said", hint="give --baseline-from with --baseline"
        )
    if asked.baseline_from is None or asked.budget == "off":
        return None
    with _earlier(session, asked.baseline_from, asked, services) as there:
        published = there.artifacts
    versions = {artifact.version for artifact in published if artifact.target in targets}
    if asked.baseline is not None and asked.baseline not in versions:
        known = listed(sorted(versions, key=version_key, reverse=True))
        raise NothingSelectedError(
            f"{asked.baseline_from} has no version {asked.baseline} of {listed(sorted(targets))}",
            hint=f"there are {known}" if versions else "it has none of that; leave --baseline out",
        )
    return published


def judge_made(
    session: Session,
    asked: BudgetOptions,
    made: Sequence[Artifact],
    services: Services,
    *,
    published: Sequence[Artifact] | None,
    budgets: Mapping[str, Budgets],
    output_dir: Path,
) -> BudgetVerdict | None:
    """Compare what was made with what it may be; None where nobody looks.

    No place is needed for the figures, so that what was made is never lost over one: the bundles are in hand, and what
    was published was read before. The places are opened to say what grew.

    Args:
        session: of the command.
        asked: the options.
        made: bundles of this run.
        services: to read layers with.
        published: what ``require_baseline`` returned.
        budgets: engine to its budgets.
        output_dir: where the bundles are.
    """
    if asked.budget == "off" or not made:
        return None
    baselines = None if published is None else _baselines(made, asked, published)
    verdict = judge(made, budgets, baselines)
    here = bundle_place(session, str(output_dir), trusted_root=asked.trusted_root, services=services)
    there = here if asked.baseline_from is None else _earlier(session, asked.baseline_from, asked, services)
    return with_reasons(session, verdict, Compared(tuple(made), baselines, here, there), services)


def _baselines(made: Sequence[Artifact], asked: BudgetOptions, published: Sequence[Artifact]) -> Mapping[str, Artifact]:
    """Return target to the release before; nothing where that version has the bytes that were made."""
    try:
        return choose(made, baseline=asked.baseline, elsewhere=published).baselines
    except NothingSelectedError:
        return {}


def with_reasons(session: Session, verdict: BudgetVerdict, compared: Compared, services: Services) -> BudgetVerdict:
    """Return a verdict that says what grew, after reading the layers of the bundles that are over.

    What grew is said as far as it can be found out: a layer that is damaged or cannot be had is a warning, and the
    verdict stands.
    """
    baselines = compared.baselines or {}
    read = bundles_to_read(verdict, compared.bundles, baselines)
    own = [artifact for artifact in read if artifact in compared.bundles]
    earlier = [artifact for artifact in read if artifact not in compared.bundles]
    try:
        contents = _contents(own, compared.here, services) | _contents(earlier, compared.there, services)
    except PipelineError as error:
        session.warn(f"what grew cannot be said: {error.message}")
        return verdict
    return explained(verdict, compared.bundles, baselines, contents)


def _contents(
    bundles: Sequence[Artifact], place: AbstractContextManager[BundlePlace], services: Services
) -> dict[str, LayerContent]:
    if not bundles:
        return {}
    with place as opened:
        return read_contents(bundles, archive_of=opened.archive_of, reader=layer_reader(), services=services)


def budget_document(verdict: BudgetVerdict | None, error: BudgetError | None) -> dict[str, Any]:
    """Return what a command's JSON document says of budgets: the verdict, and the error that it ends with."""
    shown = None if verdict is None else verdict_document(verdict)
    failure = None if error is None else classify(error)
    return {"budgets": shown, **({} if failure is None else as_object(failure))}


def over_text(verdict: BudgetVerdict | None) -> str:
    """Return the tables of what is over and what grew, after an empty line; nothing when nothing is over."""
    text = "" if verdict is None else parts_text(over_parts(verdict))
    return f"\n\n{text}" if text else ""


def over_markdown(verdict: BudgetVerdict | None) -> str:
    """Return the same for a CI job's summary."""
    text = "" if verdict is None else parts_markdown(over_parts(verdict))
    return f"\n{text}" if text else ""


def error_of(verdict: BudgetVerdict | None, mode: BudgetMode, *, kept: str = "") -> BudgetError | None:
    """Return what a command ends with; None where nothing is over, or where that is only a warning.

    Args:
        verdict: None where nobody looked.
        mode: what ``--budget`` says.
        kept: where the bundles are, for the hint.
    """
    if verdict is None or not verdict.over or mode != "fail":
        return None
    first, more = figure_text(verdict.over[0]), len(verdict.over) - 1
    recipe = f"recipes/engines/{verdict.over[0].target.partition('/')[0]}.toml"
    return BudgetError(
        first + (f"; {counted(more, 'figure')} more" if more else ""),
        hint=f"make smaller what grew, or raise the budget in {recipe} in the change that says why; {kept}"
        "`--budget warn` lets it through",
    )


def finish(session: Session, verdict: BudgetVerdict | None, error: BudgetError | None) -> None:
    """Say what was not compared, warn of what is over and let through, or end with the error.

    Raises:
        BudgetError: something is over.
    """
    if verdict is None:
        return
    if verdict.without_budget:
        session.hint(f"no budget is set for {listed(verdict.without_budget)}")
    if verdict.without_baseline:
        session.hint(f"there is no earlier release of {listed(verdict.without_baseline)}")
    if error is not None:
        session.end_with(error)
    for figure in verdict.over:
        session.warn(figure_text(figure))


def _earlier(
    session: Session, place: str, asked: BudgetOptions, services: Services
) -> AbstractContextManager[BundlePlace]:
    return bundle_place(session, place, trusted_root=asked.trusted_root, services=services, is_earlier=True)
