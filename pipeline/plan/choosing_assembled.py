"""Decides how a target that is an environment is made: of what is locked, and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog import lock_conda, locked_environment
from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.counts import counted
from pipeline.model.plan import Decision
from pipeline.names import UnknownNameError

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.environment_recipe import EnvironmentEngine
    from pipeline.model.manifest import ProofLevel
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest


def locked_version(target: Target, catalog: Catalog) -> str:
    """Return the version that an environment's target has.

    Raises:
        LockError: its lock is missing or wrong.
    """
    engine = catalog.environments[target.engine]
    return _version(engine, locked_environment(catalog, target))


def decide_assembled(
    target: Target,
    request: BuildRequest,
    engine: EnvironmentEngine,
    environment: LockedEnvironment,
    *,
    proof: tuple[ProofLevel, str],
) -> Decision:
    """Return how an environment's target is made: assembled from what is locked, on any machine.

    Args:
        target: to make.
        request: with the release and the source that were asked for.
        engine: its recipe.
        environment: what is locked for the target's platform.
        proof: how much is proven, and why it is not more.

    Raises:
        UnknownNameError: another release than the locked one was asked for.
        NothingSelectedError: a source was asked for that it does not have; or no conda packages are locked, and nothing
            was said of doing without.
        UsageError: an option of a build was given, or a model file.
    """
    version = _version(engine, environment)
    _check(target, request, engine, environment, version)
    conda = f"{counted(len(environment.conda), 'conda package')} and " if has_base(request, environment) else ""
    why = f"envs/{environment.name} locks {conda}{counted(len(environment.wheels), 'wheel')}"
    if not conda:
        why += ", and a Python of the machine it goes to is used (--wheels-only)"
    level, proof_why = proof
    return Decision(target=str(target), version=version, origin="assembled", why=why, proof=level, proof_why=proof_why)


def _check(
    target: Target, request: BuildRequest, engine: EnvironmentEngine, environment: LockedEnvironment, version: str
) -> None:
    """Refuse what has no meaning for a locked environment; see ``decide_assembled``."""
    if request.release not in {None, version} and not request.release_is_default:
        raise UnknownNameError(
            f"{target} is locked at {version}, and {request.release} was asked for",
            hint=f"leave --release out; or change envs/{engine.environment}/requirements.in and "
            f"`lock --env {engine.environment}`",
        )
    if request.source != "auto":
        raise NothingSelectedError(
            f"{target} is assembled from locked packages, so --source {request.source} has no meaning for it",
            hint="leave --source out",
        )
    if given := request.options_given:
        named = " and ".join(given)
        raise UsageError(
            f"{target} is assembled from locked packages, of which nothing is compiled, and proven with a tiny model "
            f"that it makes itself; nothing is changed by {named}",
            hint=f"leave {named} out",
        )
    if request.wheels_only and request.with_miniforge:
        raise UsageError(
            "--wheels-only and --with-miniforge exclude each other: a conda has nothing to do without packages",
            hint="leave one of them out",
        )
    if not environment.conda and not request.wheels_only and not request.rehearsal:
        raise NothingSelectedError(
            f"{target}: envs/{environment.name} locks no conda packages: {environment.conda_problem}",
            hint=f"--wheels-only makes a bundle that uses a Python {environment.python} of the machine it goes to; "
            f"{lock_conda(environment.name)}",
        )


def has_base(request: BuildRequest, environment: LockedEnvironment) -> bool:
    """Tell whether the conda packages of an environment are bundled."""
    return bool(environment.conda) and not request.wheels_only


def _version(engine: EnvironmentEngine, environment: LockedEnvironment) -> str:
    """Return the version of an engine, which is that of its package in the lock."""
    wheel = environment.wheel(engine.package)
    if wheel is None:
        raise AssertionError(f"the catalog reads no environment of {engine.name} without {engine.package}")
    return wheel.version
