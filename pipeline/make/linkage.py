"""Checks that every library a bundle needs is in it or promised by the host; measures what a host must have."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pipeline.model.binary import BinaryCard
    from pipeline.ports import BinaryInspector

_ORIGIN = "$ORIGIN"
_SYMBOL_VERSION = re.compile(r"^(GLIBC|GLIBCXX)_(\d+(?:\.\d+)*)$")


class Linkage(NamedTuple):
    """What a bundle needs of a host.

    Attributes:
        glibc: highest GLIBC_ version any file needs, None when none does.
        libstdcxx: highest GLIBCXX_ version.
        libraries: shared libraries the host must bring, sorted.
        files: how many binaries were looked at.
    """

    glibc: str | None
    libstdcxx: str | None
    libraries: tuple[str, ...]
    files: int


def read_cards(root: Path, inspector: BinaryInspector) -> dict[str, BinaryCard]:
    """Return path within ``root`` to card for every binary, links left out.

    Raises:
        ProofError: a link leads nowhere.
    """
    cards = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() and not path.exists():
            raise ProofError(f"{name} is a link to {path.readlink()}, which is not in the bundle")
        if path.is_file() and not path.is_symlink():
            card = inspector.inspect(path)
            if card is not None:
                cards[name] = card
    return cards


def check_linkage(root: Path, cards: Mapping[str, BinaryCard], system_libraries: Collection[str]) -> Linkage:
    """Resolve every needed library as the dynamic linker would, by $ORIGIN alone, and measure the floor.

    Raises:
        ProofError: a library is neither in the bundle nor among ``system_libraries``, or a binary would search for
            libraries outside the bundle.
    """
    from_host: set[str] = set()
    for name, card in cards.items():
        folder = (root / name).parent
        search = [_within(root, folder, entry) for entry in card.runpath]
        foreign = [entry for entry, place in zip(card.runpath, search, strict=True) if place is None]
        if foreign:
            raise ProofError(
                f"{name} searches {', '.join(foreign)} for libraries", hint="its RUNPATH must be relative to $ORIGIN"
            )
        for library in card.needed:
            if any(place is not None and (place / library).is_file() for place in search):
                continue
            if library not in system_libraries:
                raise ProofError(
                    f"{name} needs {library}, which is neither in the bundle nor a system library of the recipe",
                    hint="add it to the component's outputs, or to system_libraries if every host has it",
                )
            from_host.add(library)
    versions = [version for card in cards.values() for found in card.version_needs.values() for version in found]
    return Linkage(
        glibc=_highest("GLIBC", versions),
        libstdcxx=_highest("GLIBCXX", versions),
        libraries=tuple(sorted(from_host)),
        files=len(cards),
    )


def _within(root: Path, folder: Path, entry: str) -> Path | None:
    """Return the folder that a RUNPATH entry means, None when it is not inside the bundle."""
    if entry != _ORIGIN and not entry.startswith(f"{_ORIGIN}/"):
        return None
    place = Path(os.path.normpath(folder / entry.removeprefix(_ORIGIN).lstrip("/")))
    return place if place.is_relative_to(root) else None


def _highest(prefix: str, versions: Iterable[str]) -> str | None:
    matches = (_SYMBOL_VERSION.match(version) for version in versions)
    found = {match[2] for match in matches if match and match[1] == prefix}
    return max(found, key=version_key) if found else None
