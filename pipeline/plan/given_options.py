"""Which components the options of a request go to: one that a backend alone reads leaves all others as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.model.actions import Compile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.catalog import Catalog
    from pipeline.model.plan import Step
    from pipeline.model.recipe import Component
    from pipeline.plan.request import BuildRequest


def options_for(component: Component, engine: str, request: BuildRequest, catalog: Catalog) -> dict[str, str]:
    """Return the options of a request that a component is compiled with: its own, and those that are nobody's own."""
    return {
        name: value
        for name, value in request.cmake_options.items()
        if component.owns(name) or not owners_of(name, engine, catalog)
    }


def owners_of(name: str, engine: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the accelerators whose backend alone reads an option, sorted; none for one that goes to all."""
    found = catalog.accelerators.values()
    return tuple(sorted(one.name for one in found if engine in one.engines and one.engines[engine].owns(name)))


def refuse_unread(request: BuildRequest, catalog: Catalog, steps: Iterable[Step]) -> None:
    """Refuse an option of this very command that nothing of what is built reads: it would do nothing, without a word.

    Raises:
        UsageError: there is one.
    """
    engines = {target.engine for target in request.targets}
    compiled = [step.action for step in steps if isinstance(step.action, Compile)]
    for name in sorted(request.insisted_options):
        owners = sorted({owner for engine in engines for owner in owners_of(name, engine, catalog)})
        if owners and not any(name in action.component.options for action in compiled):
            raise UsageError(
                f"--cmake-option {name} is read by {' and '.join(owners)} alone, and nothing of that is built here",
                hint="leave it out, or name a target of that accelerator",
            )
