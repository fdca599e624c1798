"""What is loaded already when a file's own needs are looked up: libraries that a vendor ships without a search path.

glibc, elf/dl-load.c, _dl_map_object: a name that anything in the process has loaded is not searched for again. Needs
are looked up breadth first, so what a program or a plug-in needs itself is there before its libraries' needs.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.make.loading import LoaderView


class _Loaded(NamedTuple):
    """What loading one file leads to.

    Attributes:
        files: of the bundle, in the order in which they are loaded.
        names: of libraries that are loaded from the bundle.
        unmet: file and what it needs and does not get.
    """

    files: tuple[str, ...]
    names: frozenset[str]
    unmet: frozenset[tuple[str, str]]


class LoadOrder:
    """The ELF files of a bundle in the order in which they are loaded."""

    def __init__(self, view: LoaderView) -> None:
        """Look at a bundle; nothing is done before something is asked."""
        self._view = view

    def has_loaded(self, name: str, library: str) -> bool:
        """Tell whether a library of the bundle is loaded whenever a file's needs are looked up.

        What nothing needs is opened by name: a plug-in by the program, a vendor's library by another of that vendor. It
        is taken to come after the rest.
        """
        if self._view.cards[name].format != "elf":
            return False
        leading = [loaded for first, loaded in self._first.items() if first != name and name in loaded.files]
        if leading:
            return all((name, library) not in loaded.unmet for loaded in leading)
        if self._view.cards[name].is_executable:
            return False
        return any(library in loaded.names for first, loaded in self._first.items() if first != name)

    @cached_property
    def _first(self) -> Mapping[str, _Loaded]:
        """File that nothing needs to what it leads to."""
        elf = {name: card for name, card in self._view.cards.items() if card.format == "elf"}
        needed = {library for card in elf.values() for library in card.needed}
        return {name: self._load(name) for name in elf if name.rpartition("/")[2] not in needed}

    def _load(self, first: str) -> _Loaded:
        files, names, unmet = [first], {first.rpartition("/")[2]}, set()
        for name in files:  # it grows: breadth first
            for library in self._view.cards[name].needed:
                if library in names:
                    continue
                found = [place / library for place in self._view.places(name, library) if (place / library).is_file()]
                if not found:
                    unmet.add((name, library))
                    continue
                names.add(library)
                path = found[0].resolve().relative_to(self._view.root.resolve()).as_posix()
                if path in self._view.cards and path not in files:
                    files.append(path)
        return _Loaded(tuple(files), frozenset(names), frozenset(unmet))
