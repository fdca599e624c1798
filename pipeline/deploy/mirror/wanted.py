"""Every file of the repository that a mirror has to hold for what it was asked to hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.model.repository_layout import (
    TARGET_FOLDERS,
    blob_target,
    engine_of_manifest_target,
    engine_of_revocations_target,
    owner_of_target,
    trees_of_delta_target,
)

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
    artifacts: Iterable[Artifact], *, targets: Mapping[str, TargetFile], selection: MirrorSelection
) -> dict[str, WantedFile]:
    """Return the blobs to hold, by digest: of the chosen artifacts their files and deltas, of every engine its lists.

    The lists of all engines, because whoever reads the mirror reads all manifests.

    Args:
        artifacts: that are chosen.
        targets: TUF target path to what is signed.
        selection: which of an artifact's files are wanted.

    Raises:
        IntegrityError: a manifest names a file that is not signed, or not so.
    """
    found: dict[str, WantedFile] = {}
    for path, target in targets.items():
        if engine_of_manifest_target(path) or engine_of_revocations_target(path):
            sha256 = target.hashes["sha256"]
            found[sha256] = WantedFile(sha256, target.length, "list", path)
    chosen = tuple(artifacts)
    for artifact in chosen:
        for sha256, size, kind, what in files_of(artifact, selection):
            if sha256 in found:
                continue
            signed = _signed(artifact.engine, sha256, targets)
            if signed is None or size not in {None, signed.length}:
                raise IntegrityError(
                    f"{what}: the signed metadata does not list {sha256} as the manifest does",
                    hint="the repository contradicts itself; tell its publisher",
                )
            found[sha256] = WantedFile(sha256, signed.length, kind, what)
    return found | (_deltas(chosen, targets, selection) if selection.with_deltas else {})


def needed_files(
    artifacts: Iterable[Artifact], *, targets: Mapping[str, TargetFile], selection: MirrorSelection
) -> dict[str, WantedFile]:
    """Return the wanted blobs that must be there: all but the deltas, which nobody needs.

    A mirror that was last synced before there were deltas has none, and its ``mirror.json`` does not say so.
    """
    return wanted_files(artifacts, targets=targets, selection=selection.model_copy(update={"with_deltas": False}))


def _deltas(
    artifacts: Iterable[Artifact], targets: Mapping[str, TargetFile], selection: MirrorSelection
) -> dict[str, WantedFile]:
    """Return what makes a wanted layer out of another one, whether that one is held or not: hosts have it."""
    made = {
        (artifact.engine, layer.tree_sha256): f"{layer.name} of {artifact.target} {artifact.version}"
        for artifact in artifacts
        for layer in artifact.layers
        if selection.with_debug or not layer.optional
    }
    found: dict[str, WantedFile] = {}
    for path, target in targets.items():
        trees, owner = trees_of_delta_target(path), owner_of_target(path)
        if trees is not None and owner is not None and (name := made.get((owner[1], trees.new))):
            sha256 = target.hashes["sha256"]
            found[sha256] = WantedFile(sha256, target.length, "delta", f"delta of layer {name}")
    return found


def _signed(engine: str, sha256: str, targets: Mapping[str, TargetFile]) -> TargetFile | None:
    for folder in TARGET_FOLDERS:
        target = targets.get(blob_target(engine, sha256, folder))
        if target is not None and target.hashes.get("sha256") == sha256:
            return target
    return None


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
