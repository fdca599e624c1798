"""Every binary of an environment: for its platform, no newer than its floor, signed, and with all it needs inside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipeline.builders.wheel_naming import MANYLINUX_LIBRARIES
from pipeline.errors import IntegrityError
from pipeline.make.environment_files import CONDA_OWNER
from pipeline.make.findings import Finding
from pipeline.make.linkage import LIBRARY_NAMES, Linkage, fits, highest, measure
from pipeline.make.loading import LoaderView
from pipeline.names import is_older

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pipeline.make.environment_files import PlacedFile
    from pipeline.model.binary import BinaryCard
    from pipeline.model.environment import Floors
    from pipeline.ports import BinaryInspector

# What a wheel may need of any host: macOS' own; for Linux what manylinux promises, with which conda's do as well.
SYSTEM_LIBRARIES = {"macos": ("/usr/lib/*", "/System/*"), "linux": MANYLINUX_LIBRARIES}
# Starters of programs for Windows travel with packages for every platform (setuptools, distlib), and are never run.
_WINDOWS_SUFFIXES = (".exe", ".dll", ".pyd")
_LIBRARY_DIR = "lib"  # where conda's python looks for libraries on behalf of all that it loads
_OTHER_WHEEL = "lock the environment anew: the package is for another system"


class BinariesRead(NamedTuple):
    """What was measured.

    Attributes:
        linkage: what the environment needs of a host.
        findings: what does not hold.
        foreign_folders: path to folders outside the environment that the file searches for libraries; said, not
            refused: who compiled the package left them there.
    """

    linkage: Linkage
    findings: tuple[Finding, ...]
    foreign_folders: Mapping[str, tuple[str, ...]]


def read_binaries(
    files: Mapping[str, PlacedFile],
    *,
    platform: str,
    floors: Floors,
    inspector: BinaryInspector,
    view_dir: Path,
    progress: Callable[[int], None],
) -> BinariesRead:
    """Read every binary among an environment's files, and judge it.

    Args:
        files: by path below the prefix.
        platform: of the contract's names.
        floors: of the environment.
        inspector: what reads binaries.
        view_dir: a new folder, into which the binaries and links are laid as loaders will see them.
        progress: is told how many files are read.

    Raises:
        HostError: what reads this kind of binary is not installed.
    """
    cards, findings, damaged = _cards(files, inspector, view_dir, progress)
    findings += _impostors(files, {*cards, *damaged}, platform)
    system = platform.partition("-")[0]
    view = LoaderView(view_dir, cards, SYSTEM_LIBRARIES[system])
    from_host: dict[str, str] = {}
    judged = {}
    foreign = {}
    for path, card in view.cards.items():
        owner = files[path].owner
        if not fits(card, platform):
            made_for = f"{card.format}, {' and '.join(card.machines)}"
            findings.append(Finding(f"{owner}: {path} ({made_for}) is no binary of {platform}", _OTHER_WHEEL))
            continue
        judged[path] = card
        findings += [Finding(f"{owner}: {path} {why}", hint) for why, hint in _refusals(card, floors)]
        findings += [Finding(f"{owner}: {path} {why}", hint) for why, hint in _missing(view, path, from_host)]
        if folders := view.foreign_folders(path):
            foreign[path] = folders
    return BinariesRead(_measure(judged, from_host), tuple(findings), foreign)


def _cards(
    files: Mapping[str, PlacedFile], inspector: BinaryInspector, view_dir: Path, progress: Callable[[int], None]
) -> tuple[dict[str, BinaryCard], list[Finding], set[str]]:
    """Return the cards of all that a loader may see, laid into the view with all links, and what is damaged."""
    cards: dict[str, BinaryCard] = {}
    findings: list[Finding] = []
    damaged: set[str] = set()
    for done, (path, placed) in enumerate(sorted(files.items())):
        progress(done)
        destination = view_dir / path
        if placed.path.is_symlink():
            destination.parent.mkdir(parents=True, exist_ok=True)
            destination.symlink_to(placed.path.readlink())
            continue
        if path.lower().endswith(_WINDOWS_SUFFIXES):
            continue
        try:
            card = inspector.inspect(placed.path)
        except IntegrityError as error:
            damaged.add(path)
            said = error.message.replace(str(placed.path.resolve()), path).replace(str(placed.path), path)
            findings.append(Finding(f"{placed.owner}: {said}", "the package is broken: lock another build of it"))
            continue
        if card is not None and not card.is_object and card.format != "pe":
            cards[path] = card
            destination.parent.mkdir(parents=True, exist_ok=True)
            destination.hardlink_to(placed.path)
    return cards, findings, damaged


def _impostors(files: Mapping[str, PlacedFile], binaries: Collection[str], platform: str) -> Iterator[Finding]:
    """Yield files of wheels that are named like a library and are none; conda has texts for linkers among its own."""
    pattern = re.compile(rf"{LIBRARY_NAMES[platform.partition('-')[0]]}|\.so$")
    for path, placed in files.items():
        named = pattern.search(path) and path not in binaries and not placed.path.is_symlink()
        if named and not placed.owner.startswith(CONDA_OWNER):
            yield Finding(f"{placed.owner}: {path} is named like a library and is none", "lock another build of it")


def _refusals(card: BinaryCard, floors: Floors) -> Iterator[tuple[str, str]]:
    """Yield why a system of the floor would not load a file, with a hint."""
    if card.format == "elf":
        glibc = highest("GLIBC", (version for needs in card.version_needs.values() for version in needs))
        if glibc and floors.glibc and is_older(floors.glibc, glibc):
            yield f"needs glibc {glibc}, the floor is {floors.glibc}", "lock another build of it, or raise the floor"
        return
    if card.system not in {None, "macos"}:
        yield f"was made for {card.system}, not for macos", _OTHER_WHEEL
    elif card.lowest_system is None:
        yield "does not say which macOS it needs", "lock another build of it"
    elif floors.macos and is_older(floors.macos, card.lowest_system):
        hint = "lock another build of it, or raise the floor in virtual-packages.yml"
        yield f"needs macOS {card.lowest_system}, the floor is {floors.macos}", hint
    if "arm64" in card.machines and card.signature is None:
        yield "has no signature: macOS on arm64 kills it at once", "lock another build of it"


def _missing(view: LoaderView, path: str, from_host: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what a file cannot find, with a hint; what it finds on every host goes to ``from_host``."""
    card = view.cards[path]
    for library in (*card.needed, *card.optional):
        if view.finds(path, library):
            continue
        if view.is_system(card, library):
            from_host.setdefault(library, library)
        elif library in card.needed and not (card.format == "elf" and (view.root / _LIBRARY_DIR / library).is_file()):
            yield (
                f"needs {library}, which is neither in the environment nor the system's",
                "lock the package that brings it",
            )


def _measure(cards: Mapping[str, BinaryCard], from_host: Mapping[str, str]) -> Linkage:
    """Measure what a host must have: of symbol versions only those of libraries that are the host's."""
    counted = {}
    for path, card in cards.items():
        needs = {library: versions for library, versions in card.version_needs.items() if library in from_host}
        counted[path] = card.model_copy(update={"version_needs": needs})
    return measure(counted, from_host)
