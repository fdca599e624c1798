"""Whether a mirror may become what was exported: judged on a view of it, before anything is switched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.mirror.import_pieces import is_file_there
from pipeline.deploy.mirror.promised import INSTALLER_LIST, lacking
from pipeline.deploy.mirror.signed_chain import SignedChain, lane_folders, read_chain
from pipeline.deploy.trust import TrustedRepository
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.counts import counted
from pipeline.model.mirror_export import LARGEST_SMALL_FILE_BYTES
from pipeline.model.mirror_paths import COPIES, metadata_folder_of, sha256_of_blob
from pipeline.model.repository_layout import blob_path

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.mirror_export import ExportedFile, ExportIndex
    from pipeline.ports import Disk, Services

_SHOWN = 5


class RollbackError(TrustError):
    """Metadata that would replace newer one."""


def require_base(mirror: Path, index: ExportIndex) -> None:
    """Refuse a difference to something that this mirror is not.

    Raises:
        IntegrityError: files that the difference counts on are missing; they are named.
    """
    lacking = [file.path for file in index.base if not is_file_there(mirror, file, by_size=True)]
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise IntegrityError(
            f"the export is a difference, and {mirror} lacks {counted(len(lacking), 'file')} that it counts on:"
            f" {', '.join(lacking[:_SHOWN])}{more}",
            hint="import the export that it was made --since first, or carry a whole one",
        )


def complete_view(view: Path, mirror: Path, index: ExportIndex, disk: Disk) -> None:
    """Add to the view what is needed to judge it and lies in the mirror already: metadata and lists."""
    for file in (*index.files, *index.base):
        place, own = view / file.path, mirror / file.path
        by_name = metadata_folder_of(file.path) is not None or file.path in {*COPIES, INSTALLER_LIST}
        needed = by_name or (sha256_of_blob(file.path) is not None and file.size <= LARGEST_SMALL_FILE_BYTES)
        if needed and not place.is_file() and own.is_file():
            disk.make_dirs(place.parent, durable=False)
            disk.link_file(own, place)


def read_view(view: Path, index: ExportIndex) -> tuple[SignedChain, ...]:
    """Return what each lane of the view signs, if it signs everything that is signed by its nature.

    Raises:
        IntegrityError: metadata does not fit together, or the export has metadata or blobs that nothing signs.
    """
    chains = tuple(read_chain(view, folder) for folder in lane_folders(view))
    metadata = {f"{chain.folder}/{name}" for chain in chains for name in chain.files}
    signed: dict[str, set[int]] = {}
    for chain in chains:
        for sha256, size in chain.targets.items():
            signed.setdefault(blob_path(sha256), set()).add(size)
    for file in (*index.files, *index.base):
        if metadata_folder_of(file.path) is not None and file.path not in metadata:
            raise _unsigned(file)
        if sha256_of_blob(file.path) is not None and signed.get(file.path) != {file.size}:
            raise _unsigned(file)
    if not chains:
        raise IntegrityError("the export has no metadata", hint="it was changed; carry it again")
    if lost := lacking(view, chains, (*index.files, *index.base)):
        raise IntegrityError(
            f"the export lacks {counted(len(lost), 'file')} that its mirror holds: {', '.join(lost[:_SHOWN])}"
        )
    return chains


def require_newer(mirror: Path, chains: tuple[SignedChain, ...]) -> None:
    """Refuse metadata that is older than what the mirror has, lane by lane, and lanes of other keys.

    What the mirror has is compared also when it has expired. A lane of it that is damaged says nothing.

    Raises:
        RollbackError: a version would go down.
        TrustError: the mirror's lane starts from another root.
    """
    for chain in chains:
        try:
            own = read_chain(mirror, chain.folder)
        except IntegrityError:
            continue
        first = next(iter(own.files))
        if chain.files.get(first, own.files[first]) != own.files[first]:
            raise TrustError(
                f"{mirror / chain.folder} is signed by other keys than the export's",
                hint="import into another folder; a mirror never changes its keys but by a new root",
            )
        for role, version in own.versions.items():
            if chain.versions.get(role, version) < version:
                raise RollbackError(
                    f"the export is older than {mirror}: its {role} of {chain.folder} has version"
                    f" {chain.versions[role]}, the mirror's {version}",
                    hint="carry a newer export; an older state is never put over a newer one",
                )


def require_trusted(
    view: Path, state_dir: Path, *, trusted_root: bytes, index: ExportIndex, services: Services, disk: Disk
) -> None:
    """Bring the view's metadata in as an installer would.

    Raises:
        TrustError: it is expired, rolled back or not signed under the trusted root.
        IntegrityError: it is malformed, or contradicts a manifest.
    """
    listed = {file.path for file in (*index.files, *index.base)}
    with TrustedRepository.open(
        str(view), state_dir=state_dir, trusted_root=trusted_root, services=services, disk=disk
    ) as repository:
        for engine in repository.engines():
            repository.revocations(engine)  # refuses a list that lacks what the mirror's had
            for artifact in repository.manifest(engine).artifacts:
                if blob_path(artifact.sha256) in listed:
                    repository.require_signed(
                        engine=engine, sha256=artifact.sha256, size_bytes=artifact.size, what=artifact.target
                    )


def _unsigned(file: ExportedFile) -> IntegrityError:
    return IntegrityError(
        f"{file.path} of the export is signed by nothing in it", hint="the export was changed; carry it again"
    )
