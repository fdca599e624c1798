"""Who made a bundle from what: an in-toto statement with SLSA v1 provenance, the same bytes for the same inputs.

It is written without a signature, since builders hold no keys; the publisher signs it. There is no time of day in it
and nothing of the machine but its tools, so that a second build can confirm it byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.document_text import document_text
from pipeline.model.statements import BUILD_TYPE, BUILDER_ID, PREDICATE_TYPE, STATEMENT_TYPE, Material, file_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.actions import MakeBundle
    from pipeline.model.manifest import Artifact


def write_provenance(artifact: Artifact, action: MakeBundle) -> bytes:
    """Return the statement about a bundle and its layers.

    Args:
        artifact: finished, with its digest.
        action: that it was made by.
    """
    files = [(artifact.url, artifact.sha256), *((layer.url, layer.sha256) for layer in artifact.layers)]
    subjects = {sha256: file_name(url) for url, sha256 in files}
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
                    },
                    "internalParameters": {
                        "toolchain": artifact.toolchain,
                        "sourceDateEpoch": action.epoch_seconds,
                        "proof": artifact.proof.model_dump(mode="json"),
                        "layers": [{"name": layer.name, "tree": layer.tree_sha256} for layer in artifact.layers],
                    },
                    "resolvedDependencies": [_descriptor(material) for material in materials(artifact, action)],
                },
                "runDetails": {
                    "builder": {"id": BUILDER_ID, "version": {"engine-pipeline": action.builder_version}},
                    "metadata": {"invocationId": f"urn:engine-pipeline:bundle:sha256:{artifact.sha256}"},
                },
            },
        }
    )


def materials(artifact: Artifact, action: MakeBundle) -> tuple[Material, ...]:
    """Return what a bundle was made from: the pinned source, or upstream's archives."""
    repository, tag = artifact.upstream.repository, artifact.upstream.tag
    archives = (
        Material(
            uri=f"pkg:github/{repository}@{tag}#{archive.name}",
            name=archive.name,
            digest={"sha256": archive.sha256},
        )
        for archive in artifact.upstream.archives
    )
    return (*action.materials, *archives)


def _descriptor(material: Material) -> Mapping[str, object]:
    return {"uri": material.uri, "name": material.name, "digest": material.digest}
