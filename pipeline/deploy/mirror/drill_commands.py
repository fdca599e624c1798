"""The commands of a drill, each in a process that has no network."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.errors import HostError, ProofError
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.ports import Disk, DrillGround, Services

_PROJECT = "engine-pipeline[environments]"  # of a mirror that is older than this extra pip takes the rest
_INSTALL_SECONDS = 3600.0
_START_SECONDS = 60.0
_SHOWN_CHARACTERS = 500
_PASSED_ON = ("PATH", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class CutOff:
    """What came of a command.

    Attributes:
        exit_code: of it.
        seconds: wall time.
        message: what it said of its failure, else its last line.
        document: that it printed with ``--json``; empty when it printed none.
    """

    exit_code: int
    seconds: float
    message: str
    document: Mapping[str, object] = field(default_factory=dict)

    @property
    def health(self) -> Mapping[str, object]:
        """What an installation says of its health check."""
        found = self.document.get("health")
        return found if isinstance(found, dict) else {}

    @property
    def programs(self) -> Mapping[str, str]:
        """Programs of an installation, name to path."""
        found = self.document.get("programs")
        return found if isinstance(found, dict) else {}


class DrillCommands:
    """Runs commands below one folder, with a home and a cache of their own."""

    def __init__(self, folder: Path, *, package_dir: Path, services: Services, disk: Disk, ground: DrillGround) -> None:
        """Make the folders."""
        self._folder = folder
        self._services = services
        self._disk = disk
        self._ground = ground
        self._numbers = count(1)
        self._program: tuple[str, ...] = (ground.python, "-m", "pipeline")
        kept = {name: value for name, value in services.base_env.items() if name in _PASSED_ON}
        self._env = {
            **kept,
            **services.device_env,
            "HOME": str(folder / "home"),
            "ENGINE_PIPELINE_CACHE_DIR": str(folder / "cache"),
            "PYTHONPATH": str(package_dir),
        }
        for name in ("home", "cache", "roots"):
            disk.make_dirs(folder / name, durable=False)

    def look_around(self) -> str:
        """Return what is seen from inside.

        Raises:
            HostError: a process cannot be cut off here.
        """
        return self._run((), seconds=_START_SECONDS).message

    def install_program(self, mirror: Path) -> str | None:
        """Make a fresh environment from the mirror's wheels alone, which does the rest; return the version in it.

        A mirror without wheels is drilled by the program that runs now; None is returned.

        Raises:
            ProofError: the wheels are not enough.
        """
        wheels = MirrorLayout(mirror).installer_dir / "wheels"
        if not wheels.is_dir():
            return None
        place = self._folder / "program"
        python = place / "bin" / "python"
        self._env.pop("PYTHONPATH")
        quiet = ("--disable-pip-version-check", "--no-input", "--no-cache-dir", "-q")
        for argv in (
            (self._ground.python, "-m", "venv", str(place)),
            (str(python), "-m", "pip", "install", *quiet, "--no-index", "--find-links", str(wheels), _PROJECT),
        ):
            done = self._run(argv, seconds=_INSTALL_SECONDS)
            if done.exit_code:
                raise ProofError(
                    f"the installer cannot be installed from {wheels} alone: {done.message}",
                    hint="`mirror sync` brings the wheels for this machine's platform and Python",
                )
        self._program = (str(python), "-m", "pipeline")
        return self._run((*self._program, "--version"), seconds=_START_SECONDS).message

    @contextmanager
    def root(self) -> Iterator[Path]:
        """Give a place for one installation, and remove it."""
        root = self._folder / "roots" / str(next(self._numbers))
        try:
            yield root
        finally:
            self._disk.remove(root)

    def install(self, artifact: Artifact, mirror: Path, root: Path, *options: str) -> CutOff:
        """Install an artifact with the command line."""
        return self._run(
            (
                *self._program, "install", artifact.target, "--version", artifact.version, "--from", str(mirror),
                "--root", str(root), "--trusted-root", str(self._folder / "root.json"), "--offline", "--json",
                "--no-progress", *options,
            ),
            seconds=_INSTALL_SECONDS,
        )  # fmt: skip

    def start(self, program: str | None) -> CutOff | None:
        """Have a program say its version; None where there is no program."""
        return None if program is None else self._run((program, "--version"), seconds=_START_SECONDS)

    def _run(self, argv: tuple[str, ...], *, seconds: float) -> CutOff:
        errors = self._folder / f"stderr-{next(self._numbers)}"
        lines: list[str] = []
        command = Command(
            argv=self._ground.without_network(argv, stderr_path=errors),
            cwd=self._folder / "home",
            env=self._env,
            timeout_seconds=seconds,
        )
        outcome = self._services.commands.run(command, on_line=lines.append)
        if (why := self._ground.refusal(outcome)) is not None:
            raise HostError(
                f"a drill needs a process without any network, and that cannot be made here: {why}",
                hint="run it as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone,"
                " kernel.apparmor_restrict_unprivileged_userns); in a container: --cap-add SYS_ADMIN",
            )
        document = _document(lines)
        said = errors.read_text("utf-8", errors="replace").strip() if errors.is_file() else ""
        self._disk.remove(errors)
        return CutOff(outcome.exit_code, outcome.seconds, _message(outcome.exit_code, document, lines, said), document)


def _document(lines: list[str]) -> dict[str, object]:
    try:
        found: object = json.loads("\n".join(lines))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(exit_code: int, document: Mapping[str, object], lines: list[str], said: str) -> str:
    error = document.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    if exit_code:
        return (said or "\n".join(lines[-5:]) or f"it ended with {exit_code}")[-_SHOWN_CHARACTERS:]
    return lines[-1].strip() if lines and not document else ""
