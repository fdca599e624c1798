"""Dist folders of many machines joined into one: every file once, one manifest, which is written last.

Before anything is written, all manifests were read and do not contradict each other; before a file gets its name,
every new one was hashed. Whoever dies in between leaves the old manifest, and at most files that it does not name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.digest import require_digest, sha256_bytes, sha256_stream
from pipeline.errors import PartialReleaseError, UsageError
from pipeline.events import StepFinished, StepProgress, StepStarted
from pipeline.model.counts import counted
from pipeline.model.dist_folder import JoinOutcome
from pipeline.model.step_times import TIMES_FILE
from pipeline.publish.dist import MANIFEST_FILE, DistFile, check_file
from pipeline.publish.joined import STAGING_FOLDER, Joined, join
from pipeline.publish.joined_times import joined_step_times

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.model.release_plan import ReleasePlan
    from pipeline.ports import Disk, Services

_STEP = "merge"


@dataclass(frozen=True, slots=True)
class Whole:
    """What is asked of the release that comes of it.

    Attributes:
        expected: what it shall have; None where only the folders' own manifests may say that.
        partial: whether it may lack some of that; its manifest then says what.
    """

    expected: ReleasePlan | None = None
    partial: bool = False


def join_dists(
    dists: Sequence[Path],
    *,
    to: Path,
    services: Services,
    disk: Disk,
    whole: Whole | None = None,
    dry_run: bool = False,
) -> JoinOutcome:
    """Join dist folders into one; doing it again changes nothing.

    What the folder holds already stays, as if it were the first of the inputs. Files that no manifest names are not
    taken.

    Args:
        dists: folders with ``manifest.json`` and the files it names.
        to: the folder that shall hold everything; made when it is not there.
        services: for events, clock, and the place where two writers of one folder meet.
        disk: how files are written: as hard links where that is possible, else as copies.
        whole: what is asked of the release.
        dry_run: check and tell, change nothing.

    Raises:
        PartialReleaseError: the release lacks something and may not.
        RehearsalError: some are of a rehearsal and some are not.
        UsageError: a folder has no manifest of files in it, or two say different things of one artifact or one path.
        NothingSelectedError: a manifest is empty.
        IntegrityError: a file is missing or is not what its manifest says.
        HostError, NoSpaceError: the folder cannot be written; its manifest is the one it had.
    """
    joining = _Joining(to, services, disk, whole or Whole())
    if dry_run:
        return joining.run(dists, dry_run=True)
    # The claim that `build` makes of the folder it delivers into (make.deliver): one writer at a time.
    with services.store.work_dir(f"deliver-{sha256_bytes(os.fsencode(to.resolve()))[:20]}"):
        return joining.run(dists, dry_run=False)


class _Joining:
    """One change of one folder."""

    def __init__(self, to: Path, services: Services, disk: Disk, whole: Whole) -> None:
        self._to = to
        self._whole = whole
        self._services = services
        self._disk = disk
        self._staging = to / STAGING_FOLDER

    def run(self, dists: Sequence[Path], *, dry_run: bool) -> JoinOutcome:
        own = join([self._to]) if os.path.lexists(self._to / MANIFEST_FILE) else None
        inputs = {folder.resolve(): folder for folder in ((self._to,) if own else ()) + tuple(dists)}
        joined = join(tuple(inputs.values()), expected=self._whole.expected)
        self._require_whole(joined)
        held = {} if own is None else own.files
        new = {path: file for path, file in joined.files.items() if path not in held and not self._has(path, file)}
        is_new = own is None or own.manifest != joined.manifest
        times = joined_step_times(tuple(inputs.values()), self._services.events)
        self._services.events.emit(StepStarted(_STEP, f"{counted(len(new), 'file')}"))
        began = self._services.clock.monotonic()
        if dry_run:
            for file in new.values():
                check_file(file)
        else:
            self._disk.remove(self._staging)  # what a run that died has left
            if new or is_new:
                self._write(new, joined.manifest, times)
        self._services.events.emit(StepFinished(_STEP, self._services.clock.monotonic() - began))
        return self._outcome(own, joined, new, is_new=is_new, dry_run=dry_run)

    def _require_whole(self, joined: Joined) -> None:
        if joined.missing and not self._whole.partial:
            raise PartialReleaseError(
                f"the release lacks {counted(len(joined.missing), 'bundle')} of what was planned:\n"
                + "\n".join(map(str, joined.missing)),
                hint="see why the jobs that make them failed, make them and merge again; or --partial, which the"
                " manifest then says",
            )

    def _has(self, path: str, file: DistFile) -> bool:
        """Tell whether a file is in its place though no manifest says so, as after a run that died.

        Raises:
            UsageError: something else is there.
        """
        place = self._to / path
        if not os.path.lexists(place):
            return False
        if place.is_file() and not place.is_symlink() and place.stat().st_size == file.size_bytes:
            with place.open("rb") as stream:
                if sha256_stream(stream)[0] == file.sha256:
                    return True
        raise UsageError(
            f"{place} is in the way: no manifest names it, and it is not {file.path}",
            hint="remove it, or choose another folder with --to",
        )

    def _write(self, new: Mapping[str, DistFile], manifest: bytes, times: bytes | None) -> None:
        """Stage and check everything, then give files their names, then the manifest."""
        self._disk.make_dirs(self._to)
        try:
            staged = self._stage(new)
            for path in new:
                self._disk.make_dirs((self._to / path).parent)
            for path, place in staged.items():
                self._disk.move(place, self._to / path, durable=False)
            for folder in sorted({(self._to / path).parent for path in new}):
                self._disk.sync_names(folder)
            if times is not None:
                self._disk.replace_file(self._to / TIMES_FILE, times, staging_dir=self._staging)
            self._disk.replace_file(self._to / MANIFEST_FILE, manifest, staging_dir=self._staging)
        finally:
            self._disk.remove(self._staging)

    def _stage(self, new: Mapping[str, DistFile]) -> dict[str, Path]:
        """Link or copy every file and hash it where it is then; return path to staged place."""
        self._disk.make_dirs(self._staging, durable=False)
        total, done = sum(file.size_bytes for file in new.values()), 0
        staged: dict[str, Path] = {}
        for path, file in new.items():
            place = self._staging / str(len(staged))
            self._disk.link_file(file.path.resolve(), place)
            with place.open("rb") as stream:
                found, _ = sha256_stream(stream)
            require_digest(what=str(file.path), expected=file.sha256, found=found)
            staged[path] = place
            done += file.size_bytes
            self._services.events.emit(StepProgress(_STEP, done, total, "bytes", path))
        self._disk.sync(self._staging)
        return staged

    def _outcome(
        self, own: Joined | None, joined: Joined, new: Mapping[str, DistFile], *, is_new: bool, dry_run: bool
    ) -> JoinOutcome:
        before = {} if own is None else own.artifacts
        names = {key: f"{artifact.target} {artifact.version}" for key, artifact in joined.artifacts.items()}
        return JoinOutcome(
            changed=is_new or bool(new),
            dry_run=dry_run,
            path=str(self._to.absolute()),
            release=joined.release,
            rehearsal=joined.rehearsal,
            planned=joined.is_planned,
            missing=tuple(map(str, joined.missing)),
            added=tuple(sorted(name for key, name in names.items() if key not in before)),
            unchanged=tuple(sorted(name for key, name in names.items() if key in before)),
            files_added=len(new),
            bytes_added=sum(file.size_bytes for file in new.values()),
            files_shared=len(joined.places) - len(joined.files),
            bytes_shared=sum(file.size_bytes for file in joined.places)
            - sum(file.size_bytes for file in joined.files.values()),
        )
