"""A mirror verified with nothing but itself: metadata of every lane, blobs, models and the installer's files."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.deploy.comparing import ListedFile, size_of
from pipeline.deploy.metadata_client import read_root
from pipeline.deploy.metadata_door import TARGETS_LIMIT_BYTES
from pipeline.deploy.metadata_refusals import ExpiredRepositoryError
from pipeline.deploy.mirror.installer import FILES_LIST, read_files_list
from pipeline.deploy.mirror.lanes import headless_lanes, lane_needs
from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.signed_chain import lane_folders, read_chain
from pipeline.deploy.mirror.source_metadata import MetadataReader
from pipeline.deploy.mirror.wanted import needed_files
from pipeline.deploy.offering import revoked_among
from pipeline.deploy.reading import read_plain
from pipeline.deploy.trust import TrustedRepository
from pipeline.deploy.verify_repository import verify_metadata_file, verify_repository
from pipeline.errors import IntegrityError, TrustError
from pipeline.model.mirror import MirrorSelection
from pipeline.model.repository_layout import (
    INSTALLER_FOLDER,
    LANES_FOLDER,
    METADATA_FOLDER,
    MIRROR_FILE,
    MIRROR_STATE_FOLDER,
    MODELS_FOLDER,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.deploy.comparing import FileComparison
    from pipeline.model.mirror import MirrorDocument
    from pipeline.ports import Disk, Services

_ARCHIVE = re.compile(r"files/([0-9a-f]{64})\.tar\.gz")
_GENERATED = re.compile(rf"install\.sh|install\.ps1|installers\.json|{_ARCHIVE.pattern}")
_BESIDE = frozenset({MIRROR_FILE, MIRROR_STATE_FOLDER, INSTALLER_FOLDER, MODELS_FOLDER, LANES_FOLDER})


def verify_mirror(
    folder: Path, comparison: FileComparison, *, services: Services, disk: Disk, trusted_root: bytes | None
) -> bool:
    """Read everything that the mirror's selection needs, and everything else that is there.

    A blob that the signed metadata lists and the selection does not want is not missing. What models and the installer
    hold is known by lists of digests, which nothing signs.

    Args:
        folder: of the mirror.
        comparison: takes what is found.
        services: work folder, clock.
        disk: how the state of the check is kept.
        trusted_root: of the publisher or of a lane; None for the roots that the mirror brings itself, which shows
            damage but not forgery.

    Returns:
        Whether the digests come from metadata under the root that the caller gave.

    Raises:
        TrustError: the metadata is not signed as it must be, or it is expired and no sealed lane is fresh.
        IntegrityError: the metadata is malformed or incomplete.
    """
    return _MirrorVerification(folder, comparison, services, disk).run(trusted_root)


class _MirrorVerification:
    def __init__(self, folder: Path, comparison: FileComparison, services: Services, disk: Disk) -> None:
        self._layout = MirrorLayout(folder)
        self._folder = folder
        self._comparison = comparison
        self._services = services
        self._disk = disk

    def run(self, trusted_root: bytes | None) -> bool:
        document = self._document()
        folders = lane_folders(self._folder)
        lanes = [name for name in folders if name != METADATA_FOLDER]
        try:
            chosen = self._verify_lane(trusted_root or self._own_root(METADATA_FOLDER), document, lanes)
            trusted = trusted_root is not None
        except ExpiredRepositoryError as error:
            chosen, trusted = self._verify_first_fresh(lanes, document, error), False
        for other in folders:
            if other != chosen or other != METADATA_FOLDER:  # whoever looks at the repository leaves lanes out
                self._verify_metadata_of(other)
        self._name_strangers_of_lanes(lanes)
        self._verify_models(document)
        self._verify_installer(document)
        return trusted

    def _document(self) -> MirrorDocument | None:
        try:
            document = self._layout.document()
        except IntegrityError as error:
            self._comparison.add(MIRROR_FILE, "changed", error.message)
            return None
        if document is None and self._layout.completed_path.is_file():
            self._comparison.add(MIRROR_FILE, "missing", "`mirror sync` writes it again")
        return document

    def _verify_lane(self, root: bytes, document: MirrorDocument | None, lanes: list[str]) -> str:
        """Verify one lane's metadata and every blob; return the folder of its metadata."""
        with (
            self._services.store.work_dir("verify-mirror") as state_dir,
            TrustedRepository.open(
                str(self._folder), state_dir=state_dir, trusted_root=root, services=self._services, disk=self._disk
            ) as repository,
        ):
            chosen = repository.metadata_folder
            self._require_roots(chosen, state_dir / repository.identity)
            wanted = self._wanted(repository, state_dir / repository.identity, document)
        for lane in lanes:
            wanted |= lane_needs(self._folder, lane)
        verify_repository(
            self._folder,
            self._comparison,
            services=self._services,
            disk=self._disk,
            trusted_root=root,
            wanted=frozenset(wanted),
            beside=_BESIDE if chosen == METADATA_FOLDER else _BESIDE | {METADATA_FOLDER},
        )
        return chosen

    def _verify_first_fresh(
        self, lanes: list[str], document: MirrorDocument | None, expired: ExpiredRepositoryError
    ) -> str:
        """Verify by a sealed lane what the publisher's metadata is too old for."""
        for lane in lanes:
            try:
                chosen = self._verify_lane(self._own_root(lane), document, lanes)
            except TrustError:
                continue
            self._comparison.notes.append(f"{expired.message}; {lane} is fresh: install with the root of that lane")
            return chosen
        raise expired

    def _verify_metadata_of(self, folder: str) -> None:
        """Verify the files of a lane's metadata whose blobs are verified already; its age is noted."""
        try:
            with (
                self._services.store.work_dir("verify-lane") as state_dir,
                TrustedRepository.open(
                    str(self._folder),
                    state_dir=state_dir,
                    trusted_root=self._own_root(folder),
                    services=self._services,
                    disk=self._disk,
                ) as repository,
            ):
                repository.signed_files()
                for path, _ in self._comparison.walk(self._folder / folder, name=folder):
                    verify_metadata_file(self._folder, f"{folder}/{path}", repository, self._comparison)
        except ExpiredRepositoryError as error:
            self._comparison.notes.append(f"{folder} has expired: {error.message}")
            self._verify_old(folder)
        except (TrustError, IntegrityError) as error:
            self._comparison.add(folder, "changed", error.message)

    def _name_strangers_of_lanes(self, lanes: list[str]) -> None:
        headless = headless_lanes(self._folder)
        for lane in headless:
            if lane.half_made:
                note = f"{lane.folder} has no timestamp: its seal never ended, and `mirror seal` replaces it"
                self._comparison.notes.append(note)
            else:
                self._comparison.add(f"{lane.folder}/timestamp.json", "missing")
        left = {path for lane in headless for path in lane.paths}
        for path, place in self._comparison.walk(self._folder / LANES_FOLDER, name=LANES_FOLDER):
            full = f"{LANES_FOLDER}/{path}"
            if full not in left and not any(full.startswith(f"{lane}/") for lane in lanes):
                self._comparison.add_unexpected(full, place)

    def _verify_old(self, folder: str) -> None:
        """Verify the signatures of metadata whatever its age."""
        try:
            for name, data in read_chain(self._folder, folder).files.items():
                self._comparison.add_verified(f"{folder}/{name}", len(data))
        except IntegrityError as error:
            self._comparison.add(folder, "changed", error.message)

    def _own_root(self, folder: str) -> bytes:
        path = self._folder / folder / "1.root.json"
        try:
            return read_plain(path, limit_bytes=TARGETS_LIMIT_BYTES)
        except OSError as error:
            raise IntegrityError(
                f"{self._folder} has no {folder}/1.root.json", hint="give the publisher's root.json with --trusted-root"
            ) from error

    def _wanted(self, repository: TrustedRepository, state_dir: Path, document: MirrorDocument | None) -> set[str]:
        """Return the blobs that the selection needs, by what is signed; ``mirror.json`` only says which artifacts."""
        signed = repository.signed_files()
        if document is None and not self._layout.document_path.is_file() and not self._layout.completed_path.is_file():
            return set(signed)  # somebody brought a whole repository
        reader = MetadataReader(state_dir, _nothing_more, text=str(self._folder))
        held = {} if document is None else {(a.target, a.version): a.sha256 for a in document.artifacts}
        found = []
        for engine in repository.engines():
            try:
                offered = repository.manifest(engine).artifacts
            except IntegrityError:  # its blob is wanted, and will be named
                held = {key: sha256 for key, sha256 in held.items() if not key[0].startswith(f"{engine}/")}
                continue
            for artifact in offered:
                if held.get((artifact.target, artifact.version)) == artifact.sha256:
                    found.append(artifact)
                    del held[artifact.target, artifact.version]
        with suppress(IntegrityError):  # the list is wanted, and will be named
            self._comparison.revoked += revoked_among(repository, found)
        is_lane = repository.metadata_folder != METADATA_FOLDER
        for target, version in () if is_lane else held:  # a lane may have been sealed before the selection changed
            self._comparison.add(MIRROR_FILE, "changed", f"it lists {target} {version}, which no manifest has so")
        if document is not None and (is_lane or not held):
            self._comparison.add_verified(MIRROR_FILE, size_of(self._layout.document_path))
        selection = MirrorSelection() if document is None else document.selection
        return set(needed_files(found, targets=reader.everything().targets, selection=selection))

    def _require_roots(self, folder: str, state_dir: Path) -> None:
        """Name roots that are not there; whoever starts from an older one follows them all."""
        newest = read_root((state_dir / "root.json").read_bytes()).version
        there = [path.name for path in (self._folder / folder).glob("*.root.json")]
        oldest = min((int(number) for name in there if (number := name.partition(".")[0]).isdecimal()), default=newest)
        for version in range(min(oldest, newest), newest + 1):
            if f"{version}.root.json" not in there:
                self._comparison.add(f"{folder}/{version}.root.json", "missing")

    def _verify_models(self, document: MirrorDocument | None) -> None:
        models = () if document is None else document.models
        names = {f"{MODELS_FOLDER}/{model.filename}": model for model in models}
        self._comparison.compare_files(
            ListedFile(self._folder / name, name, model.sha256, model.size) for name, model in names.items()
        )
        self._name_others(MODELS_FOLDER, {model.filename for model in models})

    def _verify_installer(self, document: MirrorDocument | None) -> None:
        folder, name = self._layout.installer_dir, f"{INSTALLER_FOLDER}/{FILES_LIST}"
        listed = read_files_list(folder)
        if listed is not None:
            self._comparison.add_verified(name, size_of(folder / FILES_LIST))
            for file in listed.files:
                path = f"{INSTALLER_FOLDER}/{file.path}"
                self._comparison.compare_file(folder / file.path, name=path, sha256=file.sha256, size_bytes=file.size)
        elif (folder / FILES_LIST).is_file():
            self._comparison.add(name, "changed", "it is no such list")
            return
        elif document is not None and document.selection.installer is not None:
            self._comparison.add(name, "missing")
            return
        known = set() if listed is None else {FILES_LIST, *(file.path for file in listed.files)}
        self._name_others(INSTALLER_FOLDER, known | self._verify_scripts(folder, known))

    def _verify_scripts(self, folder: Path, known: set[str]) -> set[str]:
        """Look at what `generate installers` wrote; return its paths. Archives are called after their digest."""
        found = {
            path
            for path, _ in self._comparison.walk(folder, name=INSTALLER_FOLDER)
            if path not in known and _GENERATED.fullmatch(path)
        }
        for path in sorted(found):
            if match := _ARCHIVE.fullmatch(path):
                name = f"{INSTALLER_FOLDER}/{path}"
                self._comparison.compare_file(folder / path, name=name, sha256=match[1], size_bytes=None)
        if any(not _ARCHIVE.fullmatch(path) for path in found):
            self._comparison.notes.append(
                f"scripts in {INSTALLER_FOLDER}/ are not judged: `generate installers --check`"
            )
        return found

    def _name_others(self, top: str, known: set[str]) -> None:
        for path, place in self._comparison.walk(self._folder / top, name=top):
            if path not in known:
                self._comparison.add_unexpected(f"{top}/{path}", place)


def _nothing_more(_name: str, _limit_bytes: int) -> None:
    """Have no metadata but what was verified; older roots are looked at by themselves."""
