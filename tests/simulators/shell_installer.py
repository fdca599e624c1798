"""install.sh of a small world, run as on a bare system: a shell, and a PATH with nothing but named tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.app.project import manifests_dir
from pipeline.model.installers import InstallersOutcome
from pipeline.model.manifest import Artifact, HealthCheck
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import blob_path
from pipeline.model.revocation import Revocation
from pipeline.publish.installer_request import InstallersRequest, newest
from pipeline.publish.installers import check_installers, generate_installers
from tests.simulators.engine_world import ENGINE, World

BUSYBOX = shutil.which("busybox") or "/bin/busybox"
SHELLS = {
    "dash": (shutil.which("dash") or "dash",),
    "busybox ash": (BUSYBOX, "ash"),
    "bash": (shutil.which("bash") or "bash", "--posix"),
    "bash as it is": (shutil.which("bash") or "bash",),
}
TOOLS = (
    "uname", "mkdir", "rm", "mv", "sort", "cmp", "find", "sed", "tr", "chmod", "date", "ln", "cp", "wc", "grep", "cat",
    "tar", "gzip", "sync", "df", "readlink",
)  # fmt: skip
_PATIENCE_SECONDS = 120  # until a script counts as hanging


def health_of(version: str) -> HealthCheck:
    """Return a check that the small world's server passes: it is a script that says ``core <version>``."""
    return HealthCheck(
        program="bin/llama-server",
        version_args=("--version",),
        version_pattern=rf"(?:core|kernel) {version}\b",
        device_program="bin/llama-server",
        device_args=(),
    )


@dataclass
class ShellInstaller:
    """The script, and a machine to run it on.

    Attributes:
        world: whose bundles it installs.
        folder: of the scripts.
        root: of the installation.
        base_url: in the script.
        tools: of the machine.
        busybox_tools: of these it has busybox's.
        shell: one of ``SHELLS``.
        variables: more environment.
    """

    world: World
    folder: Path
    root: Path
    base_url: str | None = None
    tools: tuple[str, ...] = (*TOOLS, "sha256sum", "sleep", "flock")
    busybox_tools: tuple[str, ...] = ()
    shell: str = "dash"
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        return self.folder / "install.sh"

    def request(self, *versions: str, artifacts: tuple[Artifact, ...] = (), **changes: object) -> InstallersRequest:
        """Return what the script is made of: the newest of the repository's bundles, or of given ones."""
        offered = artifacts or read_manifest((self.world.repository / "manifest.json").read_bytes()).artifacts
        work_dir = self.world.folder / "work"
        work_dir.mkdir(exist_ok=True)
        fields = {
            "artifacts": newest(offered, versions=versions),
            "archive_of": lambda _, layer: self.world.repository / blob_path(layer.sha256),
            "folder": self.folder,
            "templates_dir": manifests_dir() / "templates",
            "work_dir": work_dir,
            "base_url": self.base_url,
            "repository": "cafe",
            "development": True,
            "trusted_root": self.world.trusted_root,
        }
        return InstallersRequest(**(fields | changes))

    def generate(self, *versions: str, **changes: object) -> InstallersOutcome:
        request = self.request(*versions, **changes)
        return generate_installers(request, services=self.world.services(), disk=self.world.disk)

    def check(self, *versions: str, **changes: object) -> InstallersOutcome:
        return check_installers(
            self.request(*versions, **changes), services=self.world.services(), disk=self.world.disk
        )

    def path(self) -> Path:
        """Return the machine's one folder of programs, made anew."""
        folder = self.world.folder / "programs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in self.tools:
            if name in self.busybox_tools:
                (folder / name).symlink_to(BUSYBOX)
            elif found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
                (folder / name).symlink_to(found)
        return folder

    def start(self, *arguments: object, path: Path | None = None, root: Path | None = None) -> subprocess.Popen[str]:
        """Start the script in a process group of its own, in an empty folder."""
        home = self.world.folder / "home of somebody"
        home.mkdir(exist_ok=True)
        argv = [*SHELLS[self.shell], self.script, "--root", root or self.root, *arguments]
        return subprocess.Popen(
            [str(part) for part in argv],
            cwd=home,
            env={"PATH": str(path or self.path()), "HOME": str(home), **self.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: object, path: Path | None = None, root: Path | None = None) -> tuple[int, str, str]:
        """Run the script to its end; return its exit code, stdout and stderr."""
        process = self.start(*arguments, path=path, root=root)
        out, err = process.communicate(timeout=_PATIENCE_SECONDS)
        return process.returncode, out, err

    def ok(self, *arguments: object, path: Path | None = None) -> str:
        """Run the script, which must succeed; return its stdout."""
        code, out, err = self.run(*arguments, path=path)
        assert code == 0, err
        return out

    def fails(self, *arguments: object, path: Path | None = None) -> tuple[int, str]:
        """Run the script, which must fail; return its exit code and stderr."""
        code, _, err = self.run(*arguments, path=path)
        assert code != 0
        return code, err

    def runs(self) -> str:
        """Return what the installed server says, started through the pointer as a user's start script would."""
        from pipeline.deploy.layout import Layout  # noqa: PLC0415

        layout = Layout(self.root)
        pointer = layout.read_pointer(ENGINE)
        assert pointer is not None
        return subprocess.run(
            [layout.root / pointer.tree / "bin" / "llama-server"], capture_output=True, text=True, check=True
        ).stdout.strip()


def revocation(artifact: Artifact, reason: str = "it loses data") -> Revocation:
    return Revocation(
        target=artifact.target,
        version=artifact.version,
        sha256=artifact.sha256,
        reason=reason,
        revoked_at="2026-11-25T12:00:00Z",
    )
