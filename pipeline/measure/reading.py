"""What is in the layers of some bundles: read once, and kept in the store for every later report."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.digest import key_of
from pipeline.errors import IntegrityError, PipelineError
from pipeline.events import StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.measure.comparing import mandatory
from pipeline.model.counts import counted, sized
from pipeline.model.layer_content import ANALYSIS_VERSION, LayerContent
from pipeline.model.result import StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.model.manifest import Artifact, Layer
    from pipeline.ports import LayerReader, Services

    ArchiveOf = Callable[[Artifact, Layer], AbstractContextManager[Path]]

_ROLE = "content"


def read_contents(
    artifacts: Iterable[Artifact],
    *,
    archive_of: ArchiveOf,
    reader: LayerReader,
    services: Services,
    known: Mapping[str, LayerContent] | None = None,
) -> dict[str, LayerContent]:
    """Return what is in the mandatory layers of bundles, by the layers' tree digests.

    Args:
        artifacts: bundles; a layer that several have is read once.
        archive_of: gives the archive of a bundle's layer, brought where it is not on this machine.
        reader: of archives.
        services: for the store and for events.
        known: what is in hand already; a part of the answer.

    Raises:
        IntegrityError: an archive is not there or damaged; the bundle, the layer and the file are named.
        PipelineError: an archive cannot be had.
    """
    layers = {layer.tree_sha256: (artifact, layer) for artifact in artifacts for layer in mandatory(artifact)}
    found = dict(known or {})
    for tree_sha256, (artifact, layer) in layers.items():
        if tree_sha256 not in found:
            found[tree_sha256] = _read(artifact, layer, archive_of, reader, services)
    return found


def _read(
    artifact: Artifact, layer: Layer, archive_of: ArchiveOf, reader: LayerReader, services: Services
) -> LayerContent:
    name = f"read {artifact.target} {artifact.version} {layer.name}"
    key = key_of("content", {"tree": layer.tree_sha256, "analysis": ANALYSIS_VERSION})
    if (known := _known(key, layer, services)) is not None:
        services.events.emit(StepReused(name, key))
        return known
    services.events.emit(StepStarted(name, "it was not read before"))
    began = services.clock.monotonic()
    try:
        with archive_of(artifact, layer) as archive, services.store.work_dir(f"content-{key[:20]}") as scratch:
            content = LayerContent(
                tree_sha256=layer.tree_sha256,
                analysis=ANALYSIS_VERSION,
                files=reader.read(
                    archive,
                    sha256=layer.sha256,
                    tree_sha256=layer.tree_sha256,
                    files_bytes=layer.installed_size,
                    scratch_dir=scratch,
                    progress=lambda done: services.events.emit(StepProgress(name, done, layer.installed_size, "bytes")),
                ),
            )
            draft = scratch / "content.json"
            draft.write_text(content.model_dump_json(), encoding="utf-8")
            blob = services.store.add_blob(draft, filename="content.json")
        services.store.put_result(StepResult(key=key, blobs={_ROLE: blob}))
    except PipelineError as error:
        services.events.emit(StepFailed(name, error.message))
        if isinstance(error, IntegrityError):
            what = f"layer {layer.name} of {artifact.target} {artifact.version}"
            raise IntegrityError(f"{what}: {error.message}", hint=error.hint) from error
        raise
    summary = f"{counted(len(content.files), 'file')}, {sized(layer.installed_size)}"
    services.events.emit(StepFinished(name, services.clock.monotonic() - began, summary))
    return content


def _known(key: str, layer: Layer, services: Services) -> LayerContent | None:
    """Return what an earlier report kept; what was damaged since counts as nothing."""
    result = services.store.result(key)
    if result is None or _ROLE not in result.blobs:
        return None
    with suppress(IntegrityError, ValidationError):
        with services.store.open_blob(result.blobs[_ROLE]) as stream:
            content = LayerContent.model_validate_json(stream.read())
        if (content.tree_sha256, content.analysis) == (layer.tree_sha256, ANALYSIS_VERSION):
            return content
    return None
