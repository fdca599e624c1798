"""Provenance signed: each bundle's statement in a DSSE envelope, by the keys that sign for its engine.

What is published keeps the envelope that it has as long as those keys vouch for it: signatures of some kinds of keys
differ each time they are made, and publishing twice must change nothing. When an engine has other keys, what they have
not signed yet is signed again.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.exceptions import VerificationError
from tuf.api.metadata import Delegations

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.bill_of_materials import BILL_LIMIT_BYTES, bill_fault
from pipeline.model.document_text import document_text
from pipeline.model.repository_layout import blob_path, manifest_target
from pipeline.model.statements import LIMIT_BYTES, PAYLOAD_TYPE, PROVENANCE_SUFFIX, read_statement, subject_fault
from pipeline.publish.delegating import owners_without_role, role_for, roles_of, wanted_delegations
from pipeline.publish.dist import EMPTY_DIST
from pipeline.publish.policy import require_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from tuf.api.metadata import DelegatedRole

    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.repository_layout import TargetFolder
    from pipeline.publish.dist import Dist
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.state import RepositoryState


class Stated(NamedTuple):
    """What is offered and what is published, with signed statements.

    Attributes:
        dist: whose new artifacts name signed statements, and whose others are the published ones.
        published: engine to its manifest, with envelopes that the engine's present keys have signed.
    """

    dist: Dist
    published: dict[str, Manifest]


class StatementSigning:
    """The envelopes of one change of a repository."""

    def __init__(
        self,
        state: RepositoryState,
        repository: Path,
        keys: KeyFolder,
        *,
        policy: bytes | None,
        now: datetime,
        dry_run: bool,
    ) -> None:
        """Open nothing yet.

        Args:
            state: of the repository, verified.
            repository: its folder, for the envelopes in it.
            keys: that sign; only opened when there is something to sign.
            policy: targets metadata that was signed elsewhere and will be published.
            now: the moment at which it must hold.
            dry_run: sign nothing; the names of what would be signed are then not the final ones.
        """
        self._state = state
        self._repository = repository
        self._keys = keys
        self._policy = policy
        self._now = now
        self._dry_run = dry_run
        self._documents: dict[str, bytes] = {}
        self._names: dict[str, str] = {}
        self._delegations = Delegations({}, {})

    def run(self, dist: Dist | None, *, warn: Callable[[str], None]) -> Stated:
        """Sign the statements that are new, and again those that an engine's present keys have not signed.

        Args:
            dist: with the statements as they were built; None when nothing is added.
            warn: takes what could not be signed again.

        Raises:
            IntegrityError: a statement or a bill of materials is not about its artifact.
            TrustError, UsageError, HostError: a key cannot be opened.
        """
        offered = dist or EMPTY_DIST
        self._delegations = self._coming(offered)
        published = self._renewed(warn)
        return Stated(self._offered_by(offered, published), published)

    def _coming(self, dist: Dist) -> Delegations:
        """Return who speaks for which engine once this is published (``signing`` decides it by the same rules)."""
        if self._policy is not None:
            return require_policy(self._policy, self._state, now=self._now).delegations or Delegations({}, {})
        current = None if self._state.targets is None else self._state.targets.delegations
        new = owners_without_role(map(_manifest, dist.artifacts), current)
        if current is not None and not new and not self._keys.can_sign(self._state.root.roles["targets"]):
            return current
        return wanted_delegations(current, new, self._keys)

    def _renewed(self, warn: Callable[[str], None]) -> dict[str, Manifest]:
        """Return the published manifests, with other envelopes where the present keys have not signed those there."""
        manifests: dict[str, Manifest] = {}
        late: list[str] = []
        for engine, manifest in self._state.manifests.items():
            artifacts = []
            for artifact in manifest.artifacts:
                payload = self._unsigned_payload(artifact)
                if payload is not None and not self._keys.can_sign(self._role(artifact)):
                    late.append(f"{artifact.target} {artifact.version}")
                    payload = None
                artifacts.append(artifact if payload is None else self._sign(payload, artifact))
            manifests[engine] = manifest.model_copy(update={"artifacts": tuple(artifacts)})
        if late:
            warn(
                f"the provenance of {late[0]}{f' and {len(late) - 1} more' if late[1:] else ''} is not signed by the"
                f" engine's present keys, which are not in {self._keys.folder}; `verify` finds fault with it"
            )
        return manifests

    def _offered_by(self, dist: Dist, published: dict[str, Manifest]) -> Dist:
        """Return the dist with signed statements, without files that nothing names any more."""
        known = {artifact.key: artifact for manifest in published.values() for artifact in manifest.artifacts}
        artifacts = tuple(self._offered(artifact, known.get(artifact.key), dist) for artifact in dist.artifacts)
        named = {sha256 for artifact in artifacts for sha256 in _digests(artifact)}
        return replace(
            dist,
            artifacts=artifacts,
            files={sha256: file for sha256, file in dist.files.items() if sha256 in named},
            names={**dist.names, **self._names},
            documents=self._documents,
        )

    def _offered(self, artifact: Artifact, before: Artifact | None, dist: Dist) -> Artifact:
        statement = dist.statements.get(artifact.key)
        if before is not None and _same(before, artifact, has_statement=statement is not None):
            if statement is None or self._blob(before.provenance) is not None:
                return before
        else:
            _check_bill(artifact, dist)
        if statement is None:
            return artifact
        _check_statement(statement, artifact)
        return self._sign(statement, artifact)

    def _unsigned_payload(self, artifact: Artifact) -> bytes | None:
        """Return what an envelope holds when those who should have signed it have not.

        Its bytes are those that signed metadata names, so that the payload is what was published.
        """
        data = self._blob(artifact.provenance)
        envelope = None if data is None else _envelope(data)
        if envelope is None or envelope.payload_type != PAYLOAD_TYPE:
            return None  # of a repository from before statements were signed, or damaged, which `verify` says
        role = self._role(artifact)
        public = [key for keyid, key in self._delegations.keys.items() if keyid in role.keyids]
        try:
            envelope.verify(public, role.threshold)
        except (VerificationError, ValueError):  # ValueError: fewer keys than the threshold
            return bytes(envelope.payload)
        return None

    def _role(self, artifact: Artifact) -> DelegatedRole:
        """Return the role that speaks for an artifact.

        Raises:
            TrustError: nobody does.
        """
        name = role_for(_manifest(artifact), self._delegations)
        if name is None:
            raise TrustError(
                f"nobody may sign for {artifact.engine} in this repository yet",
                hint="where the keys of the role targets are kept: `sign --role targets`; then publish again",
            )
        return roles_of(self._delegations)[name]

    def _sign(self, statement: bytes, artifact: Artifact) -> Artifact:
        data = statement if self._dry_run else self._seal(statement, artifact)
        sha256 = sha256_bytes(data)
        self._documents[sha256] = data
        self._names[sha256] = (
            f"{artifact.engine}-{artifact.version}-{artifact.platform}-{artifact.accel}{PROVENANCE_SUFFIX}"
        )
        return artifact.model_copy(update={"provenance": blob_path(sha256)})

    def _seal(self, statement: bytes, artifact: Artifact) -> bytes:
        envelope = Envelope(statement, PAYLOAD_TYPE, {})
        role = self._role(artifact)
        for signer in self._keys.signers_for(role.name, role):
            envelope.sign(signer)
        return document_text(envelope.to_dict())

    def _blob(self, place: str | None) -> bytes | None:
        """Return a small blob, None when it is not there or not what its name says."""
        if place is None:
            return None
        try:
            with (self._repository / place).open("rb") as stream:
                data = stream.read(LIMIT_BYTES + 1)
        except OSError:
            return None
        return data if place == blob_path(sha256_bytes(data)) else None


def _manifest(artifact: Artifact) -> str:
    """Return the target path of the manifest that an artifact is in."""
    folder: TargetFolder = "envs" if artifact.origin == "assembled" else "engines"
    return manifest_target(artifact.engine, folder)


def _envelope(data: bytes) -> Envelope | None:
    try:
        return Envelope.from_dict(json.loads(data))
    except (SecureSystemsError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _same(before: Artifact, artifact: Artifact, *, has_statement: bool) -> bool:
    """Tell whether an artifact is the published one, whoever made the statements about it."""
    if (before.provenance is None, before.sbom is None) != (not has_statement, artifact.sbom is None):
        return False
    return before.is_same_build(artifact)


def _check_statement(data: bytes, artifact: Artifact) -> None:
    what = f"the provenance of {artifact.target} {artifact.version}"
    if said := subject_fault(read_statement(data, what=what), artifact):
        raise IntegrityError(f"{what} is not to be signed: {said}", hint="build the bundle again")


def _check_bill(artifact: Artifact, dist: Dist) -> None:
    if artifact.sbom is None:
        return
    path = dist.files[artifact.sbom.rpartition("/")[2]].path
    with path.open("rb") as stream:
        data = stream.read(BILL_LIMIT_BYTES + 1)
    if said := bill_fault(data, artifact):
        raise IntegrityError(f"{path} is no bill of materials to be published: {said}", hint="build the bundle again")


def _digests(artifact: Artifact) -> Iterable[str]:
    yield artifact.sha256
    yield from (layer.sha256 for layer in artifact.layers)
    if artifact.sbom is not None:
        yield artifact.sbom.rpartition("/")[2]
