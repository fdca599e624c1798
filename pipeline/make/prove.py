"""Proves a bundle before anything is called done: what ships is unpacked, linked, asked, and made to generate."""

from __future__ import annotations

from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.accelerators.interface import NO_REQUIREMENTS
from pipeline.accelerators.registry import KINDS
from pipeline.errors import ProofError
from pipeline.events import Notice
from pipeline.make.gpu_code import check_architectures, check_device_code, measured_architectures
from pipeline.make.laying import lay_layer
from pipeline.make.linkage import check_linkage, read_cards
from pipeline.make.opening import open_backends
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.proof_level import provable
from pipeline.make.running import running_under
from pipeline.model.counts import counted
from pipeline.model.manifest import Proof, Requires
from pipeline.names import is_older, parse_target
from pipeline.proofs.programs import check_loads, clean_environment
from pipeline.proofs.serving import generate

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipeline.make.linkage import Linkage
    from pipeline.model.actions import Prove
    from pipeline.model.manifest import ProofLevel
    from pipeline.ports import Services


_SOFTWARE_PATIENCE = 8
"""A device that computes on the processor compiles every shader for it when the model is loaded: 1 to 2 minutes of one
processor's time with Mesa's lavapipe 22.3."""


def prove(action: Prove, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Prove the layers of a bundle, at the level that was asked for.

    The layers' archives are unpacked exactly as an installation does it, so the proof is about what users get. The
    files are read and measured at every level; nothing is run at level ``none``.

    Raises:
        ProofError: something does not hold; there will be no bundle.
        HostError: this host cannot run the bundle, so that nothing can be proven here.
    """
    root = work / "bundle"
    own: set[str] = set()
    to_open: list[str] = []
    for place, name in enumerate(action.layers):
        if "layer" not in results[name].blobs:
            continue
        laid = lay_layer(name, services, results, root, work)
        if results[name].facts.get("role") != "runtime":
            own |= {entry.path for entry in laid.entries}
        if place in action.opens:
            to_open += [entry.path for entry in laid.entries]
    cards = read_cards(root, services.binaries)
    linkage = check_linkage(
        root, cards, action.system_libraries, platform=action.platform, macos_floor=action.macos_floor
    )
    own_cards = {path: card for path, card in cards.items() if path in own}
    check_architectures(action.target, action.architectures, own_cards)
    check_device_code(action.target, action.architectures, action.device_code, root / "bin")
    requires = _requires(action, linkage, results, measured_architectures(own_cards))
    check_floor(action, linkage)
    level = provable(action, action.platform, requires, services, elsewhere=action.runner is not None)
    summary = f"{linkage.files} binaries, {linkage.floor}"
    if requires.gpu_architectures:
        summary += f", code for {', '.join(requires.gpu_architectures)}"
    proof = Proof(level=level)
    if action.opens:
        summary += open_backends(action, [root / path for path in to_open if path in cards], services, work)
    if level != "none":
        proof, said = _run_bundle(action, level, root, services, results, step=step)
        summary += said
    facts = {"proof": proof.model_dump(mode="json"), "requires": requires.model_dump(mode="json")}
    return made(facts=facts, summary=summary)


def _run_bundle(
    action: Prove, level: ProofLevel, root: Path, services: Services, results: Results, *, step: str
) -> tuple[Proof, str]:
    """Start the bundle's programs, under what runs them; return what that proved, and the same for people."""
    work = root.parent
    software = _software_environment(action, services)
    env = {**clean_environment(work, services.base_env), **software}
    if action.runner is None:
        patience = _SOFTWARE_PATIENCE if software else 1
        return _run_programs(action, level, root, services, results, step=step, env=env, patience=patience)
    patience = action.runner.slowness
    with running_under(action.runner, services, env, work) as (under, its_env):
        return _run_programs(action, level, root, under, results, step=step, env=its_env, patience=patience)


def _run_programs(
    action: Prove,
    level: ProofLevel,
    root: Path,
    services: Services,
    results: Results,
    *,
    step: str,
    env: dict[str, str],
    patience: int,
) -> tuple[Proof, str]:
    """Start the programs; ``patience`` is how many times longer the server may take to be ready."""
    work, health = root.parent, action.health
    if patience > 1:
        patient = health.ready_timeout_seconds * patience
        health = health.model_copy(update={"ready_timeout_seconds": patient})
    try:
        version, devices = check_loads(health, root, commands=services.commands, env=env, cwd=work)
    except ProofError as error:
        raise ProofError(f"{action.target}: {error.message}", hint=error.hint) from error
    runner = action.runner.title if action.runner else None
    proof = Proof(level=level, loads=True, version=version, devices=devices, runner=runner)
    said = f", devices {', '.join(devices) or 'none'}" + (f", under {runner}" if runner else "")
    if level != "run":
        return proof, said
    model, digest = _model(action, services, results, work)
    made_text = generate(health, root=root, model=model, services=services, env=env, cwd=work, step=step)
    named = f"{Path(model).name} sha256:{digest}"
    proof = proof.model_copy(update={"generated_tokens": made_text.tokens, "model": named})
    return proof, f"{said}, {counted(made_text.tokens, 'token')}, ready in {made_text.ready_seconds:.1f} s"


def check_floor(action: Prove, linkage: Linkage) -> None:
    """Refuse a bundle that needs a newer glibc than its toolchain promises.

    Raises:
        ProofError: it does.
    """
    if action.glibc_floor and linkage.glibc and is_older(action.glibc_floor, linkage.glibc):
        raise ProofError(
            f"{action.target} needs glibc {linkage.glibc}; its toolchain promises {action.glibc_floor}",
            hint="something was not compiled with the toolchain: see the compile step's log",
        )


def _software_environment(action: Prove, services: Services) -> dict[str, str]:
    """Return what makes the engine take a device that computes on the processor, where the machine has no other."""
    if not action.software_environment:
        return {}
    kind, accel = KINDS[action.accelerator_kind], parse_target(action.target).accel
    if not kind.misfits(accel, NO_REQUIREMENTS, services.host.survey()):
        return {}
    names = ", ".join(f"{name}={value}" for name, value in sorted(action.software_environment.items()))
    text = f"{action.target} is run on a device that computes on the processor ({names}): no GPU fits"
    services.events.emit(Notice(text, "warning"))
    return action.software_environment


def _requires(action: Prove, linkage: Linkage, results: Results, gpu_architectures: tuple[str, ...]) -> Requires:
    """Measure what a host must have, and hold it against what the accelerator's recipe says.

    Raises:
        ProofError: the backend was compiled for more than the recipe admits, or the core for more than the baseline.
    """
    libraries: dict[str, frozenset[str]] = {}
    core: frozenset[str] = frozenset()
    for name in action.compiled:
        found = _features(results[name].facts["cpu_features"])
        backends = {target: used for target, used in found.items() if target.startswith("ggml-cpu")}
        libraries |= {target: used for target, used in backends.items() if not target.endswith("-feats")}
        core = reduce(frozenset.union, (used for target, used in found.items() if target not in backends), core)
    # Of files that upstream compiled nobody knows the flags: what the recipe says stands for them.
    flags = {*KINDS[action.accelerator_kind].required_features(libraries), *core} if action.compiled else None
    measured = tuple(sorted(action.requires_cpu if flags is None else flags))
    beyond = sorted(set(measured) - set(action.requires_cpu))
    if beyond:
        raise ProofError(
            f"{action.target} needs {', '.join(beyond)} of the processor, which its recipe does not say",
            hint="correct requires_cpu in the accelerator's recipe, or its options",
        )
    return Requires(
        glibc=linkage.glibc,
        libstdcxx=linkage.libstdcxx,
        cpu=measured,
        libraries=linkage.libraries,
        driver=KINDS[action.accelerator_kind].driver_floor(parse_target(action.target).accel, action.platform),
        macos=linkage.macos,
        gpu_architectures=gpu_architectures,
        windows=linkage.windows,
    )


def _features(value: JsonValue) -> dict[str, frozenset[str]]:
    """Return the fact that the compile stage wrote: CMake target to instruction set extensions."""
    if not isinstance(value, dict):
        return {}
    return {target: frozenset(map(str, used)) for target, used in value.items() if isinstance(used, list)}


def _model(action: Prove, services: Services, results: Results, work: Path) -> tuple[Path, str]:
    if action.model_file is not None:
        return Path(action.model_file), str(action.model_file_sha256)
    blob = results[str(action.model)].blobs["model"]
    path = work / blob.filename
    services.store.copy_blob(blob, path)
    return path, blob.sha256
