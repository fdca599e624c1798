"""Views of a plan: what a store already has, and the jobs that CI runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model.actions import MakeBundle
from pipeline.model.plan import StepState
from pipeline.model.wheel_actions import BuildWheel, ProveWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pipeline.model.plan import Plan, Step
    from pipeline.model.result import StepResult
    from pipeline.names import Target
    from pipeline.ports import Store


def outstanding(plan: Plan, store: Store) -> tuple[dict[str, StepResult], frozenset[str]]:
    """Return the results that are there, and the steps that must run, walking back from the bundles.

    What only finished steps need is neither: a source whose products are all there is not brought back. The layers of a
    bundle count as needed, because their files are delivered beside it.
    """
    by_name = {step.name: step for step in plan.steps}
    results: dict[str, StepResult] = {}
    wanted: set[str] = set()
    ends = (MakeBundle, BuildWheel, ProveWheel)
    queue = [step.name for step in plan.steps if isinstance(step.action, ends)]
    while queue:
        name = queue.pop()
        if name in wanted or name in results:
            continue
        known = store.result(by_name[name].key)
        if known is None:
            wanted.add(name)
            queue += by_name[name].needs
            continue
        results[name] = known
        action = by_name[name].action
        queue += action.layers if isinstance(action, MakeBundle) else ()
    return results, frozenset(wanted)


def why_wanted(step: Step, wanted: Collection[str]) -> str:
    """Return why a step among ``wanted`` must run."""
    behind = [needed for needed in step.needs if needed in wanted]
    return f"needs {behind[0]!r}, which is new" if behind else "nothing with its key is in the store"


def states(plan: Plan, store: Store) -> tuple[StepState, ...]:
    """Return for every step what a build would do with it, and why."""
    results, wanted = outstanding(plan, store)
    found = []
    for step in plan.steps:
        if step.name in wanted:
            why = why_wanted(step, wanted)
        elif step.name in results:
            why = "its key is in the store"
        else:
            why = "everything made from it is in the store"
        found.append(StepState(step=step.name, reused=step.name not in wanted, why=why))
    return tuple(found)


def github_matrix(
    targets: Sequence[Target],
    *,
    runners: Mapping[str, str],
    release: str | None,
    source: str,
    wheels_only: bool = False,
    with_miniforge: bool = False,
    rehearsal: bool = False,
    machine_of: Callable[[Target], str] = lambda target: target.platform,
) -> dict[str, list[dict[str, Any]]]:
    """Return the ``strategy.matrix`` of a GitHub Actions job: one entry a platform, so that its targets share steps.

    What is fetched or assembled could be made on any runner; on its own platform it is run as well. An entry says
    ``wheels_only``, ``with_miniforge`` or ``rehearsal`` where that was asked for.

    Args:
        targets: to make.
        runners: platform to the label of GitHub's hosted runner.
        release: that is built; None for what each job's own recipes say.
        source: where from.
        wheels_only: as the option of that name.
        with_miniforge: as the option of that name.
        rehearsal: as the option of that name.
        machine_of: platform of the machine that makes a target, which need not be the target's.
    """
    by_platform: dict[str, list[str]] = {}
    for target in targets:
        by_platform.setdefault(machine_of(target), []).append(str(target))
    return {
        "include": [
            {
                "platform": platform,
                "runner": runners[platform],
                "targets": ",".join(names),
                "release": release or "",
                "source": source,
                **({"wheels_only": True} if wheels_only else {}),
                **({"with_miniforge": True} if with_miniforge else {}),
                **({"rehearsal": True} if rehearsal else {}),
            }
            for platform, names in by_platform.items()
        ]
    }
