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
from pipeline.model.counts import counted
from pipeline.model.manifest import Proof, Requires
from pipeline.names import conda_subdir
from pipeline.proofs.distributions import set_problems, target_markers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.make.environment_binaries import BinariesRead
    from pipeline.model.environment import LockedEnvironment
    from pipeline.model.environment_actions import ProveEnvironment
    from pipeline.model.tree import Tree
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
    bundle = work / "bundle"
    laid = Laid(bundle, _lay(action, step, services, results, bundle=bundle, work=work))
    binaries, file_count = _examine(action, step, laid, results, services=services, work=work)
    _tell_foreign_folders(action.target, binaries, services)
    requires = _requires(binaries, action.requires_cpu)
    proof, said = Proof(level="none"), ""
    python, missing = usable_python(action, services=services, work=work)
    level = provable(action, action.environment.platform, requires, services, missing=missing)
    if level != "none":
        proof, said = run_environment(
            action, level, laid, results, services=services, work=work, step=step, python=python
        )
    linkage = binaries.linkage
    return made(
        facts={
            "proof": proof.model_dump(mode="json"),
            "requires": requires.model_dump(mode="json"),
            "binaries": linkage.files,
            "wheels": len(action.environment.wheels),
            "conda_packages": len(action.environment.conda) if action.channel_layer is not None else 0,
        },
        summary=f"{counted(linkage.files, 'binary', 'binaries')} among {counted(file_count, 'file')}, "
        f"{linkage.floor}{said}",
    )


def _lay(
    action: ProveEnvironment, step: str, services: Services, results: Results, *, bundle: Path, work: Path
) -> dict[str, Tree]:
    """Lay the layers one over the other; then the packages are compared, which says no figures of its own."""
    done, total = 0, sum(results[name].trees["layer"].size_bytes for name in action.layers)
    trees = {}
    for name in action.layers:
        services.events.emit(StepProgress(step, done, total, "bytes", f"laying {name}"))
        trees[name] = lay_layer(name, services, results, bundle, work)
        done += results[name].trees["layer"].size_bytes
    services.events.emit(StepProgress(step, done, total, "bytes", "comparing packages with the lock"))
    return trees


def _examine(
    action: ProveEnvironment, step: str, laid: Laid, results: Results, *, services: Services, work: Path
) -> tuple[BinariesRead, int]:
    """Read all that the files say; return what the binaries need, and how many files there are.

    Raises:
        ProofError: something does not hold.
        HostError: nothing here solves or reads what has to be.
    """
    locked, (bundle, trees) = action.environment, laid
    wheels = wheel_files(locked, {name: trees[name] for name in action.wheel_layers}, bundle)
    findings = [*lock_findings(action, results, trees, bundle), *wheels.findings]
    channel = None
    if action.channel_layer is not None:
        channel = trees[action.channel_layer]
        findings += _solve_findings(locked, bundle, services)
    files, in_both = place_files(locked, bundle, wheels, channel=channel, services=services, work=work)
    findings += (*in_both, *_set_findings(locked, distributions(files, locked)))
    binaries = read_binaries(
        files,
        platform=locked.platform,
        floors=locked.floors,
        inspector=services.binaries,
        view_dir=work / "view",
        progress=lambda done: services.events.emit(StepProgress(step, done, len(files), "files", "reading binaries")),
    )
    refuse([*findings, *binaries.findings], shown=_SHOWN, about=action.target)
    return binaries, len(files)


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
                f"{target}: folders of the machine that built them are searched by "
                f"{counted(len(binaries.foreign_folders), 'file')}, for example {first}: {', '.join(folders)}"
            )
        )


def _requires(binaries: BinariesRead, cpu: tuple[str, ...]) -> Requires:
    linkage = binaries.linkage
    return Requires(
        glibc=linkage.glibc,
        libstdcxx=linkage.libstdcxx,
        cpu=cpu,
        libraries=linkage.libraries,
        driver=None,
        macos=linkage.macos,
        gpu_architectures=(),
        windows=linkage.windows,
    )
