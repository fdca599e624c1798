"""Trees in the store."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from pipeline.digest import canonical_json, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.result import TreeRef
from pipeline.model.tree import Tree, TreeEntry
from pipeline.system.disk import FOLDER_MODE, disk_errors, sync_folder, sync_tree
from pipeline.system.store_layout import MAKE_AGAIN, StoreLayout, move, rename_unless_there
from pipeline.system.trees import FileTreeReader

if TYPE_CHECKING:
    from pathlib import Path


class TreeStore(StoreLayout):
    """Folders whose name is the digest of their entries."""

    def has_tree(self, sha256: str) -> bool:
        """Tell whether a tree is there; nothing is read."""
        return self.folder_of_tree(sha256).is_dir()

    def tree_path(self, tree: TreeRef) -> Path:
        """Return the folder of a tree, read only by convention.

        Raises:
            IntegrityError: it is not there.
        """
        path = self.folder_of_tree(tree.sha256)
        if not path.is_dir():
            raise IntegrityError(f"tree {tree.sha256} is not in the store", hint=MAKE_AGAIN)
        return path

    def add_tree(self, folder: Path) -> TreeRef:
        """Move a folder into the store; file modes become 0755 or 0644, empty folders go.

        A tree that is there already stays, and the folder is removed.

        Raises:
            IntegrityError: the folder holds what a tree cannot (``FileTreeReader.scan``); it is left alone.
        """
        with disk_errors(self.cache_dir), self.staging.place() as staged:
            normalise(folder)
            tree = FileTreeReader().scan(folder)
            move(folder, staged)
            final = self.folder_of_tree(tree.sha256)
            if not final.is_dir():
                sync_tree(staged)
                entries = [entry.model_dump() for entry in tree.entries]
                self.write(self.listing_path(tree.sha256), canonical_json(entries))
                rename_unless_there(staged, final)
                sync_folder(final.parent)
        return TreeRef(sha256=tree.sha256, size_bytes=tree.size_bytes)

    def listing(self, tree: TreeRef) -> Tree | None:
        """Return a tree's entries as they were when it was added, without reading its files; None if that is lost."""
        try:
            entries = TypeAdapter(tuple[TreeEntry, ...]).validate_json(self.listing_path(tree.sha256).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return Tree(sha256=tree.sha256, entries=entries) if tree_digest(entries) == tree.sha256 else None

    def verify_tree(self, tree: TreeRef) -> None:
        """Read every file of a tree again.

        Raises:
            IntegrityError: it changed; the tree is set aside and the first changed file is named.
        """
        path = self.tree_path(tree)
        try:
            found = FileTreeReader().scan(path)
            if found.sha256 == tree.sha256:
                return
            fault = _first_change(self.listing(tree), found)
        except IntegrityError as error:
            fault = error.message
        self.set_aside(path)
        raise IntegrityError(f"tree {tree.sha256} changed in the store: {fault}", hint=MAKE_AGAIN)


def normalise(folder: Path) -> None:
    """Give files the mode 0755 or 0644 and folders 0755, and remove empty folders: the digest says the rest."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in folders:
            path = os.path.join(parent, name)  # noqa: PTH118  # os.walk speaks in strings
            if not os.path.islink(path) and not os.listdir(path):  # noqa: PTH114, PTH208
                os.rmdir(path)  # noqa: PTH106
        for name in files:
            path = os.path.join(parent, name)  # noqa: PTH118
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                wanted = 0o755 if mode & stat.S_IXUSR else 0o644
                if stat.S_IMODE(mode) != wanted:
                    os.chmod(path, wanted)  # noqa: PTH101
        if stat.S_IMODE(os.lstat(parent).st_mode) != FOLDER_MODE:
            os.chmod(parent, FOLDER_MODE)  # noqa: PTH101


def _first_change(before: Tree | None, after: Tree) -> str:
    if before is None:
        return f"its digest is now {after.sha256}"
    old = {entry.path: entry for entry in before.entries}
    new = {entry.path: entry for entry in after.entries}
    for path in sorted(old.keys() | new.keys(), key=str.encode):
        if path not in new:
            return f"{path} is missing"
        if path not in old:
            return f"{path} is unexpected"
        if old[path] != new[path]:
            return f"{path} is not what it was"
    return f"its digest is now {after.sha256}"
