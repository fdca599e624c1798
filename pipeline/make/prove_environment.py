"""Proves an environment: everything that its files say, on any machine, and running it where it is this machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError, IntegrityError, ProofError
from pipeline.events import Notice, StepProgress
from pipeline.make.channel_layer import CHANNEL_DIR
from pipeline.make.environment_binaries import read_binaries
from pipeline.make.environment_files import distributions, place_files
from pipeline.make.environment_lock import lock_findings, wheel_files
from pipeline.make.findings import Finding, refuse
from pipeline.make.laying import lay_layer
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.proof_level import provable
from pipeline.make.run_environment import Laid, run_environment, usable_python
from pipeline.model.manifest import Proof, Requires
from pipeline.names import conda_subdir
from pipeline.proofs.distributions import set_problems, target_markers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.make.environment_binaries import BinariesRead
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.environment_actions import ProveEnvironment
    from pipeline.ports import Services
    from pipeline.proofs.distributions import Distribution

_SHOWN = 20


def prove_environment(action: ProveEnvironment, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Prove the layers of an environment, at the level that was asked for.

    At every level, on every machine: packages, files and the bundled channel are those of the lock; solving in that
    channel, offline, chooses them again; wheels fit platform, Python and floor, and are a complete set; every package
    says its license; every binary is for the platform, no newer than the floor, signed where macOS asks for it, and
    finds its libraries. Where the environment is this machine's it is made as an installation makes it, and run.

    Raises:
        ProofError: something does not hold, all of it is said; there will be no bundle.
        HostError: nothing here solves or reads what has to be, or the environment was to be run and cannot be.
    """
    locked = action.environment
    bundle = work / "bundle"
    trees = {name: lay_layer(name, services, results, bundle, work) for name in action.layers}
    packages = len(locked.conda) + len(locked.wheels)
    services.events.emit(StepProgress(step, 0, packages, "files", "comparing packages with the lock"))
    findings = [*lock_findings(action, results, trees, bundle)]
    wheels = wheel_files(locked, {name: trees[name] for name in action.wheel_layers}, bundle)
    findings += wheels.findings
    if action.channel_layer is not None:
        findings += _solve_findings(locked, bundle, services)
    refuse(findings, shown=_SHOWN, about=action.target)  # damaged packages are not unpacked
    files, findings_twice = place_files(locked, bundle, wheels, services=services, work=work)
    found = distributions(files, locked)
    findings += findings_twice
    findings += _set_findings(locked, found)
    services.events.emit(StepProgress(step, 0, len(files), "files", "reading binaries"))
    binaries = read_binaries(
        files,
        platform=locked.platform,
        floors=locked.floors,
        inspector=services.binaries,
        view_dir=work / "view",
    )
    refuse([*findings, *binaries.findings], shown=_SHOWN, about=action.target)
    _tell_foreign_folders(action.target, binaries, services)
    requires = _requires(binaries)
    proof, said = Proof(level="none"), ""
    python, missing = (
        (None, "") if action.level == "none" else usable_python(action, results, services=services, work=work)
    )
    level = provable(action, locked.platform, requires, services, missing=missing)
    if level != "none":
        proof, said = run_environment(
            action, level, Laid(bundle, trees), results, services=services, work=work, step=step, python=python
        )
    linkage = binaries.linkage
    floor = f"macOS {linkage.macos}" if linkage.macos else f"glibc {linkage.glibc}"
    return made(
        facts={
            "proof": proof.model_dump(mode="json"),
            "requires": requires.model_dump(mode="json"),
            "binaries": linkage.files,
            "wheels": len(locked.wheels),
            "conda_packages": len(locked.conda) if action.channel_layer is not None else 0,
        },
        summary=f"{linkage.files} binaries among {len(files)} files, {floor}{said}",
    )


def _solve_findings(locked: LockedEnvironment, bundle: Path, services: Services) -> Iterator[Finding]:
    """Solve in the bundled channel; yield each package in which the answer differs from the lock.

    Raises:
        HostError: nothing here solves.
    """
    if services.conda is None:
        raise HostError("nothing here solves for conda packages", hint="pip install 'engine-pipeline[environments]'")
    try:
        solved = services.conda.solve(
            bundle / CHANNEL_DIR,
            locked.specs,
            subdir=conda_subdir(locked.platform),
            virtual_packages=locked.virtual_packages,
        )
    except (ProofError, IntegrityError) as error:
        yield Finding(error.message, error.hint)
        return
    names = {package.filename for package in locked.conda}
    hint = "the lock has more or less than its specs need: make it anew with `lock`"
    for filename in sorted(names - set(solved)):
        yield Finding(f"solving in the bundled channel does not choose {filename}, which is locked", hint)
    for filename in sorted(set(solved) - names):
        yield Finding(f"solving in the bundled channel chooses {filename}, which is not locked", hint)


def _set_findings(locked: LockedEnvironment, found: tuple[Distribution, ...]) -> Iterator[Finding]:
    """Yield what is wrong with the set of Python projects, of wheels and of conda packages together."""
    python = next((package.version for package in locked.conda if package.name == "python"), locked.python)
    others = {package.name: package.version for package in locked.conda}
    hint = "lock the environment anew; a requirement of the recipe's own belongs into requirements.in"
    for problem in set_problems(found, target_markers(locked.platform, python), others=others):
        yield Finding(problem, hint)


def _tell_foreign_folders(target: str, binaries: BinariesRead, services: Services) -> None:
    """Say which files search folders outside the environment; all that they need was found without those."""
    if binaries.foreign_folders:
        first, folders = next(iter(binaries.foreign_folders.items()))
        services.events.emit(
            Notice(
                f"{target}: {len(binaries.foreign_folders)} files search folders of the machine that built them, "
                f"for example {first}: {', '.join(folders)}"
            )
        )


def _requires(binaries: BinariesRead) -> Requires:
    linkage = binaries.linkage
    return Requires(
        glibc=linkage.glibc,
        libstdcxx=linkage.libstdcxx,
        cpu=(),
        libraries=linkage.libraries,
        driver=None,
        macos=linkage.macos,
        gpu_architectures=(),
    )
