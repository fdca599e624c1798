"""Every layer and generation of an installation, against the digests that were signed when they came."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.deploy.comparing import ListedTree, size_of
from pipeline.deploy.generations import generation_tree
from pipeline.deploy.host_base import MAKE_ANEW, host_python, host_python_fault
from pipeline.deploy.places import SEAL_FILE
from pipeline.deploy.verify_state import verify_state
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout
    from pipeline.model.installation import Generation


def verify_installation(layout: Layout, comparison: FileComparison) -> None:
    """Compare layers with their lists, generations with their layers, and follow the pointers.

    A layer's list of files counts only when its digest is the layer's name, and a layer's name only when a generation's
    manifest entry has it.

    Raises:
        UsageError, HostError: as ``Layout.check``.
    """
    try:
        layout.check()
    except IntegrityError as error:
        comparison.add(layout.format_path.name, "changed", error.message)
    else:
        if layout.format_path.is_file():
            _add_record(comparison, layout.format_path, layout.format_path.name)
        else:
            comparison.add(layout.format_path.name, "missing", "`install` writes it again")
    trees = [_layer(layout, digest, comparison) for digest in layout.layer_digests()]
    for engine in layout.engines():
        trees += [_generation(layout, engine, number, comparison) for number in layout.numbers(engine)]
        _verify_pointer(layout, engine, comparison)
    comparison.compare_trees(tree for tree in trees if tree is not None)
    verify_state(layout, comparison)


def _layer(layout: Layout, digest: str, comparison: FileComparison) -> ListedTree | None:
    """Return a layer's folder and what must be in it, None after a finding that nothing says so."""
    name = f"layers/{digest}"
    try:
        tree = layout.layer_tree(digest)
    except IntegrityError as error:
        comparison.add(f"{name}.json", "changed", error.message)
        return None
    if tree is None:
        comparison.add(f"{name}.json", "missing")
        return None
    return ListedTree(layout.layer_dir(digest), tree.entries, name)


def _generation(layout: Layout, engine: str, number: int, comparison: FileComparison) -> ListedTree | None:
    """Look at a generation's record; return its folder and what must be in it, as ``_layer``."""
    name = f"generations/{engine}/{number}"
    try:
        generation = layout.generation(engine, number)
        if generation is None:
            comparison.add(f"{name}/generation.json", "missing")
            return None
    except IntegrityError as error:
        comparison.add(f"{name}/generation.json", "changed", error.message)
        return None
    if layout.is_sealed(engine, number):
        _add_record(comparison, layout.generation_dir(engine, number) / "generation.json", f"{name}/generation.json")
    else:
        comparison.add(f"{name}/generation.json", "changed", f"its digest is not the one in {SEAL_FILE}")
    try:
        tree = generation_tree(layout, generation)
    except IntegrityError as error:
        comparison.add(f"{name}/tree", "changed", error.message)
        return None
    _look_at_python(layout, generation, comparison)
    return ListedTree(layout.tree_dir(engine, number), tree.entries, f"{name}/tree")


def _look_at_python(layout: Layout, generation: Generation, comparison: FileComparison) -> None:
    """Name a host's Python that is not what a generation is over any more: of the current one it is a fault."""
    fault = host_python_fault(layout, generation)
    if not fault:
        return
    with suppress(IntegrityError):
        pointer = layout.pointer(generation.engine)
        if pointer is not None and pointer.generation == generation.number:
            python = host_python(layout, generation)
            comparison.add(str(python), "changed" if python.exists() else "missing", f"{fault}; {MAKE_ANEW}")
            return
    comparison.notes.append(f"generation {generation.number} of {generation.engine} cannot run: {fault}")


def _verify_pointer(layout: Layout, engine: str, comparison: FileComparison) -> None:
    name = f"current/{engine}.json"
    try:
        pointer = layout.read_pointer(engine)
        if pointer is None:
            comparison.add(name, "missing")
        elif (generation := layout.generation(engine, pointer.generation)) is None:
            comparison.add(name, "changed", f"it names generation {pointer.generation}, which is not there")
        elif (pointer.version, layout.root / pointer.tree) != (
            generation.version,
            layout.tree_dir(engine, generation.number),
        ):
            comparison.add(name, "changed", f"it contradicts generation {generation.number}")
        else:
            _add_record(comparison, layout.pointer_path(engine), name)
    except IntegrityError as error:
        comparison.add(name, "changed", error.message)


def _add_record(comparison: FileComparison, path: Path, name: str) -> None:
    comparison.add_verified(name, size_of(path))
