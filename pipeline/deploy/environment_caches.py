"""What is kept beside Python environments and can be lost without loss: unpacked packages, and compiled modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.changing import set_aside
from pipeline.environments.listing import list_prefix, listed_text

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.deploy.layout import Layout
    from pipeline.ports import Disk


def reusable_packages(layout: Layout, layer_sha256: str, *, comparison: FileComparison) -> Path | None:
    """Return the folder of a layer's unpacked packages after reading all of them, None when it is not whole."""
    folder = layout.unpacked_of(layer_sha256)
    tree = layout.unpacked_tree(layer_sha256) if folder.is_dir() else None
    whole = tree is not None and comparison.compare_ahead(folder, tree.entries, name=f"unpacked/{layer_sha256}")
    return folder if whole else None


def list_packages(folder: Path, *, comparison: FileComparison, disk: Disk) -> None:
    """Write the list of unpacked packages beside their folder."""
    tree = list_prefix(folder, digests=comparison.digests)
    disk.write_file(folder.with_name(f"{folder.name}.json"), listed_text(tree))


def keep_packages(layout: Layout, layer_sha256: str, folder: Path, *, disk: Disk) -> None:
    """Move listed packages out of staging; the folder comes last and makes the list count."""
    remove_packages(layout, layer_sha256, disk=disk)
    disk.make_dirs(layout.unpacked_dir, durable=False)
    disk.move(folder.with_name(f"{folder.name}.json"), layout.unpacked_list_path(layer_sha256), durable=False)
    disk.move(folder, layout.unpacked_of(layer_sha256), durable=False)


def remove_packages(layout: Layout, layer_sha256: str, *, disk: Disk) -> None:
    """Remove a layer's unpacked packages, if there are any."""
    if layout.unpacked_of(layer_sha256).is_dir():
        set_aside(layout.unpacked_of(layer_sha256), layout.staging_dir, disk)
    if layout.unpacked_list_path(layer_sha256).exists():
        disk.remove(layout.unpacked_list_path(layer_sha256))


def keep_bytecode(layout: Layout, engine: str, number: int, folder: Path, *, disk: Disk) -> None:
    """Move a new generation's compiled modules to their place, or make an empty one, for Python to write to."""
    place = layout.bytecode_of(engine, number)
    remove_bytecode(layout, engine, number, disk=disk)  # of a generation of that number that is gone
    disk.make_dirs(place.parent, durable=False)
    if folder.is_dir():
        disk.move(folder, place, durable=False)


def remove_bytecode(layout: Layout, engine: str, number: int, *, disk: Disk) -> None:
    """Remove what a generation's Python has compiled, if there is any."""
    if layout.bytecode_of(engine, number).is_dir():
        set_aside(layout.bytecode_of(engine, number), layout.staging_dir, disk)
