"""Every layer and generation of an installation, against the digests that were signed when they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.generations import generation_tree
from pipeline.deploy.places import SEAL_FILE
from pipeline.deploy.verify_state import verify_state
from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout


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
            comparison.verified += 1
        else:
            comparison.add(layout.format_path.name, "missing", "`install` writes it again")
    for digest in layout.layer_digests():
        _verify_layer(layout, digest, comparison)
    for engine in layout.engines():
        for number in layout.numbers(engine):
            _verify_generation(layout, engine, number, comparison)
        _verify_pointer(layout, engine, comparison)
    verify_state(layout, comparison)


def _verify_layer(layout: Layout, digest: str, comparison: FileComparison) -> None:
    name = f"layers/{digest}"
    try:
        tree = layout.layer_tree(digest)
    except IntegrityError as error:
        comparison.add(f"{name}.json", "changed", error.message)
        return
    if tree is None:
        comparison.add(f"{name}.json", "missing")
    else:
        comparison.compare_tree(layout.layer_dir(digest), tree.entries, name=name)


def _verify_generation(layout: Layout, engine: str, number: int, comparison: FileComparison) -> None:
    name = f"generations/{engine}/{number}"
    try:
        generation = layout.generation(engine, number)
        if generation is None:
            comparison.add(f"{name}/generation.json", "missing")
            return
    except IntegrityError as error:
        comparison.add(f"{name}/generation.json", "changed", error.message)
        return
    if layout.is_sealed(engine, number):
        comparison.verified += 1
    else:
        comparison.add(f"{name}/generation.json", "changed", f"its digest is not the one in {SEAL_FILE}")
    try:
        tree = generation_tree(layout, generation)
    except IntegrityError as error:
        comparison.add(f"{name}/tree", "changed", error.message)
        return
    comparison.compare_tree(layout.tree_dir(engine, number), tree.entries, name=f"{name}/tree")


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
            comparison.verified += 1
    except IntegrityError as error:
        comparison.add(name, "changed", error.message)
