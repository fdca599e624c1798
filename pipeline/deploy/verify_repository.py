"""A published repository: metadata as a client sees it, files by their digest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline.deploy.comparing import ListedFile, size_of
from pipeline.deploy.metadata_door import TARGETS_LIMIT_BYTES
from pipeline.deploy.reading import read_plain
from pipeline.deploy.statements import NOBODY, check_published, note_bare
from pipeline.deploy.trust import TrustedRepository
from pipeline.digest import is_sha256
from pipeline.errors import IntegrityError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import (
    BLOBS_FOLDER,
    LOCK_FILE,
    MANIFEST_COPY,
    METADATA_FOLDER,
    README,
    STAGING_FOLDER,
    blob_path,
)
from pipeline.model.strict_json import LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk, Services

_FIRST_ROOT = f"{METADATA_FOLDER}/1.root.json"
_OWN_FILES = frozenset({MANIFEST_COPY, README, LOCK_FILE})


def verify_repository(
    folder: Path,
    comparison: FileComparison,
    *,
    services: Services,
    disk: Disk,
    trusted_root: bytes | None,
    wanted: frozenset[str] | None = None,
    beside: frozenset[str] = frozenset(),
) -> None:
    """Bring the metadata in as an installer would, then read every file that it lists and every other one.

    A file under its right digest that no metadata lists (of a replaced version, or of a publisher that died) is
    verified: nobody will install it, and it is what its name says.

    Args:
        folder: of the repository.
        comparison: takes what is found.
        services: work folder for the state of the check, clock.
        disk: how that state is kept.
        trusted_root: signatures are checked from here; None for the root that the repository brings itself.
        wanted: digests of the blobs that must be there, for a copy of a part of a repository: what else the metadata
            lists may be absent, but must be right where it is there. None: every blob that is listed.
        beside: names at the top of the folder that are no part of the repository and that the caller looks at itself.

    Raises:
        TrustError: the metadata is expired, or not signed as it must be.
        IntegrityError: the metadata is malformed or incomplete, or contradicts the manifests.
    """
    root = _own_root(folder) if trusted_root is None else trusted_root
    with (
        services.store.work_dir("verify-repository") as state_dir,
        TrustedRepository.open(
            str(folder), state_dir=state_dir, trusted_root=root, services=services, disk=disk
        ) as repository,
    ):
        blobs = _listed_blobs(folder, repository.signed_files(), wanted)
        _verify_manifests(folder, repository, comparison, is_part=wanted is not None)
        for path, place in comparison.walk(folder):
            top, _, name = path.partition("/")
            if path in blobs or path in _OWN_FILES or top == STAGING_FOLDER or top in beside:
                continue
            if path.startswith(f"{repository.metadata_folder}/"):
                verify_metadata_file(folder, path, repository, comparison)
            elif top == BLOBS_FOLDER and is_sha256(name[3:]) and path == blob_path(name[3:]):
                blobs[path] = ListedFile(folder / path, path, name[3:], None)
            else:
                comparison.add_unexpected(path, place)
        comparison.compare_files(blobs.values())


def _listed_blobs(folder: Path, signed: Mapping[str, int], wanted: frozenset[str] | None) -> dict[str, ListedFile]:
    """Return the blobs that must be there, and those that may and are, by their path."""
    required = signed.keys() if wanted is None else wanted
    paths = {blob_path(sha256): sha256 for sha256 in (*signed, *sorted(required))}
    return {
        path: ListedFile(folder / path, path, sha256, signed.get(sha256))
        for path, sha256 in paths.items()
        if sha256 in required or os.path.lexists(folder / path)
    }


def _own_root(folder: Path) -> bytes:
    try:
        return read_plain(folder / _FIRST_ROOT, limit_bytes=LIMIT_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IntegrityError(
            f"{folder} has no {_FIRST_ROOT}", hint="give the publisher's root.json with --trusted-root"
        ) from error


def verify_metadata_file(folder: Path, path: str, repository: TrustedRepository, comparison: FileComparison) -> None:
    """Check the signatures of one file; versions that are no longer current included."""
    name = path.removeprefix(f"{repository.metadata_folder}/")
    if repository.is_signed_metadata(name, b"") is None:
        comparison.add_unexpected(path, str(folder / path))
        return
    try:
        data = read_plain(folder / path, limit_bytes=TARGETS_LIMIT_BYTES)
    except FileNotFoundError:
        comparison.add(path, "missing")
        return
    except IntegrityError as error:
        comparison.add(path, "changed", error.message, size_bytes=size_of(folder / path))
        return
    comparison.bytes_read += len(data)
    if repository.is_signed_metadata(name, data):
        comparison.add_verified(path, len(data))
    else:
        comparison.add(path, "changed", "it is not signed as it must be", size_bytes=len(data))


def _verify_manifests(
    folder: Path, repository: TrustedRepository, comparison: FileComparison, *, is_part: bool
) -> None:
    """Check that every file a manifest names is signed, and that the copy for people says what the manifests say.

    A copy of a part of a repository may lack manifests, and its copy for people may be absent or list fewer artifacts.
    """
    signed = set(repository.signed_files())
    artifacts: dict[tuple[str, str, str, str], Artifact] = {}
    for engine in repository.engines():
        try:
            offered = repository.manifest(engine).artifacts
        except IntegrityError:
            if is_part:
                continue
            return  # its blob is named already
        for artifact in offered:
            _require_signed(artifact, signed)
            signers = repository.statement_signers(engine) or NOBODY
            check_published(folder, artifact, comparison, signers=signers, signed=signed)
            artifacts[artifact.key] = artifact
    note_bare(artifacts.values(), comparison)
    _verify_copy(folder, artifacts, comparison, is_part=is_part)


def _verify_copy(
    folder: Path,
    artifacts: dict[tuple[str, str, str, str], Artifact],
    comparison: FileComparison,
    *,
    is_part: bool,
) -> None:
    try:
        data = read_plain(folder / MANIFEST_COPY, limit_bytes=LIMIT_BYTES)
        copied = {artifact.key: artifact for artifact in read_manifest(data).artifacts}
    except FileNotFoundError:
        if not is_part:
            comparison.add(MANIFEST_COPY, "missing", "the copy for people; `publish` writes it again")
    except IntegrityError as error:
        comparison.add(MANIFEST_COPY, "changed", error.message, size_bytes=size_of(folder / MANIFEST_COPY))
    else:
        if copied == artifacts or (is_part and copied.items() <= artifacts.items()):
            comparison.add_verified(MANIFEST_COPY, len(data))
        else:
            why = "the copy for people differs from the signed manifests"
            comparison.add(MANIFEST_COPY, "changed", why, size_bytes=len(data))


def _require_signed(artifact: Artifact, signed: set[str]) -> None:
    for sha256 in (artifact.sha256, *(layer.sha256 for layer in artifact.layers)):
        if sha256 not in signed:
            raise IntegrityError(f"{artifact.target} {artifact.version} names {sha256}, which is not signed")
