"""Changing an installation: one process at a time, after what an earlier one left half-made was removed."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.deploy.places import listing
from pipeline.deploy.quick_switch import next_history
from pipeline.deploy.reading import read_plain
from pipeline.deploy.steps import warn
from pipeline.digest import is_sha256
from pipeline.errors import IntegrityError, NetworkError
from pipeline.model.installation import Pointer, RootFormat
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.strict_json import LIMIT_BYTES
from pipeline.model.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.deploy.layout import Layout
    from pipeline.model.installation import Generation
    from pipeline.ports import Disk, Reporting


@contextmanager
def changing(
    layout: Layout, *, services: Reporting, disk: Disk, may_be_new: bool = False, mend: bool = False
) -> Iterator[Path]:
    """Hold an installation and give an empty folder for half-made things, on its file system.

    Recovery runs first, every time: it removes what is in staging and generations without their last file. Running it
    twice, or being killed in it, is harmless.

    Raises:
        UsageError, HostError, IntegrityError: as ``Layout.check``; HostError also when it cannot be written.
    """
    layout.check(may_be_new=may_be_new, mend=mend)
    disk.make_dirs(layout.root)

    def tell() -> None:
        warn(services, f"{disk.lock_holder(layout.lock_path)} changes {layout.root}; waiting")

    with disk.lock(layout.lock_path, waiting=tell):
        missing = [layout.root / name for name in layout.FOLDERS if not (layout.root / name).is_dir()]
        for folder in missing:
            disk.make_dirs(folder, durable=False)
        if missing:
            disk.sync_names(layout.root)
        recover(layout, disk)
        if not layout.format_path.exists() or (mend and not layout.has_format()):
            disk.replace_file(layout.format_path, write_document(RootFormat()), staging_dir=layout.staging_dir)
        staging = layout.staging_dir / f"change-{secrets.token_hex(8)}"
        disk.make_dirs(staging, durable=False)
        try:
            yield staging
        except (KeyboardInterrupt, NetworkError):
            keep_whole_layers(layout, staging, disk)  # the same command is going to be run again
            raise
        finally:
            disk.remove(staging)


def recover(layout: Layout, disk: Disk) -> None:
    """Remove what a process that died has left, but whole layers; only to be called by whoever holds the lock."""
    for path in sorted(layout.staging_dir.iterdir()):
        keep_whole_layers(layout, path, disk)
        disk.remove(path)
    for engine in layout.engines():
        for number in layout.numbers(engine):
            folder = layout.generation_dir(engine, number)
            if not (folder / "generation.json").is_file():
                set_aside(folder, layout.staging_dir, disk)
    for path in layout.orphans():
        set_aside(path, layout.staging_dir, disk)


def keep_whole_layers(layout: Layout, staging: Path, disk: Disk) -> None:
    """Move layers that were unpacked to the end to where layers are, so that nobody brings them again.

    Their lists were written last. What they hold is not on the disk for certain, and is read in full before it is used.
    """
    for listed in sorted(listing(staging / "layers")):
        digest, suffix = listed.stem, listed.suffix
        if suffix != ".json" or not is_sha256(digest) or layout.layer_dir(digest).exists():
            continue
        try:
            whole = read_document(Tree, read_plain(listed, limit_bytes=LIMIT_BYTES), what=listed.name).sha256 == digest
        except IntegrityError:
            continue  # it was being written
        if whole and listed.with_suffix("").is_dir():
            place_layer(layout, digest, staging, disk)


def place_layer(layout: Layout, tree_sha256: str, staging: Path, disk: Disk) -> None:
    """Move one staged layer to where layers are; nothing is synced. Its folder comes last and makes it count."""
    listed = layout.layer_list_path(tree_sha256)
    disk.remove(listed)  # a list without its folder says nothing
    disk.move(staging / "layers" / f"{tree_sha256}.json", listed, durable=False)
    disk.move(staging / "layers" / tree_sha256, layout.layer_dir(tree_sha256), durable=False)


def set_aside(path: Path, staging: Path, disk: Disk) -> None:
    """Take something out of use in one step, then remove it."""
    away = staging / f"removed-{secrets.token_hex(8)}"
    disk.move(path, away)
    disk.remove(away)


def switch(layout: Layout, generation: Generation, *, disk: Disk, history: tuple[int, ...]) -> None:
    """Make a generation the current one: one file is replaced.

    Args:
        layout: of the installation.
        generation: a finished one.
        disk: how it is written.
        history: what was current before, the latest first.
    """
    pointer = Pointer(
        engine=generation.engine,
        generation=generation.number,
        version=generation.version,
        tree=layout.tree_dir(generation.engine, generation.number).relative_to(layout.root).as_posix(),
        history=tuple(next_history(history, generation.number)),
    )
    path = layout.pointer_path(generation.engine)
    disk.replace_file(path, write_document(pointer), staging_dir=layout.staging_dir)
