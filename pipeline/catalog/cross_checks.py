"""What is wrong between recipes: names that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators import registry as accelerator_kinds
from pipeline.names import PLATFORMS, is_family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe
    from pipeline.model.toolchain import Toolchain


def cross_check(
    folder: Path,
    engines: Iterable[EngineRecipe],
    accelerators: Iterable[AcceleratorRecipe],
    models: Iterable[str],
) -> list[str]:
    """Return complaints about engines and accelerators, each with file and dotted key."""
    complaints = []
    known_engines = {path.stem for path in (folder / "engines").glob("*.toml")}  # also those that are wrong
    for engine in engines:
        path = folder / "engines" / f"{engine.name}.toml"
        complaints += _unknown_platforms(path, engine.platforms)
        if engine.proof.model not in models:
            complaints.append(f"{path}: proof.model: there is no recipes/models/{engine.proof.model}.toml")
    for accelerator in accelerators:
        path = folder / "accelerators" / f"{accelerator.name}.toml"
        complaints += _unknown_platforms(path, accelerator.platforms)
        complaints += [
            f"{path}: engines.{name}: no such engine" for name in accelerator.engines if name not in known_engines
        ]
        if accelerator.kind not in accelerator_kinds.KINDS:
            complaints.append(f"{path}: kind: {accelerator.kind!r} is none of {', '.join(accelerator_kinds.KINDS)}")
        complaints += [
            f"{path}: archives.{name}: no such engine" for name in accelerator.archives if name not in known_engines
        ]
        if not is_family(accelerator.name):
            complaints.append(f"{path}: name: {accelerator.name!r} is no accelerator of docs/contract.md")
    return complaints


def _unknown_platforms(path: Path, platforms: Iterable[str]) -> list[str]:
    return [
        f"{path}: platforms: {name!r} is none of {', '.join(PLATFORMS)}" for name in platforms if name not in PLATFORMS
    ]


def check_toolchains(
    folder: Path,
    toolchains: Iterable[Toolchain],
    engines: Mapping[str, EngineRecipe],
    accelerators: Mapping[str, AcceleratorRecipe],
) -> list[str]:
    """Return complaints about toolchains, each with file and dotted key."""
    complaints = []
    for toolchain in toolchains:
        path = folder / "toolchains" / f"{toolchain.name}.toml"
        complaints += _unknown_platforms(path, toolchain.hosts)
        complaints += _unknown_platforms(path, [target.platform for target in toolchain.targets])
        for target in toolchain.targets:
            for name, cross in target.engines.items():
                key = f"targets.{target.platform}.engines.{name}"
                if name not in engines:
                    complaints.append(f"{path}: {key}: no such engine")
                complaints += [
                    f"{path}: {key}.accelerators: no recipe builds {accel!r} of {name}"
                    for accel in cross.accelerators
                    if accel not in accelerators or name not in accelerators[accel].engines
                ]
    return complaints
