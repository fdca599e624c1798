"""Views of a plan: what a store already has, and the jobs that CI runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.model.plan import StepState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.model.plan import Plan
    from pipeline.names import Target
    from pipeline.ports import Store

# GitHub's hosted runner for a platform: docs.github.com, "About GitHub-hosted runners".
RUNNERS: Mapping[str, str] = {
    "linux-x86_64": "ubuntu-22.04",
    "linux-arm64": "ubuntu-22.04-arm",
    "macos-arm64": "macos-15",
    "macos-x86_64": "macos-15-intel",
    "windows-x86_64": "windows-2022",
    "windows-arm64": "windows-11-arm",
}


def states(plan: Plan, store: Store) -> tuple[StepState, ...]:
    """Return for every step whether its result is in the store, and why it would run when it is not."""
    found = []
    missing: set[str] = set()
    for step in plan.steps:
        if store.result(step.key) is not None:
            found.append(StepState(step=step.name, reused=True, why="its key is in the store"))
            continue
        missing.add(step.name)
        behind = [needed for needed in step.needs if needed in missing]
        why = f"needs {behind[0]!r}, which is new" if behind else "nothing with its key is in the store"
        found.append(StepState(step=step.name, reused=False, why=why))
    return tuple(found)


def github_matrix(targets: Sequence[Target], *, release: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return the ``strategy.matrix`` of a GitHub Actions job: one entry a platform, so that its targets share steps."""
    by_platform: dict[str, list[str]] = {}
    for target in targets:
        by_platform.setdefault(target.platform, []).append(str(target))
    return {
        "include": [
            {
                "platform": platform,
                "runner": RUNNERS[platform],
                "targets": ",".join(names),
                "release": release or "",
            }
            for platform, names in by_platform.items()
        ]
    }
