"""How a source's bytes are brought: what a source kind says to the fetch stage."""

from __future__ import annotations

from pipeline.model.frozen import Frozen


class DownloadArchive(Frozen):
    """Download one archive and unpack it.

    Attributes:
        package: look the file up on the package index under this project; None when ``urls`` say where.
        urls: tried in order.
        filename: of the archive.
        sha256: of the archive.
        size_bytes: of the archive, None where only the digest is pinned.
        subtree: folder below the archive's single top folder that is kept.
    """

    package: str | None
    urls: tuple[str, ...]
    filename: str
    sha256: str
    size_bytes: int | None
    subtree: str | None


class CheckOutCommit(Frozen):
    """Fetch one commit with git and check it out.

    Attributes:
        urls: of the repository, tried in order.
        commit: 40 hex digits.
        subtree: folder that is kept.
    """

    urls: tuple[str, ...]
    commit: str
    subtree: str | None


class CopyFolder(Frozen):
    """Copy a folder of this machine, without ``.git``."""

    path: str


Retrieval = DownloadArchive | CheckOutCommit | CopyFolder
