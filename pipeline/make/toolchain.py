"""Lays a toolchain ready for a build: scripts that stand before its compiler, and the places it keeps things in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.builders.wrappers import PROGRAM_VARIABLE
from pipeline.make.outputs import verified_tree
from pipeline.model.filling import fill

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Results
    from pipeline.model.actions import Compile
    from pipeline.ports import Services

_KEPT = "toolchains"  # below the cache folder: what a compiler makes for itself, once for all builds


class LaidToolchain(NamedTuple):
    """A toolchain of one build; all is empty where the machine's own compiler is used.

    Attributes:
        folder: of the toolchain itself.
        wrappers: folder of the scripts.
        environment: variables for whatever runs them.
    """

    folder: str
    wrappers: str
    environment: dict[str, str]


_NONE = LaidToolchain("", "", {})


def lay_toolchain(action: Compile, services: Services, results: Results, work: Path) -> LaidToolchain:
    """Write the scripts that an action has.

    Raises:
        IntegrityError: the stored toolchain changed.
    """
    if action.cross is None or action.toolchain_tree is None:
        return _NONE
    tree = results[action.toolchain_tree].trees["toolkit"]
    folder = verified_tree(tree, services)
    wrappers = work / "wrappers"
    wrappers.mkdir(exist_ok=True)
    for name, text in action.cross.wrappers.items():
        script = wrappers / name
        if not script.is_file() or script.read_text(encoding="utf-8") != text:
            script.write_text(text, encoding="utf-8")
            script.chmod(0o755)
    kept = services.store.cache_dir / _KEPT / tree.sha256[:16]
    kept.mkdir(parents=True, exist_ok=True)
    places = {"kept": str(kept), "work": str(work / "toolchain-cache")}
    environment = {name: fill(value, **places) for name, value in action.cross.environment.items()}
    return LaidToolchain(
        folder=str(folder),
        wrappers=str(wrappers),
        environment={**environment, PROGRAM_VARIABLE: str(folder / action.cross.program)},
    )
