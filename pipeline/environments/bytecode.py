"""Where an installed environment's Python keeps what it compiles: beside its files, never among them.

Python writes ``__pycache__`` folders next to the modules that it imports. In a tree that is compared with a list they
would be files that nobody knows. ``sys.pycache_prefix`` sends them elsewhere; what packages have compiled already is
linked there too, since Python looks nowhere else then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.model.environment import EnvironmentCard
    from pipeline.ports import Disk

# The first of site-packages that ``site`` reads: what others import is kept elsewhere too.
PATH_FILE = "00-engine-pipeline.pth"
_CACHE_FOLDER = "__pycache__"


def send_bytecode(card: EnvironmentCard, prefix: Path, *, bytecode_dir: Path, disk: Disk) -> None:
    """Have the environment's Python keep bytecode in ``bytecode_dir``, unless its user says where.

    Raises:
        IntegrityError: a package brings the file that this writes.
    """
    folder = prefix / card.site_packages
    path = folder / PATH_FILE
    if path.exists() or path.is_symlink():
        raise IntegrityError(f"a package brings {PATH_FILE}", hint="tell the publisher of the bundle")
    disk.make_dirs(folder, durable=False)
    line = f"import sys; sys.pycache_prefix = sys.pycache_prefix or {str(bytecode_dir)!a}\n"
    disk.write_file(path, line.encode("ascii"))


def link_compiled(prefix: Path, *, final_prefix: Path, staged_bytecode: Path, disk: Disk) -> None:
    """Link what packages have compiled to where the environment's Python will look for it.

    Args:
        prefix: of the environment.
        final_prefix: where it will be.
        staged_bytecode: what becomes the folder for bytecode.
        disk: how links are made.
    """
    for place, relative, names in _compiled(prefix):
        folder = staged_bytecode / final_prefix.relative_to(final_prefix.anchor) / relative
        disk.make_dirs(folder, durable=False)
        for name in names:
            disk.link_file(place / name, folder / name)


def _compiled(prefix: Path) -> Iterator[tuple[Path, str, list[str]]]:
    """Yield (cache folder, folder of its modules relative to ``prefix``, names of files) of every cache folder."""
    for parent, folders, _ in os.walk(prefix):
        if _CACHE_FOLDER in folders:
            folders.remove(_CACHE_FOLDER)
            place = os.path.join(parent, _CACHE_FOLDER)  # noqa: PTH118 - as ``walk`` speaks
            names = sorted(item.name for item in os.scandir(place) if item.is_file(follow_symlinks=False))
            if names := [name for name in names if name.endswith(".pyc")]:
                yield prefix / os.path.relpath(place, prefix), os.path.relpath(parent, prefix), names
