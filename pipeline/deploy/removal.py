"""Removing generations, and layers that no generation needs any more. What goes is moved to staging first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.deploy import pins
from pipeline.deploy.changing import changing, set_aside
from pipeline.deploy.environment_caches import remove_bytecode, remove_packages
from pipeline.deploy.layout import Layout
from pipeline.deploy.shapes import walk
from pipeline.errors import IntegrityError
from pipeline.model.installation import RemovalOutcome

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.model.installation import Generation
    from pipeline.ports import Disk, Services

MINIMUM_KEPT = 2
_LOCK_SUFFIXES = (".lock", ".owner")


@dataclass(frozen=True, slots=True)
class Staying:
    """What is not removed.

    Attributes:
        keep: generations of each engine; fewer than two make no way back, and count as two.
        pins: engine to the version that the project file holds it at; its newest generation stays, as that of the
            installation's own pin does.
        also: a generation that stays beside them.
    """

    keep: int = 3
    pins: Mapping[str, str] = field(default_factory=dict)
    also: int | None = None


def uninstall(
    root: Path, *, services: Services, disk: Disk, engine: str | None = None, dry_run: bool = False
) -> RemovalOutcome:
    """Remove an engine with all its generations, its pin, and the layers that only they needed.

    Raises:
        NothingSelectedError: it is not installed.
        UsageError: ``root`` is no installation, or has several engines and none was named.
        HostError: it cannot be written.
    """
    layout = Layout(root)
    if dry_run:
        layout.check()
        name = layout.engine(engine)
        return _outcome(layout, [(name, number) for number in layout.numbers(name)], dry_run=True)
    with changing(layout, services=services, disk=disk):
        name = layout.engine(engine)
        leaving = [(name, number) for number in layout.numbers(name)]
        outcome = _outcome(layout, leaving, dry_run=False)
        if layout.pointer_path(name).exists():
            set_aside(layout.pointer_path(name), layout.staging_dir, disk)  # first: nothing may point at what goes
        pins.remove_pin(layout, name, disk=disk)
        _remove(layout, leaving, outcome.layers, disk=disk)
        disk.remove(layout.generations_dir / name)
        if (layout.bytecode_dir / name).is_dir():
            disk.remove(layout.bytecode_dir / name)
        return outcome


def gc(
    root: Path,
    *,
    services: Services,
    disk: Disk,
    keep: int = 3,
    pinned: Mapping[str, str] | None = None,
    dry_run: bool = False,
) -> RemovalOutcome:
    """Remove generations beyond ``keep`` of each engine, unneeded layers, and what broken runs have left.

    The current generation and those it would roll back to stay first; at least two stay, and what is pinned in the
    installation or by ``pinned`` (engine to version) does in any case.

    Raises:
        UsageError: ``root`` is no installation.
        HostError: it cannot be written.
    """
    layout, stays = Layout(root), Staying(keep, pinned or {})
    if dry_run:
        layout.check()
        return _outcome(layout, _beyond(layout, layout.engines(), stays), dry_run=True, with_leftovers=True)
    with changing(layout, services=services, disk=disk):
        leaving = _beyond(layout, layout.engines(), stays)
        outcome = _outcome(layout, leaving, dry_run=False, with_leftovers=True)
        _remove(layout, leaving, outcome.layers, disk=disk)
        for path in _leftovers(layout):
            disk.remove(path)
        _remove_halves_of_trust(layout, disk)
        return outcome


def prune(layout: Layout, engine: str, *, stays: Staying, disk: Disk) -> tuple[int, ...]:
    """Remove an engine's generations but ``stays``; return their numbers. For whoever holds the installation."""
    leaving = _beyond(layout, (engine,), stays)
    _remove(layout, leaving, _unneeded_layers(layout, leaving), disk=disk)
    return tuple(number for _, number in leaving)


