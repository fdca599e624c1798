"""What the options of builds for GPUs mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.plan.toolkits import TOOLKIT_CHOICES

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.plan import BuildRequest


def toolkit_asked(asked: str) -> str:
    """Return the choice of a toolkit, a folder as an absolute path.

    Raises:
        UsageError: it is neither a choice nor a folder.
    """
    if asked in TOOLKIT_CHOICES:
        return asked
    if not Path(asked).is_dir():
        raise UsageError(
            f"--toolkit {asked}: there is no such folder", hint=f"give a folder, or {', '.join(TOOLKIT_CHOICES)}"
        )
    return str(Path(asked).absolute())


def architectures_asked(asked: str) -> tuple[str, ...]:
    """Return the names of GPUs, or what stands for some.

    Raises:
        UsageError: there is none.
    """
    names = tuple(part.strip() for part in asked.split(",") if part.strip())
    if not names:
        raise UsageError("--architectures names none", hint="give release, short, or names with commas")
    return names


def refuse_what_nothing_takes(request: BuildRequest, catalog: Catalog) -> None:
    """Refuse architectures where no target is compiled for any: they would be dropped without a word.

    Raises:
        UsageError: nothing takes them.
    """
    recipes = [catalog.accelerator(t.accel) for t in request.targets if t.engine not in catalog.environments]
    if request.architectures != ("release",) and not any(recipe.architectures for recipe in recipes):
        names = ", ".join(map(str, request.targets[:4]))
        raise UsageError(
            f"--architectures {','.join(request.architectures)}: nothing of {names} is compiled for GPUs by name",
            hint="leave it out; CUDA's and ROCm's targets take it",
        )
