"""Importing an export: parts from one disk after another, and a mirror that stays the old one until all are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.metadata_client import read_root
from pipeline.deploy.mirror.import_check import (
    complete_view,
    read_view,
    require_base,
    require_newer,
    require_trusted,
)
from pipeline.deploy.mirror.import_pieces import Pieces
from pipeline.deploy.mirror.import_sources import find_export
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.errors import IntegrityError, NoSpaceError, TrustError, UsageError
from pipeline.events import StepProgress
from pipeline.model.manifest_document import write_document
from pipeline.model.mirror_export import INDEX_FILE, ImportOutcome
from pipeline.model.mirror_paths import COPIES, metadata_folder_of
from pipeline.model.repository_layout import LANE_FIELD, METADATA_FOLDER, MIRROR_STATE_FOLDER, metadata_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.deploy.mirror.signed_chain import SignedChain
    from pipeline.model.mirror_export import ExportedFile, ExportIndex
    from pipeline.ports import Disk, Services

_STEP = "import"
_IMPORTS = "import"
_SLACK_BYTES = 1 << 20


def import_export(
    sources: Sequence[Path],
    mirror: Path,
    *,
    trusted_root: bytes,
    services: Services,
    disk: Disk,
    dry_run: bool = False,
) -> ImportOutcome:
    """Bring what was exported into a mirror; called again it goes on, or finds everything done and changes nothing.

    Parts that are there are read once and kept in the mirror's private folder. While some are missing the outcome is
    not ``complete`` and the mirror stays as it is. When the last one came, every digest is compared, the metadata is
    brought in from the trusted root as an installer does it, and only then files move in: blobs first, the timestamp
    after all that it speaks of.

    Args:
        sources: folders with parts and the index, of any number of disks.
        mirror: folder of a mirror; made when it is not there.
        trusted_root: root metadata that the publisher gave; its lane must be in the export.
        services: events, space, clock.
        disk: how files are written.
        dry_run: say what is there and what is missing.

    Raises:
        UsageError: there is no export, or ``mirror`` is something else.
        IntegrityError: a part, a file or the index is damaged, or the base of a difference is missing; the mirror is
            as it was.
        TrustError: the metadata is expired, older than what the mirror has, or not signed under the trusted root.
        NoSpaceError, HostError: the mirror's disk is full or cannot be written.
    """
    layout = MirrorLayout(mirror)
    imports_dir = layout.state_dir / _IMPORTS
    if mirror.exists() and not (mirror.is_dir() and _may_be_mirror(mirror)):
        raise UsageError(f"{mirror} is no mirror", hint="give the folder of a mirror, or a new one")
    if dry_run:
        index = find_export(sources, imports_dir)
        require_base(mirror, index)
        return _Importing(index, mirror, services=services, disk=disk).preview(sources)
    disk.make_dirs(imports_dir)
    with disk.lock(layout.lock_path):
        index = find_export(sources, imports_dir)
        require_base(mirror, index)
        return _Importing(index, mirror, services=services, disk=disk).run(sources, trusted_root)


def _may_be_mirror(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    return not names or METADATA_FOLDER in names or MIRROR_STATE_FOLDER in names


class _Importing:
    """One call of one import."""

    def __init__(self, index: ExportIndex, mirror: Path, *, services: Services, disk: Disk) -> None:
        self._index = index
        self._mirror = mirror
        self._layout = MirrorLayout(mirror)
        self._services = services
        self._disk = disk
        self._folder = self._layout.state_dir / _IMPORTS / index.id
        self._pieces = Pieces(mirror, self._folder, index, disk)

    def preview(self, sources: Sequence[Path]) -> ImportOutcome:
        needed = self._pieces.needed_parts()
        found = [part for part in needed if self._places(part, sources)]
        return self._outcome(complete=len(found) == len(needed), taken=found, dry_run=True, changed=bool(found))

    def run(self, sources: Sequence[Path], trusted_root: bytes) -> ImportOutcome:
        self._keep_index()
        taken = self._take_parts(sources)
        self._pieces.join()
        if self._pieces.left:
            return self._outcome(complete=False, taken=taken, changed=False)
        timestamp, moved = self._switch(trusted_root)
        self._pieces.drop()
        return self._outcome(
            complete=True,
            taken=taken,
            changed=bool(moved),
            timestamp=timestamp,
            files_added=len(moved),
            bytes_added=sum(file.size for file in moved),
        )

    def _keep_index(self) -> None:
        path = self._folder / INDEX_FILE
        if not path.is_file():
            self._disk.make_dirs(self._folder)
            self._disk.replace_file(path, write_document(self._index), staging_dir=self._folder)

    def _take_parts(self, sources: Sequence[Path]) -> list[int]:
        """Read every needed part that is there; what is damaged is said after the others are kept."""
        found = {part: places for part in self._pieces.needed_parts() if (places := self._places(part, sources))}
        total = sum(self._pieces.bytes_of(part) for part in found)
        self._require_space(total)
        done, faults = 0, []
        for part, places in found.items():
            fault = self._take(part, places)
            if fault is not None:
                faults.append(fault)
                continue
            done += self._pieces.bytes_of(part)
            self._services.events.emit(StepProgress(_STEP, done, total, "bytes", self._index.parts[part].name))
        if faults:
            self._pieces.join()
            raise IntegrityError("\n".join(fault.message for fault in faults), hint=faults[0].hint)
        return list(found)

    def _take(self, part: int, places: Iterable[Path]) -> IntegrityError | None:
        fault: IntegrityError | None = None
        for place in places:
            try:
                self._pieces.take(part, place)
            except IntegrityError as error:
                fault = error
            else:
                return None
        return fault

    def _places(self, part: int, sources: Sequence[Path]) -> list[Path]:
        paths = [source / self._index.parts[part].name for source in sources]
        return [path for path in paths if path.is_symlink() or path.exists()]

    def _require_space(self, needed: int) -> None:
        free = self._services.host.free_bytes(self._mirror)
        spanning = self._pieces.largest_spanning()  # it is there twice while it is joined
        if free < needed + spanning + _SLACK_BYTES:
            raise NoSpaceError(
                f"{self._mirror} has {free} bytes free and these parts need {needed + spanning}",
                hint="free some space there; what came already is kept",
            )

    def _switch(self, trusted_root: bytes) -> tuple[int, list[ExportedFile]]:
        """Judge what came, then put it in place; return the version of the timestamp and the files, of all disks."""
        view = self._pieces.view
        moving = [file for file in self._index.files if (view / file.path).is_file()]
        complete_view(view, self._mirror, self._index, self._disk)
        try:
            chains = read_view(view, self._index)
            require_newer(self._mirror, chains)
        except (IntegrityError, TrustError):
            self._pieces.drop()  # it will never be right for this mirror
            raise
        timestamp = _lane_of(trusted_root, chains).versions["timestamp"]
        require_trusted(
            view,
            self._layout.trust_dir,
            trusted_root=trusted_root,
            index=self._index,
            services=self._services,
            disk=self._disk,
        )
        self._place([file.path for file in moving], chains)
        if not self._layout.trusted_root_path.is_file():
            self._disk.replace_file(self._layout.trusted_root_path, trusted_root, staging_dir=self._folder)
        return timestamp, moving

    def _place(self, moving: Sequence[str], chains: Sequence[SignedChain]) -> None:
        """Move files in, in the order that keeps every moment consistent for whoever reads the mirror meanwhile."""
        self._disk.sync(self._pieces.view)
        if moving:
            self._disk.remove(self._layout.completed_path)  # it speaks of what the last sync has left
        metadata = [f"{chain.folder}/{name}" for chain in chains for name in chain.files]
        rest = set(moving)
        signed_later = [path for path in moving if metadata_folder_of(path) is None and path not in COPIES]
        for path in signed_later:
            self._move(path, durable=False)
        for folder in sorted({(self._mirror / path).parent for path in signed_later}):
            self._disk.sync_names(folder)
        for path in (*metadata, *COPIES):
            if path in rest:
                self._move(path, durable=True)

    def _move(self, path: str, *, durable: bool) -> None:
        destination = self._mirror / path
        self._disk.make_dirs(destination.parent)
        self._disk.move_over(self._pieces.view / path, destination, durable=durable)

    def _outcome(
        self,
        *,
        complete: bool,
        taken: Sequence[int],
        changed: bool,
        dry_run: bool = False,
        timestamp: int | None = None,
        files_added: int = 0,
        bytes_added: int = 0,
    ) -> ImportOutcome:
        still = [part for part in self._pieces.needed_parts() if part not in taken] if not complete else []
        return ImportOutcome(
            id=self._index.id,
            mirror=str(self._mirror),
            complete=complete,
            dry_run=dry_run,
            changed=changed,
            taken=tuple(self._index.parts[part].name for part in taken),
            missing=tuple(self._index.parts[part].name for part in still),
            files_added=files_added,
            bytes_added=bytes_added,
            timestamp=timestamp,
        )


def _lane_of(trusted_root: bytes, chains: Sequence[SignedChain]) -> SignedChain:
    """Return what the lane signs that a trusted root is of.

    Raises:
        TrustError: it is no root, or was not carried.
    """
    lane = read_root(trusted_root).unrecognized_fields.get(LANE_FIELD)
    folder = metadata_folder(lane if isinstance(lane, str) else None)
    for chain in chains:
        if chain.folder == folder:
            return chain
    raise TrustError(
        f"the trusted root is of {folder}, and the export has no such metadata",
        hint="give the root.json of the repository itself, or seal the mirror before it is exported",
    )
