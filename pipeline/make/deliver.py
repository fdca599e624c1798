"""Writes bundles, layers and the manifest into the output folder; what is there already and right stays untouched."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.digest import sha256_bytes, sha256_stream
from pipeline.errors import HostError, IntegrityError, RehearsalError
from pipeline.events import Notice
from pipeline.make.step_log import times_document
from pipeline.model.actions import MakeBundle
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import planned_by, read_manifest, still_missing, write_manifest
from pipeline.model.release_plan import PlannedBundle
from pipeline.model.step_times import TIMES_FILE
from pipeline.ports import require_space

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.make.outputs import Results
    from pipeline.model.manifest import Manifest
    from pipeline.model.plan import Plan
    from pipeline.model.release_plan import ReleasePlan
    from pipeline.model.result import BlobRef, StepResult
    from pipeline.model.step_times import StepTimes
    from pipeline.ports import Services

MANIFEST_NAME = "manifest.json"


def prepare(output_dir: Path) -> None:
    """See that the output folder can be written, before hours of compiling and not after; nothing is made yet.

    Raises:
        HostError: it cannot.
    """
    place = output_dir
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        why = "is not a writable folder" if place.is_dir() else "is not a folder"
        raise HostError(f"{output_dir} cannot be written: {place} {why}", hint="choose another folder with --output")


def refuse_mixing(output_dir: Path, *, rehearsal: bool) -> None:
    """Refuse to put a rehearsal beside real bundles, or those beside a rehearsal.

    Raises:
        RehearsalError: the folder has what is not of the same kind.
    """
    try:
        before = read_manifest((output_dir / MANIFEST_NAME).read_bytes())
    except (OSError, IntegrityError):
        return  # what is not there or cannot be read is replaced
    if any(artifact.rehearsal != rehearsal for artifact in before.artifacts):
        has, comes = ("real bundles", "a rehearsal") if rehearsal else ("a rehearsal", "real bundles")
        raise RehearsalError(
            f"{output_dir} has {has}, and {comes} would come beside them",
            hint="choose another folder with --output, or remove this one",
        )


def deliver(
    plan: Plan,
    results: Results,
    services: Services,
    output_dir: Path,
    *,
    release: str | None,
    expected: ReleasePlan | None = None,
    times: StepTimes | None = None,
) -> Manifest:
    """Write everything into ``output_dir``, the manifest last; entries of other targets that are still whole stay.

    Raises:
        RehearsalError: the folder has what is not of the same kind.
        HostError: the folder cannot be written.
        NoSpaceError: there is no room; files that are there already stay as they were.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(
            f"{output_dir} cannot be written: {error.strerror}", hint="choose another folder with --output"
        ) from error
    # One writer of a folder at a time, whoever it is: the old manifest is read, added to and replaced.
    with services.store.work_dir(f"deliver-{sha256_bytes(os.fsencode(output_dir.resolve()))[:20]}"):
        rehearsal = any(isinstance(step.action, MakeBundle) and step.action.rehearsal for step in plan.steps)
        refuse_mixing(output_dir, rehearsal=rehearsal)
        _require_space(plan, results, services, output_dir)
        made = [
            _deliver_bundle(step.action, results[step.name], results, services, output_dir)
            for step in plan.steps
            if isinstance(step.action, MakeBundle)
        ]
        newest = max(step.action.epoch_seconds for step in plan.steps if isinstance(step.action, MakeBundle))
        created = f"{datetime.fromtimestamp(newest, UTC):%Y-%m-%dT%H:%M:%SZ}"
        before = _read_before(output_dir, services)
        kept = _others(before, {artifact.key for artifact in made}, output_dir, services)
        if before is not None and kept:
            created = max(created, before.created)
        name = release or f"{created[:4]}.{created[5:7]}.0"
        planned = planned_by(before) if before is not None else frozenset[PlannedBundle]()
        planned = planned if expected is None else frozenset(expected.bundles)
        missing = still_missing(planned, (*kept, *made))
        document = write_manifest((*kept, *made), release=name, created=created, missing=missing)
        if times is not None:
            _replace(output_dir / TIMES_FILE, times_document(output_dir, times, services.events))
        _replace(output_dir / MANIFEST_NAME, document)
    return read_manifest(document)


def _deliver_bundle(
    action: MakeBundle, result: StepResult, results: Results, services: Services, output_dir: Path
) -> Artifact:
    artifact = Artifact.model_validate(result.facts["artifact"], strict=False)
    _place(result.blobs["bundle"], output_dir / artifact.url, services)
    for layer in _layers(action, results):
        url = next(found.url for found in artifact.layers if found.sha256 == layer.sha256)
        _place(layer, output_dir / url, services)
    for role, place in (("provenance", artifact.provenance), ("sbom", artifact.sbom)):
        if place is not None:
            _place(result.blobs[role], output_dir / place, services)
    return artifact


def _replace(path: Path, document: bytes) -> None:
    """Write a document so that a reader sees the old one or the new one, also after a crash."""
    if path.is_file() and path.read_bytes() == document:
        return
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as stream:
        stream.write(document)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _layers(action: MakeBundle, results: Results) -> list[BlobRef]:
    """Return the archives of a bundle's layers, optional ones too."""
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
        for blob in (*results[step.name].blobs.values(), *_layers(step.action, results))
    }
    needed = sum(blobs.values())
    hint = "free some space, or choose another folder with --output"
    require_space(output_dir, needed, host=services.host, hint=hint)


def _read_before(output_dir: Path, services: Services) -> Manifest | None:
    path = output_dir / MANIFEST_NAME
    if not path.is_file():
        return None
    try:
        return read_manifest(path.read_bytes())
    except IntegrityError as error:
        services.events.emit(Notice(f"{path} is replaced: {error.message}", "warning"))
        return None


def _others(
    before: Manifest | None, replaced: set[tuple[str, str, str, str]], output_dir: Path, services: Services
) -> list[Artifact]:
    """Return the entries of an earlier manifest that stay: other targets whose files are all still there."""
    kept = []
    for artifact in before.artifacts if before else ():
        if artifact.key in replaced:
            continue
        places = [(artifact.url, artifact.size), *((layer.url, layer.size) for layer in artifact.layers)]
        statements = [url for url in (artifact.provenance, artifact.sbom) if url is not None]
        if all((output_dir / url).is_file() for url in statements) and all(
            (output_dir / url).is_file() and (output_dir / url).stat().st_size == size for url, size in places
        ):
            kept.append(artifact)
        else:
            gone = f"{artifact.target} {artifact.version} leaves the manifest of {output_dir}: its files are gone"
            services.events.emit(Notice(gone, "warning"))
    return kept
