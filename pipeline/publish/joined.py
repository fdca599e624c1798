"""What dist folders hold together, and whether they contradict each other; nothing is written here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes
from pipeline.errors import RehearsalError, UsageError
from pipeline.model.manifest_document import still_missing, write_manifest
from pipeline.model.release_plan import PlannedBundle
from pipeline.model.statements import repeatable_statement
from pipeline.model.step_times import TIMES_FILE
from pipeline.publish.dist import MANIFEST_FILE, DistFile, read_dist

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.model.release_plan import ReleasePlan
    from pipeline.publish.dist import Dist

STAGING_FOLDER = ".staging"
_RESERVED = (MANIFEST_FILE, STAGING_FOLDER, TIMES_FILE)

ArtifactKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Joined:
    """What several dist folders hold together.

    Attributes:
        artifacts: by their key, each once.
        files: path to file, each path once.
        places: every file that a manifest names, as often as one does.
        release: of the newest manifest.
        manifest: canonical bytes of one manifest of everything.
        missing: what the release was to have and none of them has.
        is_planned: whether anything says what the whole release is.
        rehearsal: whether there are no engines in it.
    """

    artifacts: dict[ArtifactKey, Artifact]
    files: dict[str, DistFile]
    places: tuple[DistFile, ...]
    release: str
    manifest: bytes
    missing: tuple[PlannedBundle, ...]
    is_planned: bool
    rehearsal: bool


def join(folders: Sequence[Path], *, expected: ReleasePlan | None = None) -> Joined:
    """Read dist folders and join what they say; sizes are looked at, contents only of statements.

    Args:
        folders: at least one.
        expected: the whole release, whatever the folders say of that; None takes it from those that call themselves
            partial.

    Raises:
        RehearsalError: some are of a rehearsal and some are not.
        UsageError: a folder has no manifest of files in it, or two say different things of one artifact or one path.
        NothingSelectedError: a manifest is empty.
        IntegrityError: a manifest is malformed, or a file is missing or has another size.
    """
    entries: dict[ArtifactKey, _Entry] = {}
    files: dict[str, DistFile] = {}
    places: list[DistFile] = []
    dists = {folder: read_dist(folder) for folder in folders}
    _require_one_kind(dists)
    for folder, dist in dists.items():
        for entry in _entries(folder, dist):
            first = entries.setdefault(entry.artifact.key, entry)
            _require_same(first, entry)
            for path in entry.files:
                file = first.files[path]  # of provenance that names other compiler caches, the first one
                before = files.setdefault(path, file)
                if before.sha256 != file.sha256:
                    raise UsageError(
                        f"{before.path} and {file.path} have other bytes under one name", hint=_hint(before, file)
                    )
                places.append(file)
    _require_room(files)
    created, release = max((dist.created, dist.release) for dist in dists.values())
    artifacts = {key: entry.artifact for key, entry in entries.items()}
    said = frozenset[PlannedBundle]().union(*(dist.planned for dist in dists.values()))
    planned = said if expected is None else frozenset(expected.bundles)
    missing = still_missing(planned, artifacts.values())
    manifest = write_manifest(artifacts.values(), release=release, created=created, missing=missing)
    rehearsal = any(dist.is_rehearsal for dist in dists.values())
    return Joined(artifacts, files, tuple(places), release, manifest, missing, bool(planned), rehearsal)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An artifact, where it is listed, its files by their path below that folder, and what its provenance says."""

    artifact: Artifact
    folder: Path
    files: dict[str, DistFile]
    said: bytes | None

    def has_the_same(self, other: _Entry) -> bool:
        """Tell whether another entry differs in nothing but the compiler caches that its provenance names."""
        return (self.artifact, self.said, self._digests()) == (other.artifact, other.said, other._digests())

    def _digests(self) -> dict[str, str]:
        return {path: file.sha256 for path, file in self.files.items() if path != self.artifact.provenance}


def _entries(folder: Path, dist: Dist) -> Iterator[_Entry]:
    """Yield what a folder's manifest lists."""
    for artifact, rewritten in zip(dist.listed, dist.artifacts, strict=True):
        files = {path: DistFile(folder / path, *found) for path, found in _named(artifact, rewritten, dist)}
        statement = dist.statements.get(artifact.key)
        yield _Entry(artifact, folder, files, None if statement is None else repeatable_statement(statement))


def _require_one_kind(dists: Mapping[Path, Dist]) -> None:
    """Refuse to join a rehearsal with anything real."""
    rehearsed = [folder for folder, dist in dists.items() if dist.is_rehearsal]
    real = [folder for folder, dist in dists.items() if not dist.is_rehearsal]
    if rehearsed and real:
        raise RehearsalError(
            f"{rehearsed[0]} is a rehearsal, and {real[0]} has real bundles: the two are never joined",
            hint="leave one of them out, or choose another folder with --to",
        )


def _named(artifact: Artifact, rewritten: Artifact, dist: Dist) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield path, digest and size of every file of an artifact; ``rewritten`` has blobs in place of the paths."""
    yield artifact.url, (artifact.sha256, artifact.size)
    yield from ((layer.url, (layer.sha256, layer.size)) for layer in artifact.layers)
    if artifact.provenance is not None:
        statement = dist.statements[artifact.key]
        yield artifact.provenance, (sha256_bytes(statement), len(statement))
    if artifact.sbom is not None and rewritten.sbom is not None:
        sha256 = rewritten.sbom.rpartition("/")[2]
        yield artifact.sbom, (sha256, dist.files[sha256].size_bytes)


def _require_same(before: _Entry, entry: _Entry) -> None:
    """Refuse two entries of one key that differ in more than the kind of compiler cache, statements included."""
    if entry.has_the_same(before):
        return
    artifact = entry.artifact
    raise UsageError(
        f"{artifact.target} {artifact.version} is in {before.folder} (sha256 {before.artifact.sha256}) and, with other"
        f" bytes or another entry, in {entry.folder} (sha256 {artifact.sha256})",
        hint="one key is one thing: build it on one machine, or leave one of the folders out",
    )


def _require_room(files: dict[str, DistFile]) -> None:
    """Refuse paths that are in each other's way, on this system or on one that does not tell case apart."""
    seen: dict[str, str] = {}
    for path, file in files.items():
        if PurePosixPath(path).parts[0].casefold() in _RESERVED:
            raise UsageError(f"{file.path} has a name that is needed for something else", hint="build it again")
        if (twin := seen.setdefault(path.casefold(), path)) != path:
            raise UsageError(
                f"{files[twin].path} and {file.path} differ only in case", hint="leave one of the folders out"
            )
    for path, file in files.items():
        for parent in PurePosixPath(path.casefold()).parents:
            if (other := seen.get(str(parent))) is not None:
                raise UsageError(
                    f"{files[other].path} is a file where {file.path} needs a folder",
                    hint="leave one of the folders out",
                )


def _hint(before: DistFile, file: DistFile) -> str:
    return f"sha256 {before.sha256} and {file.sha256}; build both on one machine, or leave one of the folders out"
