"""What ``plan`` and ``build`` share: the plan of what was asked for, and the release that it is a part of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.build_options import without_unmakeable
from pipeline.cli.named_files import read_named
from pipeline.cli.options import FILE
from pipeline.cli.unused_channels import warn_where_channels_are_asked
from pipeline.errors import UsageError
from pipeline.model.manifest_document import read_document
from pipeline.model.release_plan import PlannedBundle, ReleasePlan
from pipeline.model.strict_json import first_repeated
from pipeline.plan import look_around, make_plan, make_rehearsal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.catalog import Catalog
    from pipeline.cli.session import Session
    from pipeline.model.plan import Plan
    from pipeline.plan import BuildRequest
    from pipeline.ports import Services

expect_option = click.option(
    "--expect",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="What the whole release has, as plan --format release-plan writes it; repeats, for all of them together.",
)


def plan_for(session: Session, request: BuildRequest, catalog: Catalog, services: Services) -> Plan:
    """Return the plan of what was asked for; of a rehearsal it is the same on every machine.

    Raises:
        PipelineError: as ``plan.narrow``, ``plan.look_around`` and ``plan.make_plan``.
    """
    if request.rehearsal:
        return make_rehearsal(without_unmakeable(session, request, catalog, host=None), catalog)
    request = without_unmakeable(session, request, catalog, host=services.host)
    plan = make_plan(request, catalog, look_around(request, catalog, services))
    warn_where_channels_are_asked(session, plan, Path(catalog.envs_dir))
    return plan


def read_release_plans(paths: Sequence[Path]) -> ReleasePlan | None:
    """Read what ``plan --format release-plan`` wrote, and return all of it together; None for no path.

    Raises:
        UsageError: one cannot be read, or names a bundle twice.
        IntegrityError: one is malformed.
    """
    bundles: dict[PlannedBundle, None] = {}
    for path in paths:
        plan = read_document(ReleasePlan, read_named(path), what=f"release plan {path}")
        if (twice := first_repeated(plan.bundles)) is not None:
            hint = "`plan --format release-plan` names each once"
            raise UsageError(f"release plan {path} names {twice} twice", hint=hint)
        bundles |= dict.fromkeys(plan.bundles)
    return ReleasePlan(bundles=tuple(bundles)) if bundles else None


def require_planned(plan: Plan, expected: ReleasePlan) -> None:
    """Refuse to make what a release was not planned with.

    Raises:
        UsageError: something is not in the release plan.
    """
    made = (PlannedBundle(target=decision.target, version=decision.version) for decision in plan.decisions)
    if beyond := [str(bundle) for bundle in made if bundle not in expected.bundles]:
        raise UsageError(
            f"the release plan does not have {', '.join(beyond)}",
            hint="make the release plan with the same --target, --release, --source and --rehearsal as this build",
        )
