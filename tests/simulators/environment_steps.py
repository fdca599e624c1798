"""Results of the steps before an environment's proof, over a real store: layers, and packages as they were brought.

What the layers' makers write into their facts and RECORDs is written here in the same form, so that a test can have it
written wrong.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.model.environment import CondaPackage, Floors, LockedEnvironment, WheelFile
from pipeline.model.environment_actions import ProveEnvironment
from pipeline.model.manifest import HealthCheck
from pipeline.model.result import StepResult
from pipeline.names import conda_subdir
from pipeline.system.archives import FileArchiver
from tests.simulators.conda_packages import write_channel

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.manifest import ProofLevel
    from pipeline.ports import Services
    from tests.simulators.conda_packages import CondaPackage as MadePackage

EPOCH = 1_700_000_000
KEY = "0" * 64
FLOORS = {"macos-arm64": Floors(macos="14.0"), "linux-x86_64": Floors(glibc="2.35")}
VIRTUAL = {"macos-arm64": {"__osx": "14.0"}, "linux-x86_64": {"__glibc": "2.35"}}


@dataclass
class MadeWheel:
    """A wheel as its layer has it.

    Attributes:
        project: normalized name.
        version: of it.
        files: path below site-packages to bytes.
        tag: of its file name.
        metadata: further lines of METADATA.
        license: that the layer's maker found; empty for none.
        unlisted: files that RECORD says nothing of.
    """

    project: str
    version: str = "1.0"
    files: dict[str, bytes] = field(default_factory=dict)
    tag: str = "py3-none-any"
    metadata: str = ""
    license: str = "MIT"
    unlisted: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        return f"{self.project.replace('-', '_')}-{self.version}"

    @property
    def filename(self) -> str:
        return f"{self.stem}-{self.tag}.whl"

    @property
    def content(self) -> bytes:
        """What stands for the wheel's file: only its digest counts."""
        return f"wheel {self.stem}".encode()

    def laid(self) -> dict[str, bytes]:
        """Return path below site-packages to bytes, with METADATA and RECORD."""
        info = f"{self.stem}.dist-info"
        head = f"Metadata-Version: 2.4\nName: {self.project}\nVersion: {self.version}\n{self.metadata}"
        files = {**self.files, f"{info}/METADATA": head.encode()}
        rows = [f"{path},{_digest(data)},{len(data)}" for path, data in files.items() if path not in self.unlisted]
        rows += [f"{info}/RECORD,,", f"../../../bin/{self.project},,"]
        return {**files, f"{info}/RECORD": "\n".join(rows).encode()}


