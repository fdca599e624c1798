"""Budgets on the command line: the options of commands that make bundles, the verdict, and how they end by it."""

from __future__ import annotations

from contextlib import ExitStack
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
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.cli.bundle_places import BundlePlace
    from pipeline.cli.session import Session
    from pipeline.model.budget_verdict import BudgetVerdict
    from pipeline.model.budgets import Budgets
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
        here: where the bundles are.
        there: where the baselines are.
    """

    bundles: tuple[Artifact, ...]
    baselines: Mapping[str, Artifact] | None
    here: BundlePlace
    there: BundlePlace


def require_baseline(session: Session, asked: BudgetOptions, services: Services) -> None:
    """See that the release before can be had, before hours of compiling and not after.

    Raises:
        UsageError: a version is named and no place.
        NothingSelectedError: the place does not have that version.
        PipelineError: as ``bundle_place``.
    """
    if asked.baseline is not None and asked.baseline_from is None:
        raise UsageError(
            f"where {asked.baseline} was published is not said", hint="give --baseline-from with --baseline"
        )
    if asked.baseline_from is None or asked.budget == "off":
        return
    with _place(session, asked.baseline_from, asked, services) as there:
        versions = {artifact.version for artifact in there.artifacts}
    if asked.baseline is not None and asked.baseline not in versions:
        raise NothingSelectedError(
            f"{asked.baseline_from} has no version {asked.baseline}",
            hint=f"there are {listed(sorted(versions, key=version_key, reverse=True))}",
        )


def judge_made(
    session: Session,
    asked: BudgetOptions,
    made: Sequence[Artifact],
    services: Services,
    *,
    budgets: Mapping[str, Budgets],
    output_dir: Path,
) -> BudgetVerdict | None:
    """Compare what was made with what it may be; None where nobody looks.

    What grew is said as far as it can be found out: what stands in the way of that is a warning.

    Raises:
        PipelineError: the baseline is gone meanwhile.
    """
    if asked.budget == "off" or not made:
        return None
    with ExitStack() as held:
        there, baselines = None, None
        if asked.baseline_from is not None:
            there = held.enter_context(_place(session, asked.baseline_from, asked, services))
            baselines = _baselines(made, asked, there)
        verdict = judge(made, budgets, baselines)
        if not verdict.over:
            return verdict
        try:
            here = held.enter_context(_place(session, str(output_dir), asked, services))
            compared = Compared(tuple(made), baselines, here, there or here)
            return with_reasons(verdict, compared, services)
        except PipelineError as error:
            session.warn(f"what grew cannot be said: {error.message}")
            return verdict


def _baselines(made: Sequence[Artifact], asked: BudgetOptions, there: BundlePlace) -> Mapping[str, Artifact]:
    """Return target to the release before; nothing where that version is of other targets alone."""
    try:
        return choose(made, baseline=asked.baseline, elsewhere=there.artifacts).baselines
    except NothingSelectedError:
        return {}


def with_reasons(verdict: BudgetVerdict, compared: Compared, services: Services) -> BudgetVerdict:
    """Return a verdict that says what grew, after reading the layers of the bundles that are over.

    Raises:
        IntegrityError: a layer is damaged or gone.
        PipelineError: a layer cannot be had.
    """
    baselines = compared.baselines or {}
    read = bundles_to_read(verdict, compared.bundles, baselines)
    own = [artifact for artifact in read if artifact in compared.bundles]
    earlier = [artifact for artifact in read if artifact not in compared.bundles]
    reader = layer_reader()
    contents = read_contents(own, archive_of=compared.here.archive_of, reader=reader, services=services)
    contents |= read_contents(earlier, archive_of=compared.there.archive_of, reader=reader, services=services)
    return explained(verdict, compared.bundles, baselines, contents)


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


def _place(
    session: Session, place: str, asked: BudgetOptions, services: Services
) -> AbstractContextManager[BundlePlace]:
    return bundle_place(session, place, trusted_root=asked.trusted_root, services=services)
