"""What an installer must know of an environment, put together from what its layers say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ProofError
from pipeline.make.channel_layer import CHANNEL_DIR
from pipeline.model.environment import EnvironmentCard
from pipeline.model.statements import Part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.make.outputs import Results
    from pipeline.model.environment_actions import MakeInstallerLayer, ProveEnvironment
    from pipeline.model.result import StepResult


def environment_card(action: MakeInstallerLayer | ProveEnvironment, results: Results) -> EnvironmentCard:
    """Return the card of an environment whose layers are made.

    Raises:
        ProofError: two layers make different programs of one name.
    """
    scripts: dict[str, str] = {}
    for name in action.wheel_layers:
        found = results[name].facts.get("scripts")
        for script, target in found.items() if isinstance(found, dict) else ():
            if scripts.setdefault(script, str(target)) != target:
                raise ProofError(
                    f"two layers bring different programs {script}", hint="leave one of the two out of the lock"
                )
    scripts = dict(sorted(scripts.items()))
    if action.channel_layer is None:
        return EnvironmentCard(python=action.environment.python, base="host", scripts=scripts)
    limit = results[action.channel_layer].facts.get("prefix_limit")
    return EnvironmentCard(
        python=action.environment.python,
        base="conda",
        channel=CHANNEL_DIR,
        packages=tuple(f"{package.subdir}/{package.filename}" for package in action.environment.conda),
        prefix_limit=limit if isinstance(limit, int) else None,
        scripts=scripts,
    )


def packages_of(layers: Iterable[StepResult]) -> tuple[Part, ...]:
    """Return the packages that layers say they hold, in order; none for layers that are of something else."""
    found = (layer.facts.get("packages") for layer in layers)
    return tuple(
        Part.model_validate(item, strict=False) for listed in found if isinstance(listed, list) for item in listed
    )
