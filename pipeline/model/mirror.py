"""Mirrors: what one holds and where from, what it did, and what its space goes to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import FileName, Frozen, Name, RelativePath, Sha256, UtcTime

DEFAULT_KEEP = 1
"""Versions of each target that a mirror holds where nothing else is said."""

FileKind = Literal["bundle", "layer", "delta", "statement", "list", "blob", "metadata", "model", "installer"]
"""``layer`` is a layer's archive, ``delta`` what makes one out of another, ``statement`` provenance or bill of
materials, ``list`` a manifest or revocations.

A ``blob`` is one of these that nothing names any more.
"""


class InstallerSelection(Frozen):
    """For which machines a mirror has what the installer itself needs.

    Attributes:
        platforms: of this project's names.
        pythons: versions of Python, ``3.12``.
    """

    platforms: tuple[Name, ...] = Field(min_length=1)
    pythons: tuple[str, ...] = Field(min_length=1)


class MirrorSelection(Frozen):
    """What somebody wants a mirror to hold.

    Attributes:
        targets: names and globs as everywhere; empty means every target there is.
        releases: versions that are held whatever their age.
        keep: how many of the newest versions of each target are held; None: ``DEFAULT_KEEP``, or none beside
            ``releases`` where those are named.
        with_debug: whether optional layers are held.
        with_bundles: whether self-contained bundles are held; installing needs their layers alone.
        with_deltas: whether what makes a held layer out of earlier ones is held too; written only where it is not, so
            that programs from before there were any can read the rest.
        models: names of recipes of models.
        installer: which wheels are held, None for none.
    """

    targets: tuple[str, ...] = ()
    releases: tuple[Name, ...] = ()
    keep: int | None = Field(default=None, ge=1)
    with_debug: bool = False
    with_bundles: bool = True
    with_deltas: bool = Field(default=True, exclude_if=bool)
    models: tuple[Name, ...] = ()
    installer: InstallerSelection | None = None

    @property
    def newest(self) -> int:
        """How many of the newest versions of each target are held."""
        if self.keep is not None:
            return self.keep
        return 0 if self.releases else DEFAULT_KEEP


class HeldArtifact(Frozen):
    """One artifact that a mirror has every wanted file of.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        sha256: of its bundle.
    """

    target: str = Field(min_length=1, max_length=300)
    version: Name
    sha256: Sha256

    @property
    def name(self) -> str:
        """``<target> <version>``."""
        return f"{self.target} {self.version}"


class HeldFile(Frozen):
    """A file that a mirror has beside the repository's own, known by its digest.

    Attributes:
        path: below the mirror.
        sha256: of it.
        size: of it, in bytes.
    """

    path: RelativePath
    sha256: Sha256
    size: int = Field(ge=0)


class HeldModel(Frozen):
    """A model that a mirror has as ``models/<filename>``.

    Attributes:
        name: of its recipe.
        filename: of the whole file.
        sha256: of it.
        size: of it, in bytes.
        license: of the weights, for people.
    """

    name: Name
    filename: FileName
    sha256: Sha256
    size: int = Field(gt=0)
    license: str


class MirrorDocument(Frozen):
    """``mirror.json``: what a mirror holds, and where from. For people and for the next sync; nothing signs it.

    Attributes:
        schema_version: 1.
        repository: identity of the repository.
        source: where it is synced from: a folder or a url.
        development: whether it is signed with development keys.
        selection: what is wanted.
        artifacts: what that was at the last sync, in the order of manifests.
        models: what is in ``models/``.
        changed_at: when what is held changed last.
    """

    schema_version: Literal[1] = 1
    repository: Name
    source: str = Field(min_length=1, max_length=4096)
    development: bool = False
    selection: MirrorSelection
    artifacts: tuple[HeldArtifact, ...] = ()
    models: tuple[HeldModel, ...] = ()
    changed_at: UtcTime


class InstallerFiles(Frozen):
    """``installer/files.json``: every other file of that folder.

    Attributes:
        schema_version: 1.
        version: of this project, whose wheel is among them.
        selection: which machines they are for.
        requirements_sha256: of the hashed lock that the wheels follow.
        files: sorted by path, which is relative to ``installer/``.
    """

    schema_version: Literal[1] = 1
    version: str
    selection: InstallerSelection
    requirements_sha256: Sha256
    files: tuple[HeldFile, ...] = ()


class MirrorChange(Frozen):
    """One file that a sync brings or removes.

    Attributes:
        action: which of both.
        kind: what it is.
        path: below the mirror.
        size: in bytes.
    """

    action: Literal["add", "remove"]
    kind: FileKind
    path: str
    size: int = Field(ge=0)


class MirrorOutcome(Frozen):
    """What a sync did, or with dry_run would do.

    Attributes:
        changed: False when the mirror was as it should be.
        dry_run: nothing was changed.
        path: of the mirror, absolute.
        source: where it came from.
        repository: identity of the repository.
        artifacts: how many are held.
        added: ``<target> <version>`` of artifacts that were not held before.
        removed: of those that are held no more.
        files_added: how many files.
        bytes_added: their size; what is downloaded.
        files_removed: how many files.
        bytes_removed: their size.
        changes: every file, sorted by path.
        revoked: what is held and was withdrawn by its publisher, with the reason; nobody may install it.
        development: signed with development keys.
    """

    changed: bool
    dry_run: bool = False
    path: str
    source: str
    repository: str
    artifacts: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    files_added: int = 0
    bytes_added: int = 0
    files_removed: int = 0
    bytes_removed: int = 0
    changes: tuple[MirrorChange, ...] = ()
    revoked: tuple[str, ...] = ()
    development: bool = False


class UsageRow(Frozen):
    """Space that goes to one target, version or kind.

    Attributes:
        name: of it.
        artifacts: how many count into it; 0 for kinds.
        logical_bytes: what they would take if nothing were shared.
        own_bytes: what would be free if they were gone: files that nothing else needs.
    """

    name: str
    artifacts: int = 0
    logical_bytes: int
    own_bytes: int


class MirrorUsage(Frozen):
    """What a mirror's space goes to.

    Attributes:
        path: of the mirror, absolute.
        artifacts: how many are held.
        logical_bytes: the files of every artifact, counted each time one is named, and everything else once.
        stored_bytes: what is on the disk.
        shared_bytes: what was saved by keeping each file once.
        targets: by target.
        versions: by version, the newest first.
        kinds: by kind of file.
    """

    path: str
    artifacts: int
    logical_bytes: int
    stored_bytes: int
    shared_bytes: int
    targets: tuple[UsageRow, ...] = ()
    versions: tuple[UsageRow, ...] = ()
    kinds: tuple[UsageRow, ...] = ()
