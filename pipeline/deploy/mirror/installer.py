"""What the installer itself needs at a place with no network: ``installer/`` of a mirror.

``wheels/`` has this project and everything it depends on, by a hashed lock; ``requirements.txt`` is that lock;
``files.json`` lists these with their digests. Scripts that `generate installers` writes beside them are left alone:
they are made of a mirror that is there already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.bringing import take_away
from pipeline.deploy.mirror.completed import all_there
from pipeline.deploy.shapes import walk
from pipeline.deploy.steps import step
from pipeline.digest import canonical_json, sha256_bytes, sha256_stream
from pipeline.errors import NetworkError, OfflineError, PipelineError, UsageError
from pipeline.events import StepProgress
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.mirror import HeldFile, InstallerFiles
from pipeline.model.repository_layout import INSTALLER_FOLDER
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.model.mirror import InstallerSelection
    from pipeline.ports import Disk, Services

FILES_LIST = "files.json"
REQUIREMENTS = "requirements.txt"
WHEELS_FOLDER = "wheels"
_PIP_SECONDS = 3600.0
_ALONE = ("--disable-pip-version-check", "--no-input")
_STEP = "wheels"

# The tags that pip downloads for: PEP 600 names glibc's version, PEP 425 the rest. pip goes down from a macOS version.
PIP_PLATFORMS: Mapping[str, tuple[str, ...]] = {
    "linux-x86_64": (
        *(f"manylinux_2_{n}_x86_64" for n in (34, 28, 17, 12, 5)),
        "manylinux2014_x86_64",
        "manylinux2010_x86_64",
        "manylinux1_x86_64",
    ),
    "linux-arm64": (*(f"manylinux_2_{n}_aarch64" for n in (34, 28, 17)), "manylinux2014_aarch64"),
    "macos-arm64": ("macosx_14_0_arm64",),
    "macos-x86_64": ("macosx_14_0_x86_64",),
    "windows-x86_64": ("win_amd64",),
    "windows-arm64": ("win_arm64",),
}


@dataclass(frozen=True, slots=True)
class InstallerSource:
    """Where the installer's files come from.

    Attributes:
        selection: which machines they are for.
        requirements: the hashed lock.
        version: of this project.
        project: a wheel of this project, or the checkout that one is made of.
        python: interpreter that has pip.
        env: environment of pip: where its index is, and proxies.
        scripts: name to bytes of the installer's scripts.
    """

    selection: InstallerSelection
    requirements: bytes
    version: str
    project: Path
    python: str
    env: Mapping[str, str]
    scripts: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of everything that decides which files there are; a checkout counts as its version says."""
        fields = {
            "selection": self.selection.model_dump(mode="json"),
            "requirements": sha256_bytes(self.requirements),
            "version": self.version,
            "scripts": {name: sha256_bytes(data) for name, data in self.scripts.items()},
        }
        return sha256_bytes(canonical_json(fields))

    def is_there(self, folder: Path) -> bool:
        """Tell whether a mirror's folder has all of it, by its list and the sizes of files."""
        listed = read_files_list(folder)
        return (
            listed is not None
            and (listed.version, listed.selection) == (self.version, self.selection)
            and listed.requirements_sha256 == sha256_bytes(self.requirements)
            and {f.path: f.sha256 for f in listed.files}.items()
            >= {name: sha256_bytes(data) for name, data in self.scripts.items()}.items()
            and all_there(folder, {file.path: file.size for file in listed.files})
        )

    def is_intact(self, folder: Path) -> bool:
        """Tell whether every file that the list has is what it says, read again."""
        listed = read_files_list(folder)
        try:
            return listed is not None and all(_sha256(folder / file.path) == file.sha256 for file in listed.files)
        except OSError:
            return False

    def bring(self, layout: MirrorLayout, services: Services, disk: Disk) -> None:
        """Download and make everything in staging, for ``put``.

        Wheels that the mirror has already are taken from there where none is damaged; with the network forbidden they
        must be enough.

        Raises:
            NetworkError, OfflineError: pip could not bring all wheels.
            UsageError: there is neither a wheel of this project nor a checkout to make one of.
        """
        staged = layout.staging_dir / INSTALLER_FOLDER
        wheels = staged / WHEELS_FOLDER
        known = layout.installer_dir / WHEELS_FOLDER if self.is_intact(layout.installer_dir) else None
        disk.make_dirs(wheels, durable=False)
        disk.write_file(staged / REQUIREMENTS, self.requirements)
        with step(services, _STEP):
            for platform in self.selection.platforms:
                for python in self.selection.pythons:
                    self._download(platform, python, staged, known, services)
            self._own_wheel(wheels, services, disk)
        for name, data in self.scripts.items():
            disk.write_file(staged / name, data)
        disk.write_file(staged / FILES_LIST, write_document(self._list(staged)))
        disk.sync(staged)

    def _download(self, platform: str, python: str, staged: Path, known: Path | None, services: Services) -> None:
        tag = f"cp{python.replace('.', '')}"
        arguments = [
            "download",
            *_ALONE,
            "--progress-bar",
            "off",
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
        ]
        arguments += ["--dest", str(staged / WHEELS_FOLDER), "-r", str(staged / REQUIREMENTS)]
        arguments += ["--implementation", "cp", "--python-version", python]
        for abi in (tag, "abi3", "none"):
            arguments += ["--abi", abi]
        for name in PIP_PLATFORMS[platform]:
            arguments += ["--platform", name]
        if known is not None and known.is_dir():
            arguments += ["--find-links", str(known)]
        if services.offline:
            arguments.append("--no-index")
        self._pip(arguments, f"wheels for {platform} and Python {python}", staged, services)

    def _own_wheel(self, wheels: Path, services: Services, disk: Disk) -> None:
        if self.project.suffix == ".whl":
            try:
                disk.copy_file(self.project, wheels / self.project.name)
            except FileNotFoundError as error:
                raise UsageError(f"there is no {self.project}", hint="give a wheel of this project") from error
            return
        arguments = ["wheel", *_ALONE, "-q", "--no-deps", "--wheel-dir", str(wheels), str(self.project)]
        if services.offline:
            arguments += ["--no-index", "--no-build-isolation"]
        self._pip(arguments, "the wheel of this project", wheels, services)

    def _pip(self, arguments: list[str], what: str, cwd: Path, services: Services) -> None:
        command = Command((self.python, "-m", "pip", *arguments), cwd=cwd, env=self.env, timeout_seconds=_PIP_SECONDS)
        outcome = services.commands.run(command, on_line=_telling(what, services))
        if outcome.exit_code == 0:
            return
        last = next((line for line in reversed(outcome.tail) if "ERROR" in line), (outcome.tail or ("no word",))[-1])
        kind: type[PipelineError] = OfflineError if services.offline else NetworkError
        raise kind(
            f"pip did not bring {what}: {last}",
            hint="sync once with the network; pip's own settings (PIP_INDEX_URL, proxies) are honoured",
        )

    def _list(self, folder: Path) -> InstallerFiles:
        files = []
        for path, place in walk(folder):
            found = Path(place)
            files.append(HeldFile(path=path, sha256=_sha256(found), size=found.stat().st_size))
        return InstallerFiles(
            version=self.version,
            selection=self.selection,
            requirements_sha256=sha256_bytes(self.requirements),
            files=tuple(sorted(files, key=lambda file: file.path)),
        )


