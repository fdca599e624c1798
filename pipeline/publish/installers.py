"""``install.sh`` and ``install.ps1``: installers of a system's own tools, with everything that they check against.

A script has the digest of every archive and the list of every file of the bundles that it installs. Their archives are
taken from a repository as they are; a ``.tar.gz`` of each layer is made beside the scripts for systems without zstd.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, NothingSelectedError, PipelineError
from pipeline.events import Notice
from pipeline.model.installers import InstallableBundle, InstallersOutcome, InstallersRecord, ScriptName
from pipeline.model.manifest_document import read_document, write_document
from pipeline.publish.installer_layers import FILES_FOLDER, LayerReader, ReadyLayer, gzip_name
from pipeline.publish.installer_offers import Origin, offer, offered_layer, preferred_first
from pipeline.publish.installer_request import checked_url
from pipeline.publish.installer_scripts import POWERSHELL_SCRIPT, SHELL_SCRIPT, render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.model.installers import GzipArchive
    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk, Services
    from pipeline.publish.installer_request import InstallersRequest

RECORD_FILE = "installers.json"
_STAGING = ".installers"
_SCRIPTS: tuple[ScriptName, ...] = (SHELL_SCRIPT, POWERSHELL_SCRIPT)


class StaleInstallersError(PipelineError):
    """The scripts are not what would be made now."""


def generate_installers(request: InstallersRequest, *, services: Services, disk: Disk) -> InstallersOutcome:
    """Write the scripts and what they need; doing it again changes nothing. What earlier scripts need stays.

    Raises:
        UsageError: the url is none that scripts take.
        NothingSelectedError: nothing is left to install.
        IntegrityError: an archive is not what its manifest says, or layers contradict each other.
        NoSpaceError, HostError: the folder cannot be written.
    """
    staging = request.folder / _STAGING
    disk.make_dirs(request.folder)
    disk.remove(staging)
    disk.make_dirs(staging, durable=False)
    try:
        made = _Making(request, staging, services=services, disk=disk).make()
        if made.archives:
            disk.make_dirs(request.folder / FILES_FOLDER)
        for sha256, path in made.archives.items():
            disk.remove(request.folder / gzip_name(sha256))
            disk.move(path, request.folder / gzip_name(sha256))
        for name in made.outcome.changed:
            if name in made.texts:
                disk.replace_file(request.folder / name, made.texts[name], staging_dir=staging)
            elif name in _SCRIPTS:
                disk.remove(request.folder / name)
        if SHELL_SCRIPT in made.texts:
            (request.folder / SHELL_SCRIPT).chmod(0o755)
    finally:
        disk.remove(staging)
    return made.outcome


def check_installers(request: InstallersRequest, *, services: Services, disk: Disk) -> InstallersOutcome:
    """Compare what is there with what would be made; nothing of it is changed.

    Returns: the outcome, whose ``changed`` is empty when all is fresh.

    Raises:
        StaleInstallersError: there are scripts, and nothing is left that they could install.
        UsageError, NothingSelectedError, IntegrityError, NoSpaceError, HostError: as ``generate_installers``.
    """
    try:
        return preview_installers(request, services=services, disk=disk)
    except NothingSelectedError as nothing:
        if old := [str(request.folder / name) for name in _SCRIPTS if (request.folder / name).exists()]:
            raise StaleInstallersError(
                f"{' and '.join(old)} should not be there any more: {nothing.message} ({nothing.hint})",
                hint=f"remove {' and '.join(old)}, and make others once there is a build to install",
            ) from nothing
        raise


def preview_installers(request: InstallersRequest, *, services: Services, disk: Disk) -> InstallersOutcome:
    """Return what ``generate_installers`` would do; nothing is changed.

    Raises:
        UsageError, NothingSelectedError, IntegrityError, NoSpaceError, HostError: as ``generate_installers``.
    """
    return _Making(request, request.work_dir, services=services, disk=disk).make().outcome


@dataclass(frozen=True, slots=True)
class _Made:
    """Everything that belongs into the folder.

    Attributes:
        folder: where to.
        texts: name to bytes, the record last.
        archives: digest to a new ``.tar.gz``.
        outcome: of it all.
    """

    folder: Path
    texts: dict[str, bytes]
    archives: dict[str, Path]
    outcome: InstallersOutcome


class _Making:
    """One pass: layers, then scripts, in memory but for the archives."""

    def __init__(self, request: InstallersRequest, work_dir: Path, *, services: Services, disk: Disk) -> None:
        self._request = request
        self._work_dir = work_dir
        self._services = services
        self._disk = disk
        self._left_out: dict[str, str] = {}
        self._origin = Origin(request.repository or "", request.development or request.repository is None)
        self._url = checked_url(request.base_url)

    def make(self) -> _Made:
        artifacts = self._wanted()
        layers = self._read(artifacts)
        texts: dict[str, bytes] = {}
        bundles: list[InstallableBundle] = []
        for name in _SCRIPTS:
            own = [a for a in artifacts if a.platform.startswith("windows-") == (name == POWERSHELL_SCRIPT)]
            own = [a for a in own if self._is_fit(a, layers, name)]
            if own:
                texts[name] = self._script(name, own, layers)
                bundles += [
                    InstallableBundle(target=a.target, version=a.version, sha256=a.sha256, script=name) for a in own
                ]
        if not texts:
            raise NothingSelectedError("nothing is left that a script could install", hint="; ".join(self._reasons()))
        archives = tuple(sorted((ready.gzip for ready in layers.values()), key=lambda made: made.layer))
        record = InstallersRecord(
            base_url=self._url, repository=self._origin.repository, bundles=tuple(bundles), archives=archives
        )
        texts[RECORD_FILE] = write_document(record)
        new = {
            ready.gzip.sha256: self._work_dir / f"{ready.layer.sha256}.tar.gz"
            for ready in layers.values()
            if ready.is_new
        }
        folder = self._request.folder
        outcome = InstallersOutcome(
            folder=str(folder.absolute()),
            scripts=tuple(name for name in _SCRIPTS if name in texts),
            bundles=record.bundles,
            archives=archives,
            archive_bytes=sum(made.size for made in archives),
            changed=(*(gzip_name(sha256) for sha256 in new), *_differing(folder, texts)),
            left_out=self._left_out,
        )
        return _Made(folder, texts, new, outcome)

    def _wanted(self) -> list[Artifact]:
        revoked = {build.sha256: build.reason for build in self._request.revoked}
        wanted = []
        for artifact in self._request.artifacts:
            if artifact.sha256 in revoked:
                self._leave_out(artifact, f"it is revoked: {revoked[artifact.sha256]}")
            elif artifact.environment is not None or (artifact.rehearsal and artifact.origin == "assembled"):
                self._leave_out(
                    artifact, "a Python environment is linked by `install`, or by its own install-offline.sh"
                )
            else:
                wanted.append(artifact)
        return preferred_first(wanted)

    def _read(self, artifacts: Sequence[Artifact]) -> dict[str, ReadyLayer]:
        reader = LayerReader(
            archive_of=self._request.archive_of,
            folder=self._request.folder,
            work_dir=self._work_dir,
            known={made.layer: made for made in _recorded(self._request.folder)},
            services=self._services,
            disk=self._disk,
        )
        ready: dict[str, ReadyLayer] = {}
        for artifact in artifacts:
            for layer in artifact.layers:
                if not layer.optional and layer.tree_sha256 not in ready:
                    ready[layer.tree_sha256] = reader.read(artifact, layer)
        return ready

    def _is_fit(self, artifact: Artifact, layers: dict[str, ReadyLayer], script: str) -> bool:
        """Tell whether a script can install it: on Windows not everything that has a name here can be made."""
        entries = [e for layer in artifact.layers if not layer.optional for e in layers[layer.tree_sha256].tree.entries]
        if script == SHELL_SCRIPT:
            return True
        if any(entry.link is not None for entry in entries):
            self._leave_out(artifact, "it has symbolic links, which users of Windows may not make")
        elif not all(text.isascii() for text in (*(e.path for e in entries), artifact.model_dump_json())):
            self._leave_out(artifact, "its record or a file name is not ASCII, which PowerShell 5 reads wrongly")
        else:
            return True
        return False

    def _script(self, name: str, artifacts: Sequence[Artifact], layers: dict[str, ReadyLayer]) -> bytes:
        offers = [offer(number, a, layers, origin=self._origin) for number, a in enumerate(artifacts, start=1)]
        for made in offers:
            if name == SHELL_SCRIPT and made.health_pattern and not made.portable_pattern:
                self._notice(
                    f"{name} starts {made.target} {made.version} and does not look at the version that it says"
                )
        digests = dict.fromkeys(digest for made in offers for digest in made.layers)
        engines = {artifact.engine for artifact in artifacts}
        root = self._request.trusted_root
        return render(
            name,
            templates_dir=self._request.templates_dir,
            offers=offers,
            layers=[offered_layer(layers[digest]) for digest in digests],
            revoked=[build for build in self._request.revoked if build.target.partition("/")[0] in engines],
            base_url=self._url,
            repository=self._origin.repository,
            trusted_root="" if root is None else root.decode(),
        )

    def _leave_out(self, artifact: Artifact, reason: str) -> None:
        self._left_out[f"{artifact.target} {artifact.version}"] = reason
        self._notice(f"{artifact.target} {artifact.version} is left out: {reason}")

    def _reasons(self) -> list[str]:
        return [f"{name}: {reason}" for name, reason in self._left_out.items()]

    def _notice(self, message: str) -> None:
        self._services.events.emit(Notice(message, "warning"))


def _recorded(folder: Path) -> tuple[GzipArchive, ...]:
    """Return the archives that were made before; a record that cannot be read says nothing."""
    try:
        data = (folder / RECORD_FILE).read_bytes()
        return read_document(InstallersRecord, data, what=str(folder / RECORD_FILE)).archives
    except (OSError, IntegrityError):
        return ()


def _differing(folder: Path, texts: dict[str, bytes]) -> tuple[str, ...]:
    """Return the names whose bytes are not these; a script that would not be made any more is one as well."""
    differing = [name for name, text in texts.items() if not _is(folder / name, text)]
    gone = [n for n in _SCRIPTS if n not in texts and (folder / n).exists()]
    return (*gone, *differing)


def _is(path: Path, text: bytes) -> bool:
    return path.is_file() and path.read_bytes() == text
