"""Generations: what is installed, and going to another one that is kept.

Going back is no TUF rollback: the bytes were verified when they came, and are read and compared again before a switch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.composing import compose
from pipeline.deploy import pins
from pipeline.deploy.changing import changing, switch
from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.health import ALREADY_CURRENT, Candidate, check_health, not_run, require_model
from pipeline.deploy.host_base import host_python_fault
from pipeline.deploy.layout import Layout
from pipeline.deploy.revoked import require_standing
from pipeline.deploy.shapes import looks_whole
from pipeline.deploy.standing import reason_against
from pipeline.deploy.switching import Switching
from pipeline.errors import IntegrityError, NothingSelectedError
from pipeline.model.installation import HealthOutcome, InstalledGeneration, SwitchOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.deploy.health import HealthWish
    from pipeline.model.installation import Generation, Pointer
    from pipeline.model.manifest import Artifact
    from pipeline.model.tree import Tree
    from pipeline.ports import Disk, Running


def list_generations(
    root: Path, *, engine: str | None = None, configured_pins: Mapping[str, str] | None = None
) -> tuple[InstalledGeneration, ...]:
    """Return what is installed, by engine and then newest first; None lists every engine.

    Raises:
        UsageError, NothingSelectedError: ``root`` is no installation, or the engine is not installed.
        IntegrityError: a file of the installation is malformed.
    """
    (layout := Layout(root)).check()
    listed = []
    for name in layout.engines() if engine is None else (layout.engine(engine),):
        pointer, pinned = layout.pointer(name), pins.shown_pins(layout, name, configured_pins or {})
        listed += [
            InstalledGeneration(
                engine=name,
                number=generation.number,
                version=generation.version,
                target=generation.target,
                installed_at=generation.installed_at,
                current=pointer is not None and pointer.generation == generation.number,
                path=str(layout.tree_dir(name, generation.number)),
                development=generation.development,
                rehearsal=generation.artifact.rehearsal,
                pinned=generation.version in pinned,
                revoked=reason_against(layout, generation),
                fault=host_python_fault(layout, generation) or None,
            )
            for generation in reversed(layout.generations(name))
        ]
    return tuple(listed)


def rollback(
    root: Path, *, services: Running, disk: Disk, engine: str | None = None, how: Switching | None = None
) -> SwitchOutcome:
    """Go back to the generation that was current before.

    Raises:
        NothingSelectedError: none is kept, or the engine is not installed.
        IntegrityError: its files are not what was installed; nothing was switched.
        HealthCheckError: it does not work here; nothing was switched.
        RevokedError: its publisher has withdrawn it.
        UsageError: the engine is pinned to another version.
        UsageError, HostError, NoSpaceError: as ``changing``.
    """
    layout = Layout(root)
    with changing(layout, services=services, disk=disk) as staging:
        name = layout.engine(engine)
        pointer = _require_pointer(layout, name)
        move = _Move(layout, pointer, how or Switching(), services=services, disk=disk, staging=staging)
        for position, number in enumerate(pointer.history):
            if (generation := layout.generation(name, number)) is not None:
                return move.to(generation, history=pointer.history[position + 1 :])
        raise NothingSelectedError(
            f"no generation of {name} before {pointer.version} is kept", hint="`install --version` brings one back"
        )


def use(
    root: Path, version: str, *, services: Running, disk: Disk, engine: str | None = None, how: Switching | None = None
) -> SwitchOutcome:
    """Make a kept version current; the newest of its generations when there are several.

    Raises:
        NothingSelectedError: no such version is kept, or the engine is not installed.
        IntegrityError: its files are not what was installed; nothing was switched.
        HealthCheckError: it does not work here; nothing was switched.
        RevokedError: its publisher has withdrawn it.
        UsageError: the engine is pinned to another version, and that shall not change.
        UsageError, HostError, NoSpaceError: as ``changing``.
    """
    layout = Layout(root)
    with changing(layout, services=services, disk=disk) as staging:
        name = layout.engine(engine)
        pointer = _require_pointer(layout, name)
        kept = [g for g in reversed(layout.generations(name)) if g.version == version]
        if not kept:
            versions = dict.fromkeys(generation.version for generation in reversed(layout.generations(name)))
            raise NothingSelectedError(
                f"{name} {version} is not kept in {layout.root}",
                hint=f"kept: {', '.join(versions)}; `install --version {version}` brings others",
            )
        chosen = next((g for g in kept if g.number == pointer.generation), kept[0])
        move = _Move(layout, pointer, how or Switching(), services=services, disk=disk, staging=staging)
        return move.to(chosen, history=(pointer.generation, *pointer.history))


def unpin(
    root: Path, *, services: Running, disk: Disk, engine: str | None = None, how: Switching | None = None
) -> SwitchOutcome:
    """Let an engine go that the installation holds at a version; nothing is switched.

    Raises:
        NothingSelectedError: the engine is not installed, or nothing of it is current.
        UsageError, HostError, NoSpaceError: as ``changing``.
    """
    layout, how = Layout(root), how or Switching()
    with changing(layout, services=services, disk=disk):
        name = layout.engine(engine)
        pointer = _require_pointer(layout, name)
        unpinned = pins.remove_pin(layout, name, disk=disk, dry_run=how.dry_run)
        return SwitchOutcome(
            changed=False,
            engine=name,
            version=pointer.version,
            generation=pointer.generation,
            previous_version=pointer.version,
            previous_generation=pointer.generation,
            path=str(layout.tree_dir(name, pointer.generation)),
            health=HealthOutcome.model_validate(not_run("none", "nothing was switched"), strict=False),
            pinned=how.pins.get(name) == pointer.version,
            unpinned=unpinned,
            dry_run=how.dry_run,
        )


def check_generation(
    layout: Layout,
    generation: Generation,
    wish: HealthWish,
    *,
    current: Pointer | None,
    services: Running,
    scratch: Path,
    disk: Disk,
) -> HealthOutcome:
    """Check a generation from its place, before it becomes current.

    Raises:
        HealthCheckError: it does not work here.
        UsageError: a run has no model, and the engine cannot make one.
    """
    require_model(generation.artifact.health, wish, generation.target)
    candidate = Candidate(
        target=generation.target,
        platform=generation.artifact.platform,
        version=generation.version,
        number=generation.number,
        tree=layout.tree_dir(generation.engine, generation.number),
        current=None if current is None else (current.version, current.generation),
    )
    found = check_health(generation.artifact.health, candidate, wish, services=services, scratch=scratch, disk=disk)
    return HealthOutcome.model_validate(found, strict=False)


def find_generation(layout: Layout, artifact: Artifact, *, layers: Iterable[str]) -> Generation | None:
    """Return a kept generation of exactly that artifact with at least those layers, the current one before others."""
    wanted = set(layers)
    pointer = layout.pointer(artifact.engine)
    current = 0 if pointer is None else pointer.generation
    same = [
        g for g in layout.generations(artifact.engine) if g.artifact.is_same_build(artifact) and wanted <= set(g.layers)
    ]
    return max(same, key=lambda g: (g.number == current, g.number), default=None)


def generation_tree(layout: Layout, generation: Generation) -> Tree:
    """Return the files that a generation must have, from the lists of its layers or, for an environment, its own.

    Raises:
        IntegrityError: a list is missing or damaged.
    """
    if generation.artifact.environment is not None:
        return layout.environment_tree(generation)
    digests = {layer.name: layer.tree_sha256 for layer in generation.artifact.layers}
    layers = []
    for name in generation.layers:
        tree = layout.layer_tree(digests[name]) if name in digests else None
        if tree is None:
            raise IntegrityError(f"layer {name} of {generation.target} {generation.version} is not in {layout.root}")
        layers.append((tree.sha256, tree))
    composed, _ = compose(layers)
    if composed.sha256 != generation.tree_sha256:
        raise IntegrityError(f"the layers of {generation.target} {generation.version} are not those it was made of")
    return composed


def is_whole(layout: Layout, generation: Generation, *, comparison: FileComparison | None) -> bool:
    """Tell whether a generation has all its files: by name, size and mode, with ``comparison`` also by content."""
    try:
        tree = generation_tree(layout, generation)
    except IntegrityError:
        return False
    folder = layout.tree_dir(generation.engine, generation.number)
    if comparison is None:
        return looks_whole(folder, tree.entries)
    return comparison.compare_tree(
        folder, tree.entries, name=f"generations/{generation.engine}/{generation.number}/tree"
    )


def _require_pointer(layout: Layout, engine: str) -> Pointer:
    pointer = layout.pointer(engine)
    if pointer is None:
        raise NothingSelectedError(f"no generation of {engine} is current", hint="`install` makes one current")
    return pointer


class _Move:
    """A switch from what a pointer says to another generation."""

    def __init__(
        self, layout: Layout, pointer: Pointer, how: Switching, *, services: Running, disk: Disk, staging: Path
    ) -> None:
        self._layout = layout
        self._pointer = pointer
        self._how = how
        self._services = services
        self._disk = disk
        self._scratch = staging / "health"

    def to(self, generation: Generation, *, history: tuple[int, ...]) -> SwitchOutcome:
        own_counts = not (self._how.pin or self._how.unpin)
        pin = pins.pin_of(self._layout, generation.engine, self._how.pins, own_counts=own_counts)
        pins.require_pinned(pin, generation.version)
        artifact = generation.artifact
        require_standing(self._layout, generation.repository, generation.engine, artifact.sha256)
        self._require_whole(generation)
        changed = generation.number != self._pointer.generation
        health = self._check(generation, changed=changed)
        dry_run, unpinned = self._how.dry_run, False
        if self._how.unpin:
            unpinned = pins.remove_pin(self._layout, generation.engine, disk=self._disk, dry_run=dry_run)
        if self._how.pin and not dry_run:
            pins.write_pin(self._layout, generation.engine, generation.version, disk=self._disk)
        if changed and not dry_run:
            switch(self._layout, generation, disk=self._disk, history=history)
        return SwitchOutcome(
            changed=changed,
            engine=generation.engine,
            version=generation.version,
            generation=generation.number,
            previous_version=self._pointer.version,
            previous_generation=self._pointer.generation,
            path=str(self._layout.tree_dir(generation.engine, generation.number)),
            health=health,
            pinned=self._how.pin or pin is not None,
            unpinned=unpinned,
            dry_run=dry_run,
        )

    def _require_whole(self, generation: Generation) -> None:
        comparison = FileComparison()
        sealed = self._layout.is_sealed(generation.engine, generation.number)
        if sealed and is_whole(self._layout, generation, comparison=comparison):
            return
        what = comparison.findings[0] if comparison.findings else None
        raise IntegrityError(
            f"{generation.target} {generation.version} (generation {generation.number}) is not what was installed"
            + (f": {what.path} is {what.state}" if what else ": its record or the list of its files is damaged"),
            hint=f"nothing was switched; `install --version {generation.version} --repair` brings it anew",
        )

    def _check(self, generation: Generation, *, changed: bool) -> HealthOutcome:
        if not changed:
            return HealthOutcome.model_validate(not_run(self._how.health.level, ALREADY_CURRENT), strict=False)
        return check_generation(
            self._layout,
            generation,
            self._how.health,
            current=self._pointer,
            services=self._services,
            scratch=self._scratch,
            disk=self._disk,
        )
