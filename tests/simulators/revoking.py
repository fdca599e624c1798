"""A publisher that signs a list of revoked builds, whatever is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import TargetFile

from pipeline.digest import sha256_bytes
from pipeline.model.manifest_document import read_manifest, write_document
from pipeline.model.repository_layout import METADATA_FOLDER, blob_path, revocations_target
from pipeline.model.revocation import Revocation, RevocationList
from pipeline.publish.signing import moment, sign_changes
from pipeline.publish.state import read_state
from tests.simulators.engine_world import ENGINE

if TYPE_CHECKING:
    from tests.simulators.engine_world import World


def revoke(world: World, *versions: str, reason: str = "it computes wrongly", engine: str = ENGINE) -> RevocationList:
    """Publish a list with every variant of some versions, and nothing else on it."""
    artifacts = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
    revoked = tuple(
        Revocation(
            target=artifact.target,
            version=artifact.version,
            sha256=artifact.sha256,
            reason=reason,
            revoked_at="2026-11-25T12:00:00Z",
        )
        for artifact in artifacts
        if artifact.version in versions and artifact.engine == engine
    )
    listed = RevocationList(engine=engine, revoked=revoked)
    publish_list(world, write_document(listed))
    return listed


def publish_list(world: World, data: bytes | None) -> None:
    """Sign a file as the list of revoked builds, or sign that there is none."""
    keys, now = world.keys, moment(world.clock.now_seconds())
    state = read_state(world.repository, trusted_root=keys.root)
    targets = dict(state.published)
    targets.pop(revocations_target(ENGINE), None)
    if data is not None:
        path = revocations_target(ENGINE)
        targets[path] = TargetFile.from_data(path, data, ["sha256"])
        blob = world.repository / blob_path(sha256_bytes(data))
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
    for metadata in sign_changes(state, targets, keys=keys, now=now):
        (world.repository / METADATA_FOLDER / metadata.filename).write_bytes(metadata.data)
