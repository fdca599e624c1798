"""Reads ``recipes/ci``, and holds it against the other recipes: what is built needs a runner and its packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pipeline.accelerators import registry as accelerator_kinds
from pipeline.catalog.recipes import RecipeError, read_recipe
from pipeline.model.frozen import Frozen
from pipeline.model.workflows import GithubRunners, GitlabRunners, RunnerPackages, WorkflowRecipes
from pipeline.names import PLATFORMS, UnknownNameError, accel_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.catalog.catalog import Catalog
    from pipeline.model.toolkit import Toolkit
    from pipeline.model.workflows import System
    from pipeline.names import Target

FOLDER = "ci"
Model = TypeVar("Model", bound=Frozen)

_HINT = "docs/ci.md describes recipes/ci"
_NO_TOOLKIT, _FETCHED = "cpu", "fetched"
_SYSTEM_OF_LABEL: Mapping[str, System] = {"ubuntu": "linux", "macos": "macos", "windows": "windows"}


def load_workflows(folder: Path, catalog: Catalog) -> WorkflowRecipes:
    """Read ``ci/`` in a folder of recipes.

    Args:
        folder: of recipes.
        catalog: everything that can be made; each target must have a runner, and what it needs there if it is built.

    Raises:
        RecipeError: a file is missing or wrong; the complaints of all of them are listed.
    """
    complaints: list[str] = []
    github = _read(folder / FOLDER / "github.toml", GithubRunners, complaints)
    gitlab = _read(folder / FOLDER / "gitlab.toml", GitlabRunners, complaints)
    packages = _read(folder / FOLDER / "runner_packages.toml", RunnerPackages, complaints)
    if github is None or gitlab is None or packages is None:
        raise RecipeError("\n".join(complaints), hint=_HINT)
    recipes = WorkflowRecipes(github=github, gitlab=gitlab, packages=packages)
    for name, runners, made_on in (
        ("github.toml", github.runners, github.made_on),
        ("gitlab.toml", gitlab.runners, gitlab.made_on),
    ):
        complaints += _check_runners(folder / FOLDER / name, runners, made_on, catalog)
    complaints += _check_setups(folder / FOLDER / "runner_packages.toml", recipes, catalog)
    complaints += _check_toolkits(folder / FOLDER / "runner_packages.toml", recipes, catalog)
    if complaints:
        raise RecipeError("\n".join(complaints), hint=_HINT)
    return recipes


def has_workflows(folder: Path) -> bool:
    """Tell whether a folder of recipes says anything of CI: one for a single engine need not."""
    return (folder / FOLDER).is_dir()


def system_of(platform: str, label: str = "") -> System:
    """Return the system of a runner: what its label begins with, else what its platform is called."""
    word = label.partition("-")[0]
    if word in _SYSTEM_OF_LABEL:
        return _SYSTEM_OF_LABEL[word]
    systems: dict[str, System] = {"linux": "linux", "macos": "macos", "windows": "windows"}
    return systems[platform.partition("-")[0]]


def setup_key(target: Target, catalog: Catalog) -> str | None:
    """Return the kind of accelerator for which a target's runner is set up; None where nothing is compiled."""
    return catalog.accelerator(target.accel).kind if catalog.can_build(target) else None


def job_part(target: Target, catalog: Catalog) -> str:
    """Return what the job that makes a target does for its platform; targets of one part are one job.

    What needs no toolkit is compiled from one core, so it is one part (ci/decisions/0050).
    """
    if target.engine in catalog.environments:
        return target.accel
    if setup_key(target, catalog) is None:
        return _FETCHED
    return _NO_TOOLKIT if catalog.accelerator(target.accel).toolkit is None else target.accel


def job_name(target: Target, catalog: Catalog) -> str:
    """Return the name of the job that makes a target in generated workflows."""
    return f"{target.engine}-{target.platform}-{job_part(target, catalog)}"


def _read(path: Path, model: type[Model], complaints: list[str]) -> Model | None:
    try:
        return read_recipe(path, model)
    except RecipeError as error:
        complaints.append(error.message)
        return None


def _check_runners(
    path: Path, runners: Mapping[str, object], made_on: Mapping[str, str], catalog: Catalog
) -> list[str]:
    complaints = [
        f"{path}: {key}: {name!r} is none of {', '.join(PLATFORMS)}"
        for key, names in (("runners", runners), ("made_on", made_on))
        for name in names
        if name not in PLATFORMS
    ]
    complaints += [
        f"{path}: made_on.{name}: there is no runner of {other!r}"
        for name, other in made_on.items()
        if other not in runners
    ]
    wanted = {target.platform for target in catalog.targets()}
    complaints += [
        f"{path}: runners.{name}: is missing, and there are targets of that platform"
        for name in sorted(wanted - runners.keys() - made_on.keys())
    ]
    return complaints


def _check_setups(path: Path, recipes: WorkflowRecipes, catalog: Catalog) -> list[str]:
    known = accelerator_kinds.KINDS
    complaints = [
        f"{path}: kinds.{name}: is none of {', '.join(known)}" for name in recipes.packages.kinds if name not in known
    ]
    missing: dict[str, str] = {}
    for target in catalog.targets():
        try:
            kind = setup_key(target, catalog)
        except UnknownNameError:  # said where the catalog is read
            continue
        if kind is None:
            continue
        for provider in (recipes.github, recipes.gitlab):
            machine = catalog.machine_of(target)
            system = system_of(provider.made_on.get(machine, machine))
            if system not in recipes.packages.kinds.get(kind, {}):
                missing.setdefault(f"kinds.{kind}.{system}", str(target))
            if system not in recipes.packages.compiler:
                missing.setdefault(f"compiler.{system}", str(target))
    return complaints + [f"{path}: {key}: is missing, and {target} is built there" for key, target in missing.items()]


def _check_toolkits(path: Path, recipes: WorkflowRecipes, catalog: Catalog) -> list[str]:
    """Return toolkits that a Linux runner would not have, and those that it would have twice."""
    found: dict[str, Target] = {}
    for target, kind, toolkit in _toolkits(catalog):
        version = accel_version(target.accel)
        for provider in (recipes.github, recipes.gitlab):
            runner = provider.made_on.get(target.platform, target.platform)
            setup = recipes.packages.kinds.get(kind, {}).get("linux")
            if system_of(runner) != "linux" or setup is None:
                continue
            packaged = toolkit.packages_for(version, runner) if version else toolkit.packaged
            installed = setup.toolkit_for(version, runner)
            name = f"kinds.{kind}.linux: {toolkit.title} {version}".rstrip() + f" on {runner}"
            if packaged and installed:
                found.setdefault(f"{name} is installed, and packages of it are pinned", target)
            elif not (packaged or installed or setup.apt):
                found.setdefault(f"{name} has neither pinned packages nor an entry in toolkits", target)
    return [f"{path}: {what}; {target} is built there" for what, target in found.items()]


def _toolkits(catalog: Catalog) -> Iterator[tuple[Target, str, Toolkit]]:
    """Yield each target that is compiled on its own platform with a toolkit, the kind of its accelerator, and that."""
    for target in catalog.targets():
        try:
            built, accelerator = catalog.builds_natively(target), catalog.accelerator(target.accel)
        except UnknownNameError:  # said where the catalog is read
            continue
        if built and accelerator.toolkit is not None:
            yield target, accelerator.kind, accelerator.toolkit
