"""What is wrong between recipes: names that lead nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accelerators import registry as accelerator_kinds
from pipeline.names import PLATFORMS, is_family

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.model.recipe import AcceleratorRecipe, Component, EngineRecipe
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


def check_own_options(
    folder: Path,
    engines: Mapping[str, EngineRecipe],
    accelerators: Iterable[AcceleratorRecipe],
    toolchains: Iterable[Toolchain] = (),
) -> list[str]:
    """Return a complaint for each option that a backend calls its own and that a recipe sets for another component."""
    complaints, chains = [], tuple(toolchains)
    backends = [(one.name, name, component) for one in accelerators for name, component in one.engines.items()]
    for accel, name, component in backends:
        engine, path = engines[name], folder / "accelerators" / f"{accel}.toml"
        others = {f"{other} sets": part for other, of, part in backends if of == name and other != accel}
        setting = [("the engine sets", engine.core, option) for option in (*engine.options, *engine.options_with_pin)]
        setting += [
            (f"the engine sets on {platform}", engine.core, option)
            for platform, native in engine.native.items()
            for option in native.options
        ]
        setting += [
            (f"{chain.name} sets for {target.platform}", engine.core, option)
            for chain in chains
            for target in chain.targets
            for option in target.options
        ]
        for who, part in {"the core sets": engine.core, **others}.items():
            setting += [(who, part, option) for option in (*part.options, *_native_options(part))]
        complaints += [
            f"{path}: engines.{name}.own_options: {option} is among them, which {who} too"
            for who, part, option in setting
            if component.owns(option) and not part.owns(option)
        ]
    return complaints


def _native_options(part: Component) -> list[str]:
    return [option for native in part.native.values() for option in native.options]


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
            for name, ways in target.engines.items():
                key = f"targets.{target.platform}.engines.{name}"
                if name not in engines:
                    complaints.append(f"{path}: {key}: no such engine")
                complaints += [
                    f"{path}: {key}.accelerators: no recipe builds {accel!r} of {name}"
                    for way in ways
                    for accel in way.accelerators
                    if accel not in accelerators or name not in accelerators[accel].engines
                ]
    return complaints
