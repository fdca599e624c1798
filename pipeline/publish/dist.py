"""A dist folder as the publisher sees it: a manifest, and files that must be what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.digest import require_digest, sha256_stream
from pipeline.errors import IntegrityError, NothingSelectedError, UsageError
from pipeline.model.manifest import Artifact, Manifest
from pipeline.model.manifest_document import planned_by, read_manifest, still_missing
from pipeline.model.repository_layout import blob_path
from pipeline.model.statements import LIMIT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.release_plan import PlannedBundle

MANIFEST_FILE = "manifest.json"
_WRITTEN_BY = "`build` writes one into its output folder: after `build --output DIR`, `publish --from DIR`"


@dataclass(frozen=True, slots=True)
class DistFile:
    """One file that will become a blob.

    Attributes:
        path: in the dist folder.
        sha256: of its bytes.
        size_bytes: of it.
    """

    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Dist:
    """What a dist folder offers.

    Attributes:
        release: of its manifest.
        created: of its manifest.
        artifacts: its entries with urls rewritten to blobs.
        files: sha256 to file, each once however often it is named.
        names: sha256 to what the file was called.
        statements: key of an artifact to its provenance, as it was built; the artifact names none until it is signed.
        documents: sha256 to what was written for publishing, and lies in no file.
        listed: its entries as they stand there.
        planned: all of the release that it is a part of; empty where it does not call itself partial.
    """

    release: str
    created: str
    artifacts: tuple[Artifact, ...]
    files: dict[str, DistFile]
    names: dict[str, str]
    statements: dict[tuple[str, str, str, str], bytes] = field(default_factory=dict)
    documents: dict[str, bytes] = field(default_factory=dict)
    listed: tuple[Artifact, ...] = ()
    planned: frozenset[PlannedBundle] = frozenset()

    @property
    def is_rehearsal(self) -> bool:
        """Whether there are no engines in its bundles."""
        return any(artifact.rehearsal for artifact in self.artifacts)

    @property
    def missing(self) -> tuple[PlannedBundle, ...]:
        """What the release was to have and has not."""
        return still_missing(self.planned, self.artifacts)

    def size_bytes(self, sha256: str) -> int:
        """Return the size of a file or a document."""
        document = self.documents.get(sha256)
        return self.files[sha256].size_bytes if document is None else len(document)


EMPTY_DIST = Dist(release="none", created="1970-01-01T00:00:00Z", artifacts=(), files={}, names={})
"""What is offered when a repository is only signed again."""


def read_dist(folder: Path) -> Dist:
    """Read a dist folder's manifest and look at every file it names; sizes are checked here, digests when read.

    Raises:
        UsageError: there is no manifest, or it names files that are elsewhere.
        NothingSelectedError: the manifest is empty.
        IntegrityError: the manifest is malformed, or a file is missing or has another size.
    """
    return _Reading(folder).read(read_manifest_of(folder))


def read_manifest_of(folder: Path) -> Manifest:
    """Read the manifest of a dist folder; the files that it names are not looked at.

    Raises:
        UsageError: there is none.
        NothingSelectedError: it is empty.
        IntegrityError: it is malformed.
    """
    try:
        data = (folder / MANIFEST_FILE).read_bytes()
    except OSError as error:
        raise UsageError(f"{folder} has no {MANIFEST_FILE}: {error.strerror}", hint=_WRITTEN_BY) from error
    manifest = read_manifest(data, what=str(folder / MANIFEST_FILE))
    if not manifest.artifacts:
        raise NothingSelectedError(f"{folder / MANIFEST_FILE} lists no bundle", hint="`build` adds bundles to it")
    return manifest


def check_file(file: DistFile) -> None:
    """Hash a file.

    Raises:
        IntegrityError: it is not what the manifest says.
    """
    with file.path.open("rb") as stream:
        found, _ = sha256_stream(stream)
    require_digest(what=str(file.path), expected=file.sha256, found=found)


class _Reading:
    """One pass over a manifest, collecting the files it names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, DistFile] = {}
        self._names: dict[str, str] = {}
        self._statements: dict[tuple[str, str, str, str], bytes] = {}

    def read(self, manifest: Manifest) -> Dist:
        artifacts = tuple(self._artifact(artifact) for artifact in manifest.artifacts)
        return Dist(
            release=manifest.release,
            created=manifest.created,
            artifacts=artifacts,
            listed=manifest.artifacts,
            planned=planned_by(manifest),
            files=self._files,
            names=self._names,
            statements=self._statements,
        )

    def _artifact(self, artifact: Artifact) -> Artifact:
        self._add(artifact.url, artifact.sha256, artifact.size)
        if artifact.provenance is not None:
            self._statements[artifact.key] = self._provenance(artifact.provenance)
        layers = []
        for layer in artifact.layers:
            self._add(layer.url, layer.sha256, layer.size)
            layers.append(layer.model_copy(update={"url": blob_path(layer.sha256)}))
        return artifact.model_copy(
            update={
                "url": blob_path(artifact.sha256),
                "layers": tuple(layers),
                "provenance": None,
                "sbom": self._sbom(artifact.sbom),
            }
        )

    def _provenance(self, url: str) -> bytes:
        path = self._path(url)
        with path.open("rb") as stream:
            data = stream.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise IntegrityError(f"{path} is longer than the {LIMIT_BYTES} bytes that a statement may have")
        return data

    def _sbom(self, url: str | None) -> str | None:
        """Take a file whose digest no manifest field carries; it is signed as the target that it becomes."""
        if url is None:
            return None
        path = self._path(url)
        with path.open("rb") as stream:
            sha256, size_bytes = sha256_stream(stream)
        self._add(url, sha256, size_bytes)
        return blob_path(sha256)

    def _add(self, url: str, sha256: str, size_bytes: int) -> None:
        path = self._path(url)
        if (found := path.stat().st_size) != size_bytes:
            raise IntegrityError(f"{path} has {found} bytes, the manifest says {size_bytes}", hint="build it again")
        known = self._files.setdefault(sha256, DistFile(path, sha256, size_bytes))
        if known.size_bytes != size_bytes:
            raise IntegrityError(f"the manifest gives two sizes for the digest {sha256}")
        self._names.setdefault(sha256, path.name)

    def _path(self, url: str) -> Path:
        if ":" in url:
            raise UsageError(
                f"the manifest names {url}, which is not in {self._folder}",
                hint="publishing takes bundles from one folder; merge them into it first",
            )
        path = self._folder / url
        if not path.is_file():
            raise IntegrityError(f"{path} is named by the manifest and is not there", hint="build it again")
        return path
