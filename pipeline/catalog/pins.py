"""Holds pinned releases against the recipes: a pin that cannot be carried out is wrong before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.asset_names.classify import UnknownAssetError, classify
from pipeline.catalog.upstream import PREFERENCES
from pipeline.digest import is_sha256
from pipeline.names import UnknownNameError, family_of, parse_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.recipe import AcceleratorRecipe, EngineRecipe
    from pipeline.model.upstream import PinnedRelease
    from pipeline.names import Target

ATTESTATIONS_FOLDER = "attestations"


def attestation_path(folder: Path, sha256: str) -> Path:
    """Return where the statement about a file is kept, below the folder of an engine's pins."""
    return folder / ATTESTATIONS_FOLDER / f"sha256-{sha256}.jsonl"


def find_attestations(folder: Path) -> dict[str, str]:
    """Return sha256 of a file to the path of the statement about it.

    ``<engine>/attestations/sha256-<hex>.jsonl`` or ``sha256:<hex>.jsonl``, as ``gh attestation download`` names them
    on Windows and elsewhere.
    """
    found = {}
    for path in sorted(folder.glob(f"*/{ATTESTATIONS_FOLDER}/sha256?*.jsonl")):
        digest = path.name.removesuffix(".jsonl")[len("sha256:") :]
        if is_sha256(digest):
            found[digest] = str(path.absolute())
    return found


def check_pins(
    folder: Path,
    upstream: Mapping[str, Mapping[str, PinnedRelease]],
    engines: Mapping[str, EngineRecipe],
    accelerators: Mapping[str, AcceleratorRecipe],
) -> list[str]:
    """Return what is wrong with pins: names that lead nowhere, or archives that are another target's.

    Names of archives are read where an engine has preferences: its releases are named as ``asset_names`` reads them.
    """
    complaints = []
    for name, releases in upstream.items():
        for tag, release in releases.items():
            path = folder / name / f"{tag}.json"
            engine = engines.get(name)
            if engine is None or engine.archives is None:
                complaints.append(f"{path}: engine: no recipe says how archives of {name!r} become layers")
                continue
            is_named_so = (folder / name / PREFERENCES).is_file()
            faults = _faults(release, engine, accelerators, is_named_so=is_named_so)
            complaints += [f"{path}: {fault}" for fault in faults]
    return complaints


def _faults(
    release: PinnedRelease,
    engine: EngineRecipe,
    accelerators: Mapping[str, AcceleratorRecipe],
    *,
    is_named_so: bool,
) -> Iterator[str]:
    if release.repository != engine.repository:
        yield f"repository: is {release.repository!r}, the recipe has {engine.repository!r}"
    for pin in engine.releases:
        if pin.version == release.tag and pin.build_number != release.build_number:
            yield f"build_number: is {release.build_number}, the recipe has {pin.build_number}"
    for short, archives in release.targets.items():
        try:
            target = parse_target(f"{engine.name}/{short}")
        except UnknownNameError as error:
            yield f"targets.{short}: {error.message}"
            continue
        recipe = accelerators.get(family_of(target.accel))
        parts = recipe.archives.get(engine.name) if recipe else None
        if parts is None:
            yield f"targets.{short}: no recipe says what {family_of(target.accel)!r} is in archives of {engine.name}"
        elif parts.companion and len(archives) == 1:
            yield f"targets.{short}: has no archive with the runtime, without which {target.accel} runs on the CPU"
        if is_named_so:
            yield from (f"targets.{short}: {fault}" for fault in _misnamed(target, release.tag, archives))


def _misnamed(target: Target, tag: str, archives: Iterable[str]) -> Iterator[str]:
    """Say which archives are by their names not what a target is made of: its engine, then its runtime."""
    for place, name in enumerate(archives):
        try:
            meaning = classify(name)
        except UnknownAssetError as error:
            yield error.message
            continue
        kind = "runtime" if place else "engine"
        if (meaning.kind, meaning.platform, meaning.accel) != (kind, target.platform, target.accel):
            yield f"{name} is by its name the {meaning.kind} of {meaning.platform}-{meaning.accel}, not the {kind}"
        elif meaning.tag not in {None, tag}:
            yield f"{name} is by its name of the release {meaning.tag}"
