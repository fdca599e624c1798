"""What a mirror holds, as its publisher's metadata signs it: the only thing that a lane may sign again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import Metadata, Targets

from pipeline.deploy.mirror.source_metadata import MetadataReader
from pipeline.deploy.mirror.wanted import wanted_files
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import IntegrityError, NothingSelectedError, TrustError
from pipeline.model.mirror_content import MirrorContent, SealedEngine
from pipeline.model.repository_layout import (
    METADATA_FOLDER,
    blob_path,
    manifest_target,
    owner_of_target,
    revocations_target,
    trees_of_delta_target,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuf.api.metadata import DelegatedRole, Delegations, TargetFile

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.model.manifest import Manifest
    from pipeline.model.mirror import MirrorDocument
    from pipeline.model.repository_layout import TargetFolder
    from pipeline.ports import Disk, Services


_ALL_OF_IT = {"with_debug": True, "with_bundles": True}


def mirror_content(layout: MirrorLayout, *, trusted_root: bytes, services: Services, disk: Disk) -> MirrorContent:
    """Return what a mirror holds, by engine, after bringing its metadata in as an installer would.

    Raises:
        UsageError: it is no mirror that was completed.
        TrustError: its metadata is expired, older than what was seen, not signed as it must be, or a lane's.
        IntegrityError: ``mirror.json`` lists what the signed manifests do not.
        NothingSelectedError: it holds nothing.
    """
    document = layout.require_document()
    with TrustedRepository.open(
        str(layout.folder), state_dir=layout.trust_dir, trusted_root=trusted_root, services=services, disk=disk
    ) as repository:
        if repository.metadata_folder != METADATA_FOLDER:
            raise TrustError(
                "the trusted root is a lane's; a mirror is sealed from its publisher's metadata",
                hint="give the publisher's root.json with --trusted-root",
            )
        repository.signed_files()
        state_dir = layout.trust_dir / repository.identity
        reader = MetadataReader(state_dir, lambda _name, _limit: None, text=str(layout.folder))
        signed = {
            path: target
            for path, target in reader.everything().targets.items()
            if not trees_of_delta_target(path) or (layout.folder / blob_path(target.hashes["sha256"])).is_file()
        }
        delegations = Metadata[Targets].from_bytes((state_dir / "targets.json").read_bytes()).signed.delegations
        held = {(a.target, a.version): a.sha256 for a in document.artifacts}
        engines = [
            found
            for engine in repository.engines()
            if (found := _sealed(engine, repository.manifest(engine), signed, delegations, document, held)) is not None
        ]
        development = repository.development
    if held:
        target, version = next(iter(held))
        raise IntegrityError(
            f"mirror.json lists {target} {version}, which no signed manifest has so", hint="run `mirror sync` first"
        )
    if not engines:
        raise NothingSelectedError(f"{layout.folder} holds nothing that can be sealed", hint="run `mirror sync` first")
    return MirrorContent(engines=tuple(engines), development=development)


def _sealed(
    engine: str,
    manifest: Manifest,
    signed: Mapping[str, TargetFile],
    delegations: Delegations | None,
    document: MirrorDocument,
    held: dict[tuple[str, str], str],
) -> SealedEngine | None:
    """Return what is held of one engine, and strike it off ``held``; None where nothing is."""
    artifacts = tuple(a for a in manifest.artifacts if held.get((a.target, a.version)) == a.sha256)
    if not artifacts:
        return None
    for artifact in artifacts:
        del held[artifact.target, artifact.version]
    folder = _folder(engine, signed)
    own = {path: target for path, target in signed.items() if owner_of_target(path) == (folder, engine)}
    # Signed is all that the manifest names, held or not: then whoever reads the lane finds no contradiction. Nothing
    # names deltas, so those that are not held are left out.
    wanted = wanted_files(artifacts, targets=own, selection=document.selection.model_copy(update=_ALL_OF_IT))
    held_files = wanted_files(artifacts, targets=own, selection=document.selection)
    manifest_sha256 = own[manifest_target(engine, folder)].hashes["sha256"]
    revocations = own.get(revocations_target(engine, folder))
    role = _role(manifest_target(engine, folder), delegations)
    keys = {} if delegations is None else delegations.keys
    return SealedEngine(
        engine=engine,
        folder=folder,
        release=manifest.release,
        created=manifest.created,
        artifacts=artifacts,
        files={sha256: file.size_bytes for sha256, file in wanted.items() if sha256 != manifest_sha256},
        held=tuple(sorted(held_files.keys() - {manifest_sha256})),
        deltas={
            path: sha256
            for path, target in own.items()
            if trees_of_delta_target(path) and (sha256 := target.hashes["sha256"]) in held_files
        },
        revocations=None if revocations is None else revocations.hashes["sha256"],
        threshold=role.threshold,
        keys={keyid: keys[keyid].to_dict() for keyid in role.keyids if keyid in keys},
    )


def _folder(engine: str, signed: Mapping[str, TargetFile]) -> TargetFolder:
    return "engines" if manifest_target(engine) in signed else "envs"


def _role(path: str, delegations: Delegations | None) -> DelegatedRole:
    roles = {} if delegations is None else delegations.roles or {}
    return next(role for role in roles.values() if role.is_delegated_path(path))
