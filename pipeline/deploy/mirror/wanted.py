"""Every file of the repository that a mirror has to hold for what it was asked to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.model.repository_layout import blob_target, manifest_target, revocations_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tuf.api.metadata import TargetFile

    from pipeline.model.manifest import Artifact
    from pipeline.model.mirror import FileKind, MirrorSelection


@dataclass(frozen=True, slots=True)
class WantedFile:
    """One blob.

    Attributes:
        sha256: of it.
        size_bytes: of it, as signed.
        kind: what it is.
        what: for messages.
    """

    sha256: str
    size_bytes: int
    kind: FileKind
    what: str


def wanted_files(
    artifacts: Iterable[Artifact],
    *,
    engines: Iterable[str],
    targets: Mapping[str, TargetFile],
    selection: MirrorSelection,
) -> dict[str, WantedFile]:
    """Return the blobs to hold, by digest: of every engine its lists, of the chosen artifacts their files.

    Args:
        artifacts: that are chosen.
        engines: all that the repository has: whoever reads the mirror reads their manifests.
        targets: TUF target path to what is signed.
        selection: which of an artifact's files are wanted.

    Raises:
        IntegrityError: a manifest names a file that is not signed, or not so.
    """
    found: dict[str, WantedFile] = {}
    for engine in engines:
        for path in (manifest_target(engine), revocations_target(engine)):
            if path in targets:
                sha256 = targets[path].hashes["sha256"]
                found[sha256] = WantedFile(sha256, targets[path].length, "list", path)
    for artifact in artifacts:
        for sha256, size, kind, what in files_of(artifact, selection):
            if sha256 in found:
                continue
            target = targets.get(blob_target(artifact.engine, sha256))
            if target is None or target.hashes.get("sha256") != sha256 or size not in {None, target.length}:
                raise IntegrityError(
                    f"{what}: the signed metadata does not list {sha256} as the manifest does",
                    hint="the repository contradicts itself; tell its publisher",
                )
            found[sha256] = WantedFile(sha256, target.length, kind, what)
    return found


def files_of(artifact: Artifact, selection: MirrorSelection) -> Iterator[tuple[str, int | None, FileKind, str]]:
    """Yield (sha256, size where the manifest says it, kind, name) of each wanted file of an artifact."""
    name = f"{artifact.target} {artifact.version}"
    if selection.with_bundles:
        yield artifact.sha256, artifact.size, "bundle", f"bundle {name}"
    for layer in artifact.layers:
        if selection.with_debug or not layer.optional:
            yield layer.sha256, layer.size, "layer", f"layer {layer.name} of {name}"
    for word, statement in (("provenance", artifact.provenance), ("bill of materials", artifact.sbom)):
        if statement is not None and ":" not in statement:
            yield statement.rpartition("/")[2], None, "statement", f"{word} of {name}"  # its url is its blob's path
