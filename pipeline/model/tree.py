"""A tree of files, as a value."""

from __future__ import annotations

from pipeline.model.frozen import FileSize, Frozen, RelativePath, Sha256


class TreeEntry(Frozen):
    """One file or symbolic link of a tree. Directories are implied by their files.

    Attributes:
        path: POSIX, relative, no dot segments.
        mode: 0o755 or 0o644 for a file; 0o777 for a link.
        size_bytes: of the file; 0 for a link.
        sha256: of the file's bytes; None for a link.
        link: target of a symbolic link, relative and inside the tree; None for a file.
    """

    path: RelativePath
    mode: int
    size_bytes: FileSize
    sha256: Sha256 | None
    link: str | None = None


class Tree(Frozen):
    """The files of a tree with its digest.

    Attributes:
        sha256: ``digest.tree_digest`` of the entries.
        entries: in POSIX byte order of their paths.
    """

    sha256: Sha256
    entries: tuple[TreeEntry, ...]

    @property
    def size_bytes(self) -> int:
        """Sum of the files' sizes."""
        return sum(entry.size_bytes for entry in self.entries)
