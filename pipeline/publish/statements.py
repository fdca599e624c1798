"""Provenance signed: each new bundle's statement in a DSSE envelope, by the keys that sign for its engine.

What is published keeps the envelope that it has: signatures of some kinds of keys differ each time they are made, and
publishing twice must change nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from securesystemslib.dsse import Envelope

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.model.document_text import document_text
from pipeline.model.repository_layout import blob_path
from pipeline.model.statements import PAYLOAD_TYPE, PROVENANCE_SUFFIX, read_statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.repository_layout import TargetFolder
    from pipeline.publish.dist import Dist
    from pipeline.publish.signing import EngineKeys


def sign_statements(dist: Dist, *, published: Mapping[str, Manifest], keys: EngineKeys, dry_run: bool) -> Dist:
    """Return a dist whose new artifacts name signed statements, and whose others name what is published of them.

    Args:
        dist: with the statements as they were built.
        published: engine to its manifest.
        keys: that sign; only opened when there is something new.
        dry_run: sign nothing; the names of what would be signed are then not the final ones.

    Raises:
        IntegrityError: a statement is not about its artifact.
        TrustError, UsageError: a key cannot be opened.
    """
    known = {artifact.key: artifact for manifest in published.values() for artifact in manifest.artifacts}
    artifacts: list[Artifact] = []
    documents, names = dict(dist.documents), dict(dist.names)
    for artifact in dist.artifacts:
        statement = dist.statements.get(artifact.key)
        before = known.get(artifact.key)
        if before is not None and _same(before, artifact, has_statement=statement is not None):
            artifacts.append(before)
        elif statement is None:
            artifacts.append(artifact)
        else:
            _check(statement, artifact)
            data = statement if dry_run else _sign(statement, artifact, keys)
            sha256 = sha256_bytes(data)
            documents[sha256] = data
            names[sha256] = (
                f"{artifact.engine}-{artifact.version}-{artifact.platform}-{artifact.accel}{PROVENANCE_SUFFIX}"
            )
            artifacts.append(artifact.model_copy(update={"provenance": blob_path(sha256)}))
    return replace(dist, artifacts=tuple(artifacts), documents=documents, names=names)


def _same(before: Artifact, artifact: Artifact, *, has_statement: bool) -> bool:
    """Tell whether an artifact is the published one, whoever made the statements about it."""
    if (before.provenance is None, before.sbom is None) != (not has_statement, artifact.sbom is None):
        return False
    apart: dict[str, None] = {"provenance": None, "sbom": None}
    return before.model_copy(update=apart) == artifact.model_copy(update=apart)


def _check(data: bytes, artifact: Artifact) -> None:
    what = f"the provenance of {artifact.target} {artifact.version}"
    statement = read_statement(data, what=what)
    wanted = {artifact.sha256, *(layer.sha256 for layer in artifact.layers)}
    if statement.digests() != wanted:
        raise IntegrityError(
            f"{what} is about other files than the bundle and its layers", hint="build the bundle again"
        )


def _sign(statement: bytes, artifact: Artifact, keys: EngineKeys) -> bytes:
    envelope = Envelope(statement, PAYLOAD_TYPE, {})
    folder: TargetFolder = "envs" if artifact.origin == "assembled" else "engines"
    for signer in keys.signers(artifact.engine, folder):
        envelope.sign(signer)
    return document_text(envelope.to_dict())
