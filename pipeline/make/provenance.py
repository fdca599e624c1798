"""Who made a bundle from what: an in-toto statement with SLSA v1 provenance, the same bytes for the same inputs.

It is written without a signature, since builders hold no keys; the publisher signs it. There is no time of day in it
and nothing of the machine but its tools and the kind of its compiler cache, so that a second build can confirm it byte
for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.document_text import document_text
from pipeline.model.statements import (
    BUILD_TYPE,
    BUILDER_ID,
    COMPILER_CACHES_FIELD,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Material,
    file_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.actions import MakeBundle
    from pipeline.model.manifest import Artifact, UpstreamArchive

_PROOF_FIELD = "enginePipeline_proof"
# SLSA specification 1.0, provenance, "Extension fields": a field of one's own has a prefix of one's own.


def write_provenance(
    artifact: Artifact,
    action: MakeBundle,
    *,
    tools_from: Iterable[Material] = (),
    component_options: Mapping[str, Mapping[str, str]] | None = None,
    compiler_caches: Sequence[str] = (),
) -> bytes:
    """Return the statement about a bundle and its layers.

    Args:
        artifact: finished, with its digest.
        action: that it was made by.
        tools_from: what was used beside the sources: locks of dependencies.
        component_options: layer to the options that it was compiled with.
        compiler_caches: kinds of caches that objects may have come from, never where they are; empty where nothing
            was compiled here. The one thing that an equal build may say otherwise.
    """
    files = [(artifact.url, artifact.sha256), *((layer.url, layer.sha256) for layer in artifact.layers)]
    subjects = {sha256: file_name(url) for url, sha256 in files}
    used = (*materials(artifact, action), *tools_from, *_model(artifact))
    return document_text(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": sha256}} for sha256, name in subjects.items()],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {
                        "target": artifact.target,
                        "version": artifact.version,
                        "origin": artifact.origin,
                        "options": artifact.options,
                        "webUi": artifact.web_ui,
                        **({"rehearsal": True} if artifact.rehearsal else {}),
                    },
                    "internalParameters": {
                        "toolchain": artifact.toolchain,
                        "sourceDateEpoch": action.epoch_seconds,
                        "proofLevel": artifact.proof.level,
                        "components": component_options or {},
                        "layers": [{"name": layer.name, "tree": layer.tree_sha256} for layer in artifact.layers],
                    },
                    "resolvedDependencies": [_descriptor(material) for material in used],
                },
                "runDetails": _run_details(artifact, action, compiler_caches),
            },
        }
    )


def _run_details(artifact: Artifact, action: MakeBundle, compiler_caches: Sequence[str]) -> dict[str, object]:
    metadata: dict[str, object] = {_PROOF_FIELD: artifact.proof.repeatable().model_dump(mode="json")}
    if compiler_caches:
        metadata[COMPILER_CACHES_FIELD] = list(compiler_caches)
    return {
        "builder": {"id": BUILDER_ID, "version": {"engine-pipeline": action.builder_version}},
        "metadata": metadata,
    }


def materials(artifact: Artifact, action: MakeBundle) -> tuple[Material, ...]:
    """Return what a bundle was made from: the pinned source, or upstream's archives, the engine's own first."""
    return (*action.materials, *(_archive(artifact, archive) for archive in artifact.upstream.archives))


def _archive(artifact: Artifact, archive: UpstreamArchive) -> Material:
    """Name an archive of upstream's, and who vouches for its digest."""
    return Material(
        uri=f"pkg:github/{artifact.upstream.repository}@{artifact.upstream.tag}#{archive.name}",
        name=archive.name,
        digest={"sha256": archive.sha256},
        annotations={"trustLevel": archive.level},
    )


def _model(artifact: Artifact) -> tuple[Material, ...]:
    """Return the model that the proof generated with; it is in no bundle."""
    name, found, sha256 = (artifact.proof.model or "").rpartition(" sha256:")
    if not found:
        return ()
    return (Material(name=name, digest={"sha256": sha256}, annotations={"usedBy": "proof"}),)


def _descriptor(material: Material) -> Mapping[str, object]:
    """Return a material as in-toto's ResourceDescriptor: what is not known is left out."""
    described = material.model_dump(mode="json", exclude_none=True)
    return {key: value for key, value in described.items() if value}
