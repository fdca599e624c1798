"""The manifest and the bundle card as bytes: one canonical spelling out, a distrustful reader in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from pipeline.errors import IntegrityError
from pipeline.model.bundle_card import BundleCard
from pipeline.model.document_text import document_text
from pipeline.model.frozen import Frozen
from pipeline.model.manifest import SCHEMA_VERSION, Artifact, Manifest
from pipeline.model.release_plan import Partial, PlannedBundle
from pipeline.model.strict_json import first_repeated, parse_json
from pipeline.names import version_key

MANIFEST_SCHEMA_URL = f"urn:engine-pipeline:schema:manifest:v{SCHEMA_VERSION}"
_SHOWN_PROBLEMS = 3

Document = TypeVar("Document", bound=Frozen)


def write_document(value: Frozen) -> bytes:
    """Return a model's canonical JSON: sorted keys, two spaces, UTF-8, a newline at the end."""
    return document_text(value.model_dump(mode="json", by_alias=True))


def read_document(model: type[Document], data: bytes, *, what: str) -> Document:
    """Read a model from bytes of somebody else.

    Raises:
        IntegrityError: the bytes are no strict JSON (``strict_json``), or not of the model's closed schema.
    """
    parse_json(data, what=what)
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        shown = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'document'}: {problem['msg']}"
            for problem in problems[:_SHOWN_PROBLEMS]
        )
        more = f" (and {len(problems) - _SHOWN_PROBLEMS} more)" if len(problems) > _SHOWN_PROBLEMS else ""
        raise IntegrityError(
            f"{what} does not follow its schema: {shown}{more}",
            hint="it was changed, or is of a newer version of this program",
        ) from error


def artifact_order(artifact: Artifact) -> tuple[str, str, str, tuple[tuple[int, str], ...], str]:
    """Return the sort key of artifacts in a manifest: by name, then versions by number."""
    return (artifact.engine, artifact.platform, artifact.accel, version_key(artifact.version), artifact.version)


def planned_order(bundle: PlannedBundle) -> tuple[str, tuple[tuple[int, str], ...], str]:
    """Return the sort key of planned bundles: by name, then versions by number."""
    return (bundle.target, version_key(bundle.version), bundle.version)


def planned_as(artifact: Artifact) -> PlannedBundle:
    """Return what a release plan says of an artifact."""
    return PlannedBundle(target=artifact.target, version=artifact.version)


def planned_by(manifest: Manifest) -> frozenset[PlannedBundle]:
    """Return all of the release that a manifest is a part of; nothing where it does not call itself partial."""
    if manifest.partial is None:
        return frozenset()
    return frozenset((*map(planned_as, manifest.artifacts), *manifest.partial.missing))


def still_missing(planned: Iterable[PlannedBundle], artifacts: Iterable[Artifact]) -> tuple[PlannedBundle, ...]:
    """Return what is planned and not among the artifacts, in their order."""
    there = set(map(planned_as, artifacts))
    return tuple(sorted(set(planned) - there, key=planned_order))


def write_manifest(
    artifacts: Iterable[Artifact], *, release: str, created: str, missing: Iterable[PlannedBundle] = ()
) -> bytes:
    """Return the canonical bytes of a manifest.

    Args:
        artifacts: in any order; each key once.
        release: our own name of the release.
        created: RFC 3339, UTC, whole seconds, ``Z``.
        missing: what the release was to have besides; none means that the manifest is not called partial.

    Raises:
        IntegrityError: as ``read_manifest``, about what the manifest would say.
    """
    lacks = tuple(sorted(missing, key=planned_order))
    manifest = Manifest.model_validate(
        {
            "$schema": MANIFEST_SCHEMA_URL,
            "schema_version": SCHEMA_VERSION,
            "release": release,
            "created": created,
            "artifacts": tuple(sorted(artifacts, key=artifact_order)),
            "partial": Partial(missing=lacks) if lacks else None,
        }
    )
    _check_meaning(manifest, what="manifest")
    return write_document(manifest)


def read_manifest(data: bytes, *, what: str = "manifest") -> Manifest:
    """Read a manifest of somebody else.

    Raises:
        IntegrityError: as for ``read_document``, or a key or a layer name is not unique, real bundles stand beside
            those of a rehearsal, or something is missing that is there.
    """
    manifest = read_document(Manifest, data, what=what)
    _check_meaning(manifest, what=what)
    return manifest


def write_bundle_card(card: BundleCard) -> bytes:
    """Return the canonical bytes of ``bundle.json``."""
    return write_document(card)


def read_bundle_card(data: bytes, *, what: str = "bundle.json") -> BundleCard:
    """Read a bundle's card.

    Raises:
        IntegrityError: as for ``read_document``, or a file is listed twice.
    """
    card = read_document(BundleCard, data, what=what)
    paths = [entry.path for entry in card.files]
    if len(set(paths)) != len(paths):
        raise IntegrityError(f"{what} lists a file twice", hint="the bundle was not written by this program")
    return card


def manifest_schema() -> dict[str, object]:
    """Return the JSON schema of the manifest, generated from its model."""
    schema = Manifest.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": MANIFEST_SCHEMA_URL, **schema}


def write_schema() -> bytes:
    """Return the text of manifests/schema/manifest-v1.schema.json."""
    return (json.dumps(manifest_schema(), sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def _check_meaning(manifest: Manifest, *, what: str) -> None:
    if (twice := first_repeated(artifact.key for artifact in manifest.artifacts)) is not None:
        raise IntegrityError(f"{what} lists {' '.join(twice)} twice", hint="a key stands once in a manifest")
    for artifact in manifest.artifacts:
        names = [layer.name for layer in artifact.layers]
        if len(set(names)) != len(names):
            raise IntegrityError(f"{what}: {artifact.target} {artifact.version} has two layers of one name")
    if len({artifact.rehearsal for artifact in manifest.artifacts}) > 1:
        hint = "the two are never joined; make them into folders of their own"
        raise IntegrityError(f"{what} lists real bundles beside those of a rehearsal", hint=hint)
    missing = manifest.partial.missing if manifest.partial else ()
    there = {planned_as(artifact) for artifact in manifest.artifacts}
    if (again := first_repeated(map(str, (*there, *missing)))) is not None:
        hint = "what a release lacks is listed once, and is not there"
        raise IntegrityError(f"{what} calls {again} missing and lists it, or calls it missing twice", hint=hint)