def _beyond(layout: Layout, engines: Iterable[str], stays: Staying) -> list[tuple[str, int]]:
    """Return the generations that are not among those to keep."""
    leaving = []
    for engine in engines:
        numbers = layout.numbers(engine)
        pointer = layout.pointer(engine)
        first = () if pointer is None else (pointer.generation, *pointer.history)
        ranked = dict.fromkeys((*(n for n in first if n in numbers), *reversed(numbers)))
        kept = {*list(ranked)[: max(stays.keep, MINIMUM_KEPT)], stays.also, *_pinned(layout, engine, stays.pins)}
        leaving += [(engine, number) for number in numbers if number not in kept]
    return leaving


def _pinned(layout: Layout, engine: str, configured: Mapping[str, str]) -> set[int]:
    """Return the newest generation of each version that the engine is held at; all of them if that is not known."""
    held = {configured.get(engine)}
    try:
        held.add(pins.read_pin(layout, engine))
    except IntegrityError:  # a damaged pin: whoever looks at it next is told
        return set(layout.numbers(engine))
    newest = {generation.version: generation.number for generation in layout.generations(engine)}
    return {number for version, number in newest.items() if version in held}


def _unneeded_layers(layout: Layout, leaving: Iterable[tuple[str, int]]) -> tuple[str, ...]:
    gone = set(leaving)
    staying: list[Generation] = [
        generation
        for engine in layout.engines()
        for generation in layout.generations(engine)
        if (engine, generation.number) not in gone
    ]
    needed = {
        layer.tree_sha256
        for generation in staying
        for layer in generation.artifact.layers
        if layer.name in generation.layers
    }
    return tuple(digest for digest in layout.layer_digests() if digest not in needed)


def _remove(layout: Layout, leaving: Iterable[tuple[str, int]], layers: Iterable[str], *, disk: Disk) -> None:
    for engine, number in leaving:
        set_aside(layout.generation_dir(engine, number), layout.staging_dir, disk)
        remove_bytecode(layout, engine, number, disk=disk)
    for digest in layers:
        remove_packages(layout, digest, disk=disk)
        set_aside(layout.layer_dir(digest), layout.staging_dir, disk)
        disk.remove(layout.layer_list_path(digest))


def _leftovers(layout: Layout) -> tuple[Path, ...]:
    """Return what no run needs: halves of downloads, lists of layers that are not there.

    Folders and locks of the downloads stay: a process that waits for its turn has opened them already.
    """
    lists = (path for path in layout.layers_dir.glob("*.json") if not path.with_suffix("").is_dir())
    halves = (
        layout.downloads_dir / name for name, _ in walk(layout.downloads_dir) if not name.endswith(_LOCK_SUFFIXES)
    )
    return (*sorted(lists), *sorted(halves))


def _remove_halves_of_trust(layout: Layout, disk: Disk) -> None:
    """Remove what python-tuf had half written when its process died; nobody else writes there meanwhile."""
    for folder in sorted(path for path in layout.trust_dir.glob("*") if path.is_dir()):
        if halves := sorted(folder.glob("tmp*")):
            with disk.lock(layout.trust_dir / f"{folder.name}.lock"):
                for path in halves:
                    disk.remove(path)


def _outcome(
    layout: Layout, leaving: Iterable[tuple[str, int]], *, dry_run: bool, with_leftovers: bool = False
) -> RemovalOutcome:
    leaving = list(leaving)
    layers = _unneeded_layers(layout, leaving)
    going = [layout.generation_dir(engine, number) for engine, number in leaving]
    going += [layout.bytecode_of(engine, number) for engine, number in leaving]
    going += [folder for digest in layers for folder in (layout.layer_dir(digest), layout.unpacked_of(digest))]
    if with_leftovers:
        going += _leftovers(layout)
    seen: dict[tuple[int, int], tuple[int, os.stat_result]] = {}
    for place in going:
        for path in [place] if place.is_file() else [place / name for name, _ in walk(place)]:
            status = path.lstat()
            names, _ = seen.get((status.st_dev, status.st_ino), (0, status))
            seen[status.st_dev, status.st_ino] = (names + 1, status)
    return RemovalOutcome(
        dry_run=dry_run,
        generations=tuple(f"{engine}/{number}" for engine, number in leaving),
        layers=layers,
        files=sum(names for names, _ in seen.values()),
        freed_bytes=sum(status.st_size for names, status in seen.values() if names >= status.st_nlink),
    )
