"""Makes an environment as an installation makes it, and runs it: what a build proves is what users get."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.environments.host_python import find_host_python
from pipeline.environments.laying import LayerSource
from pipeline.environments.realizing import Site, realize
from pipeline.errors import HostError, ProofError
from pipeline.make.environment_card import environment_card
from pipeline.model.counts import counted
from pipeline.model.environment import EnvironmentCard
from pipeline.model.manifest import Proof
from pipeline.proofs.programs import check_loads, clean_environment
from pipeline.proofs.serving import generate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.environments.host_python import HostPython
    from pipeline.make.outputs import Results
    from pipeline.model.environment_actions import ProveEnvironment
    from pipeline.model.manifest import LayerRole, ProofLevel
    from pipeline.model.tree import Tree
    from pipeline.ports import Services


class Laid(NamedTuple):
    """Layers of a bundle, laid one over the other.

    Attributes:
        folder: with the files of all.
        trees: name of the step that made a layer to the layer's files.
    """

    folder: Path
    trees: Mapping[str, Tree]


_ROLES: tuple[LayerRole, ...] = ("base", "wheels", "runtime", "installer")


def usable_python(action: ProveEnvironment, *, services: Services, work: Path) -> tuple[HostPython | None, str]:
    """Return the host's Python for an environment that brings none, and why there is none that fits.

    Both are empty for an environment that brings its own, and where nothing is to be run.
    """
    if action.base != "host" or action.level == "none":
        return None, ""
    card = EnvironmentCard(python=action.environment.python, base="host")
    try:
        return find_host_python(card, action.environment.platform, named=None, services=services, cwd=work), ""
    except HostError as error:
        return None, error.message


def run_environment(
    action: ProveEnvironment,
    level: ProofLevel,
    laid: Laid,
    results: Results,
    *,
    services: Services,
    work: Path,
    step: str,
    python: HostPython | None = None,
) -> tuple[Proof, str]:
    """Make the environment in a scratch prefix and check its health; return what that proved, and the same for people.

    Args:
        action: what is proven.
        level: ``load`` starts its programs, ``run`` has it serve a model that it makes itself.
        laid: its layers.
        results: of the steps before.
        services: what links and runs.
        work: a folder on the file system of the layers.
        step: that is told what goes on.
        python: of the host, for an environment that brings none.

    Raises:
        ProofError: it cannot be made, does not start, or does not do what it should.
        HostError: something is missing that makes environments.
    """
    prefix = work / "environment"
    _make(action, prefix, laid, results, services=services, python=python)
    env = clean_environment(work, services.base_env)
    try:
        version, devices = check_loads(action.health, prefix, commands=services.commands, env=env, cwd=work)
        proof = Proof(level=level, loads=True, version=version, devices=devices)
        said = f", devices {', '.join(devices)}"
        if level != "run":
            return proof, said
        made = generate(action.health, root=prefix, model=None, services=services, env=env, cwd=work, step=step)
    except ProofError as error:
        raise ProofError(f"{action.target}: {error.message}", hint=error.hint) from error
    proof = proof.model_copy(
        update={
            "generated_tokens": made.tokens,
            "model": made.model,
            "ready_milliseconds": round(made.ready_seconds * 1000),
            "resident_bytes": made.resident_bytes,
        }
    )
    return proof, f"{said}, {counted(made.tokens, 'token')}, ready in {made.ready_seconds:.1f} s"


def _make(
    action: ProveEnvironment,
    prefix: Path,
    laid: Laid,
    results: Results,
    *,
    services: Services,
    python: HostPython | None,
) -> None:
    """Make the environment in ``prefix``, with what else that takes beside it."""
    if services.disk is None:
        raise TypeError("making an environment needs a disk")
    work = prefix.parent
    layers = [
        LayerSource(role=_role(results[name].facts.get("role")), tree=laid.trees[name], folder=laid.folder)
        for name in action.layers
    ]
    site = Site(
        prefix=prefix,
        final_prefix=prefix,
        unpacked=work / "linked-packages",
        staged_bytecode=work / "bytecode",
        bytecode_dir=work / "bytecode",
    )
    realize(
        environment_card(action, results),
        layers,
        site,
        platform=action.environment.platform,
        services=services,
        disk=services.disk,
        python=python,
    )


def _role(value: object) -> LayerRole:
    for role in _ROLES:
        if value == role:
            return role
    raise TypeError(f"a layer of an environment has the role {value!r}")
