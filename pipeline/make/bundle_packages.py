"""What a bundle of packages is made of: said by its layers, and joined with what the recipe adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.make.environment_card import packages_of
from pipeline.model.environment import EnvironmentCard
from pipeline.model.statements import Material, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.make.outputs import Results
    from pipeline.model.actions import MakeBundle


def bundle_packages(action: MakeBundle, results: Results) -> dict[str, tuple[Part, ...]]:
    """Return layer to the packages in it; empty for a bundle that is not assembled of any.

    A package that states no license has the one that the recipe gives it.
    """
    stated = {part.name: part.license for part in action.parts}
    found: dict[str, tuple[Part, ...]] = {}
    for name in action.layers if action.environment is not None else ():
        packages = packages_of([results[name]])
        if packages:
            found[str(results[name].facts["name"])] = tuple(
                part if part.license else part.model_copy(update={"license": stated.get(part.name, "")})
                for part in packages
            )
    return found


def bundle_licenses(action: MakeBundle, packages: Mapping[str, Iterable[Part]]) -> tuple[str, ...]:
    """Return the licenses that a bundle's files are under, sorted: those of its packages, or those of its recipe."""
    found = {part.license for parts in packages.values() for part in parts if part.license}
    return tuple(sorted(found)) if packages else action.licenses


def bundle_card(action: MakeBundle, results: Results) -> EnvironmentCard | None:
    """Return how an installation makes an environment of the layers; None for any other engine."""
    cards = (results[name].facts.get("environment") for name in action.layers)
    card = next((card for card in cards if card is not None), None)
    return None if card is None else EnvironmentCard.model_validate(card, strict=False)


def package_materials(action: MakeBundle, packages: Mapping[str, Iterable[Part]]) -> tuple[Material, ...]:
    """Return the packages as what the bundle was made from, by file name as they were locked."""
    locked = action.environment
    names: dict[str, str] = {}
    if locked is not None:
        names |= {package.sha256: package.filename for package in locked.conda}
        names |= {wheel.sha256: wheel.filename for wheel in locked.wheels}
    return tuple(
        Material(uri=part.purl, name=names.get(part.sha256, part.name), digest={"sha256": part.sha256})
        for parts in packages.values()
        for part in parts
        if part.sha256 is not None
    )
