"""Checks that every library a bundle needs is in it or promised by the host; measures what a host must have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.make.findings import Finding, refuse
from pipeline.make.load_order import LoadOrder
from pipeline.make.loading import LoaderView, is_api_set
from pipeline.names import is_older, version_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.model.binary import BinaryCard
    from pipeline.ports import BinaryInspector

_SYMBOL_VERSION = re.compile(r"^(GLIBC|GLIBCXX)_(\d+(?:\.\d+)*)$")
_FORMATS = {"linux": "elf", "windows": "pe", "macos": "macho"}
LIBRARY_NAMES = {"linux": r"\.so(\.\d+)*$", "windows": r"(?i)\.(dll|exe)$", "macos": r"\.dylib$"}
_SHOWN = 10
_C_RUNTIME = re.compile(r"(?i)^(api-ms-win-crt-.*|ucrtbase)\.dll$")
_C_RUNTIME_SINCE = (
    "10.0"  # a part of Windows from this version on, an update for older ones ("Universal CRT", Microsoft)
)


class Linkage(NamedTuple):
    """What a bundle needs of a host.

    Attributes:
        glibc: highest GLIBC_ version any file needs, None when none does.
        libstdcxx: highest GLIBCXX_ version.
        libraries: shared libraries the host must bring, sorted, as the files spell them: Windows' own, the MSVC runtime
            and a GPU's driver too, Windows API sets not.
        files: how many binaries were looked at.
        macos: highest macOS version that any file was made for, None without Mach-O files.
        architectures: machines that all of the files run on, sorted.
        windows: lowest version of Windows that all of the files run on, None without PE files.
    """

    glibc: str | None
    libstdcxx: str | None
    libraries: tuple[str, ...]
    files: int
    macos: str | None = None
    architectures: tuple[str, ...] = ()
    windows: str | None = None

    @property
    def floor(self) -> str:
        """The system that is needed, in words."""
        if self.windows:
            return f"Windows {self.windows}"
        return f"macOS {self.macos}" if self.macos else f"glibc {self.glibc}"


def read_cards(root: Path, inspector: BinaryInspector) -> dict[str, BinaryCard]:
    """Return path within ``root`` to card for every binary, links left out.

    Raises:
        ProofError: a link leads nowhere or out of the bundle.
        IntegrityError: a binary is damaged.
    """
    cards = {}
    inside = root.resolve()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            if not path.exists() or not path.resolve().is_relative_to(inside):
                raise ProofError(f"{name} is a link to {path.readlink()}, which is not in the bundle")
        elif path.is_file():
            card = inspector.inspect(path)
            if card is not None:
                cards[name] = card
    return cards


def check_linkage(
    root: Path,
    cards: Mapping[str, BinaryCard],
    system_libraries: Collection[str],
    *,
    platform: str | None = None,
    macos_floor: str | None = None,
) -> Linkage:
    """Resolve every needed library as the platform's loader would, within the bundle alone, and measure the floors.

    ``system_libraries`` are names or globs of what the host brings; Mach-O names are whole paths (``/usr/lib/*``),
    Windows names match in any case. With ``platform`` each file must be of that platform, and what is named like a
    library must be one. ``macos_floor`` is the lowest macOS that the recipe promises to serve.

    Raises:
        ProofError: a library is neither in the bundle nor a system library, a file searches outside the bundle, is of
            another platform, needs a newer macOS, or is for arm64 macOS and not signed; it names file and library.
    """
    view = LoaderView(root, cards, system_libraries)
    order = LoadOrder(view)
    findings: list[Finding] = []
    from_host: dict[str, str] = {}
    for name, card in view.cards.items():
        if platform is not None and not fits(card, platform):
            made_for = f"{card.format}, {' and '.join(card.machines)}"
            findings.append(Finding(f"{name} ({made_for}) is no binary of {platform}", "take that platform's archive"))
            continue
        if card.format == "macho":
            findings += _refusals(name, card, macos_floor)
        findings += _resolve(view, order, name, from_host)
    if platform is not None:
        findings += _impostors(root, cards, platform)
    refuse(findings, shown=_SHOWN)
    return measure(view.cards, from_host)._replace(files=len(cards))


def measure(cards: Mapping[str, BinaryCard], from_host: Mapping[str, str]) -> Linkage:
    """Return what files need of a host, and of its libraries those of ``from_host``."""
    found = cards.values()
    versions = [version for card in found for needs in card.version_needs.values() for version in needs]
    floors = [card.lowest_system for card in found if card.format == "macho" and card.lowest_system]
    machines = [set(card.machines) for card in found]
    return Linkage(
        glibc=highest("GLIBC", versions),
        libstdcxx=highest("GLIBCXX", versions),
        libraries=tuple(sorted(from_host.values())),
        files=len(cards),
        macos=max(floors, key=version_key, default=None),
        architectures=tuple(sorted(set.intersection(*machines))) if machines else (),
        windows=max((floor for card in found for floor in _windows_floors(card)), key=version_key, default=None),
    )


def _windows_floors(card: BinaryCard) -> Iterator[str]:
    """Yield what a PE file asks for in its headers, and by needing the C runtime that newer ones have."""
    if card.format == "pe":
        yield from filter(None, [card.lowest_system])
        if any(_C_RUNTIME.match(library) for library in card.needed):
            yield _C_RUNTIME_SINCE


def _resolve(view: LoaderView, order: LoadOrder, name: str, from_host: dict[str, str]) -> Iterator[Finding]:
    """Yield what a file cannot find; what it finds outside the bundle goes to ``from_host``, by name without case."""
    card = view.cards[name]
    foreign = view.foreign_folders(name)
    if foreign:
        anchor = "@loader_path" if card.format == "macho" else "$ORIGIN"
        yield Finding(
            f"{name} searches {', '.join(foreign)} for libraries", f"its search path must be relative to {anchor}"
        )
    for library in (*card.needed, *card.optional):
        if view.finds(name, library) or order.has_loaded(name, library):
            continue
        if view.is_system(card, library):
            if not is_api_set(library):
                from_host.setdefault(library.lower() if card.format == "pe" else library, library)
        elif library in card.needed:
            yield _missing(view, name, library)


def _missing(view: LoaderView, name: str, library: str) -> Finding:
    lost = view.lost_link(name, library)
    hint = "add it to the component's outputs, or to system_libraries if every host has it"
    if lost is not None:
        hint = f"{lost} is there: the link {library.rpartition('/')[2]} that should lead to it was lost"
    return Finding(f"{name} needs {library}, which is neither in the bundle nor a system library of the recipe", hint)


def fits(card: BinaryCard, platform: str) -> bool:
    """Tell whether a file is of a platform's format, for its processor."""
    system, _, machine = platform.partition("-")
    return card.format == _FORMATS[system] and machine in card.machines


def _refusals(name: str, card: BinaryCard, macos_floor: str | None) -> Iterator[Finding]:
    """Yield why macOS would refuse a file."""
    if card.system not in {None, "macos"}:
        yield Finding(f"{name} was made for {card.system}, not for macos", "take that platform's archive")
    elif macos_floor and card.lowest_system and is_older(macos_floor, card.lowest_system):
        yield Finding(
            f"{name} needs macOS {card.lowest_system}; the recipe promises {macos_floor}",
            "take a release that was made for it, or raise the recipe's floor and say so",
        )
    if "arm64" in card.machines and card.signature is None:
        yield Finding(f"{name} has no signature: macOS on arm64 kills it at once", "sign it: codesign --sign -")


def _impostors(root: Path, cards: Mapping[str, BinaryCard], platform: str) -> Iterator[Finding]:
    """Yield the files that are named like a library of the platform and are none: a download's error page, a text."""
    pattern = re.compile(LIBRARY_NAMES[platform.partition("-")[0]])
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if pattern.search(name) and name not in cards and path.is_file() and not path.is_symlink():
            yield Finding(f"{name} is named like a binary and is none", "make or download it anew")


def highest(prefix: str, versions: Iterable[str]) -> str | None:
    """Return the highest of symbol versions like ``GLIBC_2.34`` with a prefix, None when there is none."""
    matches = (_SYMBOL_VERSION.match(version) for version in versions)
    found = {match[2] for match in matches if match and match[1] == prefix}
    return max(found, key=version_key) if found else None