def _telling(what: str, services: Services) -> Callable[[str], None]:
    """Return what tells of every file that pip says it looks for; how many there will be it does not say before."""
    numbers = count(1)

    def tell(line: str) -> None:
        if line.startswith("Collecting "):
            services.events.emit(StepProgress(_STEP, next(numbers), None, "files", what))

    return tell


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return sha256_stream(stream)[0]


def read_files_list(folder: Path) -> InstallerFiles | None:
    """Return ``files.json`` of a mirror's ``installer/``, None when it is not there or cannot be read."""
    path = folder / FILES_LIST
    try:
        return read_document(InstallerFiles, path.read_bytes(), what=str(path))
    except (OSError, PipelineError):
        return None


def put_installer(layout: MirrorLayout, disk: Disk) -> None:
    """Put what ``InstallerSource.bring`` has made in the place of what it made before; other files there stay."""
    staged = layout.staging_dir / INSTALLER_FOLDER
    names = sorted(path.name for path in staged.iterdir())
    disk.make_dirs(layout.installer_dir)
    take_away([layout.installer_dir / name for name in {*names, *own_names(layout.installer_dir)}], layout, disk)
    for name in names:
        disk.move(staged / name, layout.installer_dir / name, durable=False)
    disk.sync_names(layout.installer_dir)


def drop_installer(layout: MirrorLayout, disk: Disk) -> None:
    """Remove what ``put_installer`` has put; other files stay."""
    folder = layout.installer_dir
    own = own_names(folder)
    others = [path for path in folder.iterdir() if path.name not in own]
    take_away([folder / name for name in sorted(own)] if others else [folder], layout, disk)


def own_names(folder: Path) -> set[str]:
    """Return the names at the top of ``installer/`` that its list speaks for, the list included."""
    listed = read_files_list(folder)
    return set() if listed is None else {FILES_LIST, *(file.path.partition("/")[0] for file in listed.files)}


def installer_files(folder: Path) -> dict[str, int]:
    """Return path below the mirror to size of every file that the list has, the list itself included."""
    listed = read_files_list(folder)
    if listed is None:
        return {}
    sizes = {f"{INSTALLER_FOLDER}/{file.path}": file.size for file in listed.files}
    return {**sizes, f"{INSTALLER_FOLDER}/{FILES_LIST}": (folder / FILES_LIST).stat().st_size}
