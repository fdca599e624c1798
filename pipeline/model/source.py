"""Where an engine's source comes from. Every form names what its bytes must be before the first one is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pipeline.model.frozen import CommitId, FileName, Frozen, Name, RelativePath, Sha256

HttpUrl = Annotated[str, StringConstraints(pattern=r"^(?:https?|file)://[^\s#]+$")]
GitUrl = Annotated[str, StringConstraints(pattern=r"^(?:https|ssh|file)://[^\s]+$")]


class PypiSdist(Frozen):
    """A source distribution of a Python package index; the index itself is configuration.

    Attributes:
        package: normalized project name.
        filename: of the file on the index.
        sha256: of that file, lower-case hex.
        size_bytes: of that file.
        subtree: folder inside the archive that is the source; the rest is never used. The archive's single
            top folder is left out of it.
    """

    kind: Literal["pypi_sdist"]
    package: Name
    filename: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    subtree: RelativePath | None = None


class HttpArchive(Frozen):
    """An archive on a web server, for example the tag archive of a repository.

    Attributes:
        urls: tried in order; where bytes come from never changes which digest they must have.
        filename: its suffix says the format (.tar.gz, .tar.xz, .tar.bz2, .tar.zst).
        sha256: of the archive, lower-case hex.
        size_bytes: of the archive; None where the server makes it on the fly and only the digest is pinned.
        subtree: as in PypiSdist.
    """

    kind: Literal["http_archive"]
    urls: tuple[HttpUrl, ...] = Field(min_length=1)
    filename: FileName
    sha256: Sha256
    size_bytes: int | None = Field(default=None, gt=0)
    subtree: RelativePath | None = None


class GitCommit(Frozen):
    """One commit of a git repository; the full commit id is the digest that git itself checks.

    Attributes:
        urls: of the repository, tried in order.
        commit: 40 hex digits; a branch or a tag is no pin.
        subtree: folder of the repository that is the source.
    """

    kind: Literal["git_commit"]
    urls: tuple[GitUrl, ...] = Field(min_length=1)
    commit: CommitId
    subtree: RelativePath | None = None


class LocalTree(Frozen):
    """A folder on this machine, for people who work on the engine itself.

    Its digest is taken when the plan is made; ``.git`` is left out. A manifest made from it says so.

    Attributes:
        path: absolute, or relative to the recipe's folder.
    """

    kind: Literal["local_tree"]
    path: str = Field(min_length=1)


Source = Annotated[PypiSdist | HttpArchive | GitCommit | LocalTree, Field(discriminator="kind")]
