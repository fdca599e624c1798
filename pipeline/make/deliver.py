"""Writes bundles, layers and the manifest into the output folder; what is there already and right stays untouched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.digest import sha256_stream
from pipeline.errors import HostError, IntegrityError, NoSpaceError
from pipeline.events import Notice
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_manifest, write_manifest
from pipeline.model.plan import MakeBundle

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Results
    from pipeline.model.manifest import Manifest
    from pipeline.model.plan import Plan
    from pipeline.model.result import BlobRef
    from pipeline.ports import Services

MANIFEST_NAME = "manifest.json"


def deliver(plan: Plan, results: Results, services: Services, output_dir: Path, *, release: str | None) -> Manifest:
    """Write everything into ``output_dir``, the manifest last; entries of other targets that are still whole stay.

    Raises:
        HostError: the folder cannot be written.
        NoSpaceError: there is no room; files that are there already stay as they were.
    """
    bundles = [step for step in plan.steps if isinstance(step.action, MakeBundle)]
    made = []
    newest = 0
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"{output_dir} cannot be written: {error.strerror}", hint="choose another folder with --output"
        ) from error
    _require_space(plan, results, services, output_dir)
    for step in bundles:
        result = results[step.name]
        artifact = Artifact.model_validate(result.facts["artifact"], strict=False)
        made.append(artifact)
        newest = max(newest, getattr(step.action, "epoch_seconds", 0))
        _place(result.blobs["bundle"], output_dir / artifact.url, services)
        for layer in _layers(step.action, results):
            url = next(found.url for found in artifact.layers if found.sha256 == layer.sha256)
            _place(layer, output_dir / url, services)
    created = datetime.fromtimestamp(newest, UTC)
    kept = _others(output_dir, {artifact.key for artifact in made}, services)
    document = write_manifest(
        (*kept, *made), release=release or f"{created:%Y.%m}.0", created=f"{created:%Y-%m-%dT%H:%M:%SZ}"
    )
    path = output_dir / MANIFEST_NAME
    if not path.is_file() or path.read_bytes() != document:
        draft = path.with_name(f".{MANIFEST_NAME}.new")
        draft.write_bytes(document)
        draft.replace(path)  # a reader sees the old manifest or the new one
    return read_manifest(document)


def _layers(action: object, results: Results) -> list[BlobRef]:
    """Return the archives of a bundle's layers, optional ones too."""
    if not isinstance(action, MakeBundle):
        return []
    return [blob for name in action.layers for blob in results[name].blobs.values()]


def _place(blob: BlobRef, path: Path, services: Services) -> None:
    """Write a file of the store to ``path`` unless the very bytes are there."""
    if path.is_file() and path.stat().st_size == blob.size_bytes:
        with path.open("rb") as stream:
            if sha256_stream(stream)[0] == blob.sha256:
                return
    path.parent.mkdir(parents=True, exist_ok=True)
    services.store.copy_blob(blob, path)


def _require_space(plan: Plan, results: Results, services: Services, output_dir: Path) -> None:
    blobs = {
        blob.sha256: blob.size_bytes
        for step in plan.steps
        if isinstance(step.action, MakeBundle)
        for blob in (results[step.name].blobs["bundle"], *_layers(step.action, results))
    }
    needed = sum(blobs.values())
    free = services.host.free_bytes(output_dir)
    if free < needed:
        raise NoSpaceError(
            f"{output_dir} has {free / 1e6:.0f} MB free, {needed / 1e6:.0f} MB are needed",
            hint="free some space, or choose another folder with --output",
        )


def _others(output_dir: Path, replaced: set[tuple[str, str, str, str]], services: Services) -> list[Artifact]:
    """Return the entries of an earlier manifest that stay: other targets whose files are all still there."""
    path = output_dir / MANIFEST_NAME
    if not path.is_file():
        return []
    try:
        manifest = read_manifest(path.read_bytes())
    except IntegrityError as error:
        services.events.emit(Notice(f"{path} is replaced: {error.message}", "warning"))
        return []
    kept = []
    for artifact in manifest.artifacts:
        if artifact.key in replaced:
            continue
        places = [(artifact.url, artifact.size), *((layer.url, layer.size) for layer in artifact.layers)]
        if all((output_dir / url).is_file() and (output_dir / url).stat().st_size == size for url, size in places):
            kept.append(artifact)
        else:
            services.events.emit(
                Notice(f"{artifact.target} {artifact.version} left {path}: its files are gone", "warning")
            )
    return kept
