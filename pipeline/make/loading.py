"""Where the loader of each platform looks for a library, as far as a bundle can count on it.

Linux, ld.so(8): the RUNPATH of the file that needs the library, and of no other (RUNPATH is not transitive).
macOS, dyld(1): ``@loader_path`` is the folder of the file that needs it, ``@executable_path`` that of the program, and
``@rpath`` each LC_RPATH of the file, of those that led to its being loaded, and of the program.
Windows ("Dynamic-link library search order", Microsoft): the folder of the program, in any case of letters; a plug-in
in another folder does not find what lies beside it. What PATH or the working folder has does not count.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pipeline.model.binary import BinaryCard

_ORIGIN = "$ORIGIN"
_LOADER, _PROGRAM, _RPATH = "@loader_path", "@executable_path", "@rpath"
_DEVICE_CODE = {"amdgpu", "cuda"}  # ELF files that a GPU runs and no loader of the host sees
_API_SETS = ("api-ms-win-", "ext-ms-")


class LoaderView:
    """A bundle as the loaders see it.

    Attributes:
        cards: path within the bundle to card; code for GPUs is left out.
    """

    def __init__(self, root: Path, cards: Mapping[str, BinaryCard], system_libraries: Collection[str]) -> None:
        """Look at the files under ``root``; ``system_libraries`` are names or globs of what the host brings."""
        self.root = Path(os.path.normpath(root))
        self.cards = {name: card for name, card in cards.items() if card.machine not in _DEVICE_CODE}
        self._system_libraries = tuple(system_libraries)
        self._lower_case_names: dict[Path, frozenset[str]] = {}

    def foreign_folders(self, name: str) -> tuple[str, ...]:
        """Return the search folders of a file that are outside the bundle, as written."""
        card = self.cards[name]
        folder = (self.root / name).parent
        return tuple(
            entry
            for entry in card.runpath
            if not self._folders(card, entry, folder) and not (card.format == "macho" and self.is_system(card, entry))
        )

    def finds(self, name: str, library: str) -> bool:
        """Tell whether the bundle has the library where the loader looks for it on behalf of a file."""
        if self.cards[name].format == "pe":
            return any(library.lower() in self._names_in_lower_case(place) for place in self.places(name, library))
        return any((place / library.rpartition("/")[2]).is_file() for place in self.places(name, library))

    def places(self, name: str, library: str) -> tuple[Path, ...]:
        """Return the folders of the bundle in which the loader looks for a library on behalf of a file."""
        card, folder = self.cards[name], (self.root / name).parent
        match card.format:
            case "elf":
                search = card.runpath if "/" not in library else ()
                return tuple(place for entry in search for place in self._folders(card, entry, folder))
            case "pe":
                return (folder,) if card.is_executable else self._program_dirs or (folder,)
            case "macho":
                return self._macho_places(name, library)

    def is_system(self, card: BinaryCard, library: str) -> bool:
        """Tell whether the recipe says that every host has it; Windows names have no case."""
        if card.format == "pe":
            return any(fnmatchcase(library.lower(), pattern.lower()) for pattern in self._system_libraries)
        return any(fnmatchcase(library, pattern) for pattern in self._system_libraries)

    def lost_link(self, name: str, library: str) -> str | None:
        """Return the versioned file that a missing link would lead to: ``libllama.so.0.0.1`` for ``libllama.so.0``."""
        wanted = library.rpartition("/")[2]
        stem, suffix = wanted.removesuffix(".dylib"), ".dylib" if wanted.endswith(".dylib") else ""
        for place in self.places(name, library):
            for path in sorted(place.glob("*")):
                if path.name.startswith(f"{stem}.") and path.name.endswith(suffix) and path.name != wanted:
                    return path.name
        return None

    @cached_property
    def _program_dirs(self) -> tuple[Path, ...]:
        return tuple(
            dict.fromkeys((self.root / name).parent for name, card in self.cards.items() if card.is_executable)
        )

    def _names_in_lower_case(self, folder: Path) -> frozenset[str]:
        if folder not in self._lower_case_names:
            self._lower_case_names[folder] = frozenset(path.name.lower() for path in folder.iterdir() if path.is_file())
        return self._lower_case_names[folder]

    def _macho_places(self, name: str, library: str) -> tuple[Path, ...]:
        card, folder = self.cards[name], (self.root / name).parent
        below = _below_rpath(library)
        if below is None:
            return self._folders(card, library.rpartition("/")[0], folder)
        search = [
            (entry, (self.root / loader).parent)
            for loader in (name, *self._chain(name))
            for entry in self.cards[loader].runpath
        ]
        for program, its_card in self.cards.items():
            if its_card.is_executable and not card.is_executable:
                search += [(entry, (self.root / program).parent) for entry in its_card.runpath]
        return tuple(place for entry, start in search for place in self._folders(card, f"{entry}{below}", start))

    def _chain(self, name: str) -> tuple[str, ...]:
        """Return the files that lead to a file's being loaded, the nearest first."""
        found = {name: None}
        waiting = [name]
        while waiting:
            new = [loader for loader in self._loaders.get(waiting.pop(0), ()) if loader not in found]
            found |= dict.fromkeys(new)
            waiting += new
        return tuple(found)[1:]

    @cached_property
    def _loaders(self) -> Mapping[str, tuple[str, ...]]:
        """File to those that need it and find it by their own search folders (Mach-O)."""
        found: dict[str, list[str]] = {}
        for name, card in self.cards.items():
            if card.format != "macho":
                continue
            folder = (self.root / name).parent
            for library in (*card.needed, *card.optional):
                parent, _, base = library.rpartition("/")
                below = _below_rpath(library)
                entries = [parent] if below is None else [f"{entry}{below}" for entry in card.runpath]
                for place in (place for entry in entries for place in self._folders(card, entry, folder)):
                    found.setdefault((place / base).relative_to(self.root).as_posix(), []).append(name)
        return {name: tuple(loaders) for name, loaders in found.items()}

    def _folders(self, card: BinaryCard, entry: str, folder: Path) -> tuple[Path, ...]:
        """Return the folders that a search entry means; none when they are not inside the bundle."""
        entry = entry.replace("${ORIGIN}", _ORIGIN, 1)
        for word in (_ORIGIN,) if card.format == "elf" else (_LOADER, _PROGRAM):
            if entry == word or entry.startswith(f"{word}/"):
                starts = (self._program_dirs or (folder,)) if word == _PROGRAM else (folder,)
                rest = entry.removeprefix(word).lstrip("/")
                places = (Path(os.path.normpath(start / rest)) for start in starts)
                return tuple(place for place in places if place.is_relative_to(self.root))
        return ()


def _below_rpath(library: str) -> str | None:
    """Return the folder below a run path that a Mach-O name has, None where it has no ``@rpath``."""
    parent = library.rpartition("/")[0]
    return parent.removeprefix(_RPATH) if parent == _RPATH or parent.startswith(f"{_RPATH}/") else None


def is_api_set(library: str) -> bool:
    """Tell whether a name stands for a contract of Windows and no file ("Windows API sets", Microsoft)."""
    return library.lower().startswith(_API_SETS)
