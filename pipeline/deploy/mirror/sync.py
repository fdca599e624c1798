"""Bringing a mirror up to date: only what is new moves, and a reader never sees anything in between.

Blobs come first, then metadata with the timestamp last, then what is no longer wanted goes. Whoever dies in between
leaves the old state or the new one; the next sync goes on from there.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.deploy.location import FolderLocation, locate
from pipeline.deploy.mirror.applying import apply
from pipeline.deploy.mirror.changing import changing_mirror
from pipeline.deploy.mirror.completed import all_there, read_completed
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.metadata_writing import differing, write_metadata
from pipeline.deploy.mirror.planning import make_plan
from pipeline.deploy.mirror.source_metadata import MetadataReader
from pipeline.deploy.steps import step
from pipeline.deploy.trust import TrustedRepository
from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.mirror import MirrorOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.deploy.mirror.planning import SyncPlan
    from pipeline.deploy.mirror.request import MirrorRequest
    from pipeline.model.mirror import MirrorChange, MirrorDocument
    from pipeline.ports import Disk, Services


def sync(request: MirrorRequest, services: Services, *, disk: Disk) -> MirrorOutcome:
    """Make a mirror hold what is wanted, or find that it does.

    Args:
        request: what, from where, into which folder.
        services: with a store of its own below the mirror (``MirrorLayout.downloads_dir``), but for a dry run.
        disk: how the mirror is changed.

    Raises:
        UsageError: the folder holds something else, or a mirror of another repository.
        NothingSelectedError: a pattern or a release matches nothing.
        TrustError: the source is not to be trusted: expired, rolled back, not signed as it must be.
        IntegrityError: a file at the source is not what was signed; the mirror is as it was.
        NetworkError, OfflineError, NoSpaceError, HostError: as their names say; what came is kept for the next run.
    """
    layout = MirrorLayout(request.folder)
    layout.check(may_be_new=True)
    with ExitStack() as held:
        if request.dry_run:
            trust_dir = held.enter_context(_copy_of_trust(layout, services))
        else:
            held.enter_context(changing_mirror(layout, services, disk))
            trust_dir = layout.trust_dir
        with step(services, "trust", why=request.source):
            repository = held.enter_context(
                TrustedRepository.open(
                    request.source,
                    state_dir=trust_dir,
                    trusted_root=request.trusted_root,
                    services=services,
                    disk=disk,
                )
            )
        return _Sync(request, layout, repository, trust_dir / repository.identity, services, disk).run()


class _Sync:
    """One mirror brought up to date with one repository."""

    def __init__(
        self,
        request: MirrorRequest,
        layout: MirrorLayout,
        repository: TrustedRepository,
        state_dir: Path,
        services: Services,
        disk: Disk,
    ) -> None:
        self._request = request
        self._layout = layout
        self._repository = repository
        self._services = services
        self._disk = disk
        self._place = place = locate(request.source, services.downloader)
        if isinstance(place, FolderLocation) and place.text == str(layout.folder.resolve()):
            raise UsageError(f"{layout.folder} cannot be a mirror of itself", hint="give the repository's own place")
        self._reader = MetadataReader(
            state_dir,
            lambda name, limit: place.read(f"{repository.metadata_folder}/{name}", limit_bytes=limit),
            text=place.text,
        )

    def run(self) -> MirrorOutcome:
        document = self._document()
        if document is not None and document.repository != self._repository.identity:
            raise UsageError(
                f"{self._layout.folder} is a mirror of another repository ({document.source})",
                hint="choose another folder; two repositories never share one",
            )
        if (quick := self._nothing_new()) is not None:
            return quick
        plan = make_plan(
            self._request, self._layout, self._repository, self._reader, before=document, services=self._services
        )
        changes = plan.changes(self._layout.folder)  # before it is carried out
        if not self._request.dry_run:
            apply(plan, self._request, self._layout, place=self._place, services=self._services, disk=self._disk)
        return self._outcome(plan, changes)

    def _document(self) -> MirrorDocument | None:
        """Return ``mirror.json``; one that is damaged is written anew, as is one that is not there."""
        with suppress(IntegrityError):
            return self._layout.document()
        return None

    def _nothing_new(self) -> MirrorOutcome | None:
        """Return the outcome where the last sync holds still: sizes are looked at and, at most, the timestamp written.

        Its record says what is there for that very snapshot and selection, so no list of targets has to be read.
        """
        request, layout = self._request, self._layout
        record = read_completed(layout)
        if (
            record is None
            or request.repair
            or not layout.trusted_root_path.is_file()
            or (record.source, record.selection) != (self._place.text, request.selection)
            or record.snapshot_sha256 != self._reader.snapshot_sha256()
            or record.installer_key != ("" if request.installer is None else request.installer.key)
            or not all_there(layout.folder, record.files)
            or record.document_sha256 != sha256_bytes(layout.document_path.read_bytes())
        ):
            return None
        top = self._reader.top()
        metadata_dir = layout.folder / self._repository.metadata_folder
        new = differing(metadata_dir, top)
        if new and not request.dry_run:
            write_metadata(metadata_dir, top, staging_dir=layout.staging_dir, disk=self._disk)
        return MirrorOutcome(
            changed=bool(new),
            dry_run=request.dry_run,
            path=str(layout.folder),
            source=self._place.text,
            repository=self._repository.identity,
            artifacts=record.artifacts,
            revoked=record.revoked,
            files_added=len(new),
            bytes_added=sum(len(top[name]) for name in new),
            development=self._repository.development,
        )

    def _outcome(self, plan: SyncPlan, changes: tuple[MirrorChange, ...]) -> MirrorOutcome:
        held: set[str] = set() if plan.before is None else {artifact.name for artifact in plan.before.artifacts}
        wanted = [artifact.name for artifact in plan.document.artifacts]
        added = [change for change in changes if change.action == "add"]
        gone = [change for change in changes if change.action == "remove"]
        return MirrorOutcome(
            changed=plan.changes_anything,
            dry_run=self._request.dry_run,
            path=str(self._layout.folder),
            source=self._place.text,
            repository=self._repository.identity,
            artifacts=len(wanted),
            added=tuple(name for name in wanted if name not in held),
            removed=tuple(sorted(held - set(wanted))),
            files_added=len(added),
            bytes_added=sum(change.size for change in added),
            files_removed=len(gone),
            bytes_removed=sum(change.size for change in gone),
            changes=changes,
            revoked=plan.revoked,
            development=self._repository.development,
        )


@contextmanager
def _copy_of_trust(layout: MirrorLayout, services: Services) -> Iterator[Path]:
    """Give a copy of what was seen of the source, so that a dry run refuses what a sync would and changes nothing."""
    with services.store.work_dir("mirror-dry-run") as folder:
        if layout.trust_dir.is_dir():
            shutil.copytree(layout.trust_dir, folder / "trust", symlinks=True)
        yield folder / "trust"
