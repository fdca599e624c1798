"""Manifests joined: what was published stays, what is new is added, and nothing changes under its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuf.api.metadata import TargetFile

from pipeline.digest import sha256_bytes
from pipeline.errors import RehearsalError, UsageError
from pipeline.model.manifest_document import write_manifest
from pipeline.model.repository_layout import (
    NAME_FIELD,
    TargetFolder,
    blob_target,
    engine_of_revocations_target,
    manifest_target,
    revocations_target,
)
from pipeline.publish.deltas import kept_deltas

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.publish.deltas import MadeDelta
    from pipeline.publish.dist import Dist


@dataclass(frozen=True, slots=True)
class Merged:
    """The manifests as they shall be.

    Attributes:
        manifests: engine to the canonical bytes of its manifest.
        copy: one manifest of everything, for people.
        artifacts: all that are published then, by engine.
        folders: engine to the first part of its target paths.
        added: new ones.
        replaced: those whose bytes change on request.
        unchanged: those of the dist that are there already.
    """

    manifests: dict[str, bytes]
    copy: bytes
    artifacts: dict[str, tuple[Artifact, ...]]
    folders: dict[str, TargetFolder]
    added: tuple[Artifact, ...]
    replaced: tuple[Artifact, ...]
    unchanged: tuple[Artifact, ...]


def _refuse_mixing(artifacts: Iterable[Artifact]) -> None:
    if len({artifact.rehearsal for artifact in artifacts}) > 1:
        raise RehearsalError(
            "a rehearsal would stand beside real bundles in one repository, which nobody could then tell apart",
            hint="publish to another folder with --to; a rehearsal has a repository of its own",
        )


def merge(published: Mapping[str, Manifest], dist: Dist | None, *, replace: bool) -> Merged:
    """Add a dist's artifacts to what is published; without dist everything stays.

    An artifact's key is (engine, platform, accel, version). A rebuild with other bytes under a published key is
    refused unless ``replace``: users, mirrors and installations count on a version being one thing. That
    the entry differs in anything (proof, requirements) counts as other bytes, since the bundle's card repeats it.

    Raises:
        UsageError: a published artifact would change, or an engine be an environment as well.
        RehearsalError: a rehearsal would stand beside something real.
    """
    by_key = {artifact.key: artifact for manifest in published.values() for artifact in manifest.artifacts}
    added: list[Artifact] = []
    replaced: list[Artifact] = []
    unchanged: list[Artifact] = []
    for artifact in () if dist is None else dist.artifacts:
        before = by_key.get(artifact.key)
        if before == artifact:
            unchanged.append(artifact)
            continue
        if before is not None and not replace:
            raise UsageError(
                f"{artifact.target} {artifact.version} is published with other bytes (sha256 {before.sha256}, now"
                f" {artifact.sha256}); published artifacts never change",
                hint="publish it as a new version, or with --replace where nobody can have installed it",
            )
        (added if before is None else replaced).append(artifact)
        by_key[artifact.key] = artifact
    _refuse_mixing(by_key.values())
    touched = {artifact.engine for artifact in (*added, *replaced)}
    by_engine: dict[str, list[Artifact]] = {}
    for artifact in by_key.values():
        by_engine.setdefault(artifact.engine, []).append(artifact)
    artifacts = {engine: tuple(found) for engine, found in by_engine.items()}
    folders = {engine: _folder(engine, artifacts[engine]) for engine in artifacts}
    headers = {engine: (manifest.release, manifest.created) for engine, manifest in published.items()}
    headers |= {} if dist is None else dict.fromkeys(touched, (dist.release, dist.created))
    manifests = {
        engine: write_manifest(artifacts[engine], release=headers[engine][0], created=headers[engine][1])
        for engine in sorted(artifacts)
    }
    return Merged(
        manifests,
        _copy(manifests, by_key.values(), headers.values()),
        artifacts,
        folders,
        tuple(added),
        tuple(replaced),
        tuple(unchanged),
    )


def target_files(
    merged: Merged,
    *,
    dist: Dist | None,
    before: Mapping[str, TargetFile],
    lists: Mapping[str, bytes] | None = None,
    deltas: Iterable[MadeDelta] = (),
) -> dict[str, TargetFile]:
    """Return every TUF target that the manifests name, by target path.

    Args:
        merged: the manifests.
        dist: where new files come from, with their names and sizes.
        before: targets that are published; they stay as they are, lists of revoked builds too.
        lists: engine to its new list of revoked builds.
        deltas: new ones; those that are published stay as long as their layer does.
    """
    targets = {path: target for path, target in before.items() if engine_of_revocations_target(path) is not None}
    targets |= kept_deltas(merged, before)
    for one in deltas:
        for path in one.paths:
            targets[path] = _target(path, one.file.sha256, one.file.size_bytes, name=one.name)
    for engine, data in merged.manifests.items():
        folder = merged.folders[engine]
        path = manifest_target(engine, folder)
        targets[path] = _target(path, sha256_bytes(data), len(data), name="manifest.json")
        for sha256 in _named_digests(merged.artifacts[engine]):
            path = blob_target(engine, sha256, folder)
            if path in before:
                targets[path] = before[path]
            elif dist is not None:
                targets[path] = _target(path, sha256, dist.size_bytes(sha256), name=dist.names[sha256])
    for engine, data in (lists or {}).items():
        path = revocations_target(engine, merged.folders.get(engine, "engines"))
        targets[path] = _target(path, sha256_bytes(data), len(data), name="revocations.json")
    return dict(sorted(targets.items()))


def _copy(manifests: Mapping[str, bytes], artifacts: Iterable[Artifact], headers: Iterable[tuple[str, str]]) -> bytes:
    """Return the manifest of everything, under the newest release's name; of one engine it is that engine's."""
    if len(manifests) == 1:
        return next(iter(manifests.values()))
    release, created = max(headers, key=lambda header: header[1], default=("empty", "1970-01-01T00:00:00Z"))
    return write_manifest(artifacts, release=release, created=created)


def _folder(engine: str, artifacts: Iterable[Artifact]) -> TargetFolder:
    """Return where an engine's targets are: environments have a role and keys of their own."""
    origins = {artifact.origin == "assembled" for artifact in artifacts}
    if len(origins) > 1:
        raise UsageError(
            f"{engine} has assembled bundles and others; they are signed by different roles",
            hint="publish the environment under a name of its own",
        )
    return "envs" if origins == {True} else "engines"


def _named_digests(artifacts: Iterable[Artifact]) -> Iterator[str]:
    for artifact in artifacts:
        yield artifact.sha256
        yield from (layer.sha256 for layer in artifact.layers)
        for statement in (artifact.provenance, artifact.sbom):
            if statement is not None:
                yield statement.rpartition("/")[2]  # a published url is its blob's path


def _target(path: str, sha256: str, size: int, *, name: str) -> TargetFile:
    return TargetFile(size, {"sha256": sha256}, path, {"custom": {NAME_FIELD: name}})