@dataclass
class EnvironmentSteps:
    """An environment before its proof.

    Attributes:
        folder: to work in.
        services: with a store.
        platform: of the environment.
        wheels: that are locked and laid.
        conda: made packages that are locked and in the channel; empty for an environment over a host's Python.
        specs: that were asked of the channel.
        level: of the proof.
        insist: whether nothing less will do.
        tamper: path in the laid layers to the bytes that stand there instead; None removes the file.
    """

    folder: Path
    services: Services
    platform: str = "macos-arm64"
    python: str = "3.14"
    wheels: list[MadeWheel] = field(default_factory=list)
    conda: list[MadePackage] = field(default_factory=list)
    specs: tuple[str, ...] = ("python 3.14.*",)
    level: ProofLevel = "none"
    insist: bool = False
    health: HealthCheck = field(
        default_factory=lambda: HealthCheck(
            program="bin/python", version_args=(), version_pattern="x", device_program="bin/python", device_args=()
        )
    )
    tamper: dict[str, bytes | None] = field(default_factory=dict)

    def make(self) -> tuple[ProveEnvironment, dict[str, StepResult]]:
        """Return the step and the results that it stands on."""
        results = {"fetch wheels": self._fetched()}
        conda: tuple[CondaPackage, ...] = ()
        layers = []
        if self.conda:
            results["layer base"], conda = self._channel_layer()
            layers.append("layer base")
        results["layer wheels"] = self._wheel_layer()
        layers.append("layer wheels")
        locked = LockedEnvironment(
            name="tiny",
            platform=self.platform,
            python=self.python,
            floors=FLOORS[self.platform],
            specs=self.specs,
            virtual_packages=VIRTUAL[self.platform],
            conda=conda,
            wheels=tuple(self._locked(wheel) for wheel in self.wheels),
        )
        action = ProveEnvironment(
            target=f"tiny/{self.platform}-mlx",
            environment=locked,
            base="conda" if self.conda else "host",
            fetched=("fetch wheels",),
            layers=tuple(layers),
            channel_layer="layer base" if self.conda else None,
            wheel_layers=("layer wheels",),
            level=self.level,
            insist=self.insist,
            health=self.health,
        )
        return action, results

    def _fetched(self) -> StepResult:
        blobs = {}
        for wheel in self.wheels:
            path = self.folder / wheel.filename
            path.write_bytes(wheel.content)
            blobs[wheel.filename] = self.services.store.add_blob(path, filename=wheel.filename)
        return StepResult(key=KEY, blobs=blobs)

    def _locked(self, wheel: MadeWheel) -> WheelFile:
        return WheelFile(
            project=wheel.project,
            version=wheel.version,
            filename=wheel.filename,
            sha256=hashlib.sha256(wheel.content).hexdigest(),
            size_bytes=len(wheel.content),
        )

    def _wheel_layer(self) -> StepResult:
        site = f"lib/python{self.python}/site-packages"
        files = {f"{site}/{path}": data for wheel in self.wheels for path, data in wheel.laid().items()}
        parts = [
            {"name": w.project, "version": w.version, "license": w.license, "sha256": self._locked(w).sha256}
            for w in self.wheels
        ]
        facts = {"name": "wheels", "role": "wheels", "scripts": {}, "packages": parts}
        return self._layer("wheels", files, facts)

    def _channel_layer(self) -> tuple[StepResult, tuple[CondaPackage, ...]]:
        channel = self.folder / "channel"
        records = write_channel(channel, tuple(self.conda))
        (channel / conda_subdir(self.platform)).mkdir(exist_ok=True)
        locked = tuple(
            CondaPackage(
                name=record["name"],
                version=record["version"],
                build=record["build"],
                build_number=record["build_number"],
                subdir=record["subdir"],
                filename=filename,
                url=f"https://channel.example/{record['subdir']}/{filename}",
                sha256=record["sha256"],
                size_bytes=record["size"],
                license=record["license"],
                depends=tuple(record["depends"]),
                constrains=tuple(record["constrains"]),
                noarch=record.get("noarch"),
            )
            for filename, record in sorted(records.items())
        )
        files = {
            f"conda/{path.relative_to(channel).as_posix()}": path.read_bytes()
            for path in channel.rglob("*")
            if path.is_file()
        }
        parts = [{"name": p.name, "version": p.version, "license": p.license, "sha256": p.sha256} for p in locked]
        facts = {"name": "base", "role": "base", "prefix_limit": None, "packages": parts}
        return self._layer("base", files, facts), locked

    def _layer(self, name: str, files: dict[str, bytes], facts: dict[str, object]) -> StepResult:
        folder = self.folder / f"tree-{name}"
        folder.mkdir()
        here = {path: data for path, data in self.tamper.items() if path.startswith("conda/") == (name == "base")}
        for path, data in {**files, **here}.items():
            if data is None:
                continue
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        tree = self.services.store.add_tree(folder)
        archive = self.folder / f"{name}.tar.zst"
        FileArchiver().pack(self.services.store.tree_path(tree), archive, epoch_seconds=EPOCH, zstd_level=1)
        blob = self.services.store.add_blob(archive, filename=archive.name)
        return StepResult(key=KEY, trees={"layer": tree}, blobs={"layer": blob}, facts=facts)


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
