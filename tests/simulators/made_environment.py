"""An environment's layers as the stages make them, of small packages, and a bundle of them in a folder."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.digest import sha256_bytes
from pipeline.make.channel_layer import make_channel_layer
from pipeline.make.installer_layer import make_installer_layer
from pipeline.make.miniforge_layer import make_miniforge_layer
from pipeline.make.outputs import Outputs
from pipeline.make.wheel_layer import make_wheel_layer
from pipeline.model.environment import CondaPackage, Floors, LockedEnvironment
from pipeline.model.environment_actions import MakeChannelLayer, MakeInstallerLayer, MakeMiniforgeLayer, MakeWheelLayer
from pipeline.model.result import StepResult
from pipeline.ports import Services
from tests.simulators import miniforge
from tests.simulators.conda_packages import CondaPackage as SmallPackage
from tests.simulators.engine_world import services_for
from tests.simulators.small_wheels import SmallWheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CHANNEL = "https://conda.example/conda-forge"
KEY = "0" * 64
FLOORS = Floors(glibc="2.35")


def record_of(package: SmallPackage, data: bytes) -> CondaPackage:
    """Return how a package would be locked."""
    return CondaPackage(
        name=package.name,
        version=package.version,
        build=package.build,
        build_number=package.build_number,
        subdir=package.subdir,
        filename=package.filename,
        url=f"{CHANNEL}/{package.subdir}/{package.filename}",
        sha256=sha256_bytes(data),
        size_bytes=len(data),
        license=package.license,
        depends=package.depends,
        noarch=package.noarch,
    )


@dataclass
class MadeEnvironment:
    """The steps of one environment, carried out in a folder.

    Attributes:
        folder: for everything.
        packages: of the base; none for an environment over a host's Python.
        wheels: layer name to what is in it.
        miniforge: installer that travels with them; None for none.
    """

    folder: Path
    packages: tuple[SmallPackage, ...] = ()
    wheels: dict[str, tuple[SmallWheel, ...]] = field(default_factory=dict)
    miniforge: bytes | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.services: Services = services_for(self.folder)
        self.results: dict[str, StepResult] = {}
        conda = tuple(record_of(package, package.encode()) for package in self.packages)
        files = {package.filename: package.encode() for package in self.packages}
        locked = {
            name: tuple(wheel.write(self.folder / "wheels") for wheel in wheels) for name, wheels in self.wheels.items()
        }
        for wheel in (wheel for wheels in locked.values() for wheel in wheels):
            files[wheel.filename] = (self.folder / "wheels" / wheel.filename).read_bytes()
        blobs = {}
        for name, data in files.items():
            path = self.folder / name
            path.write_bytes(data)
            blobs[name] = self.services.store.add_blob(path, filename=name)
        self.results["fetch"] = StepResult(key=KEY, blobs=blobs)
        self.environment = LockedEnvironment(
            name="mlx",
            platform="linux-x86_64",
            python=PYTHON,
            floors=FLOORS,
            specs=("python",),
            virtual_packages={"__glibc": "2.35"},
            conda=conda,
            conda_problem="" if conda else "left out",
            wheels=tuple(sorted((w for wheels in locked.values() for w in wheels), key=lambda wheel: wheel.project)),
        )
        settings = {"zstd_level": 1, "epoch_seconds": 0}
        if conda:
            base = MakeChannelLayer(layer_name="base", fetched="fetch", packages=conda, subdir="linux-64", **settings)
            self._keep("base", make_channel_layer(base, "base", self.services, self.results, self._work("base")))
        for name, wheels in locked.items():
            action = MakeWheelLayer(
                layer_name=name,
                role="wheels" if name == "wheels" else "runtime",
                fetched="fetch",
                wheels=wheels,
                python=PYTHON,
                platform="linux-x86_64",
                floors=FLOORS,
                **settings,
            )
            self._keep(name, make_wheel_layer(action, name, self.services, self.results, self._work(name)))
        self.installer = MakeInstallerLayer(
            layer_name="installer",
            environment=self.environment,
            engine="mlx-lm",
            version="1.0",
            base="conda" if conda else "host",
            channel_layer="base" if conda else None,
            wheel_layers=tuple(locked),
            **settings,
        )
        made = make_installer_layer(self.installer, "i", self.services, self.results, self._work("installer"))
        self._keep("installer", made)
        self.layers = (*(("base",) if conda else ()), *locked, "installer")
        if self.miniforge is not None:
            self._carry(self.miniforge, settings)

    def write_bundle(self, folder: Path) -> Path:
        """Write what a bundle of the layers unpacks to."""
        entries = []
        for name in self.layers:
            tree = self.services.store.tree_path(self.results[name].trees["layer"])
            entries += self.services.trees.scan(tree).entries
            shutil.copytree(tree, folder, symlinks=True, dirs_exist_ok=True)
        card = self.results["installer"].facts["environment"]
        files = [entry.model_dump(mode="json") for entry in entries]
        document = {"schema_version": 1, "artifact": {"environment": card}, "files": files}
        (folder / "bundle.json").write_text(json.dumps(document))
        return folder

    def _carry(self, data: bytes, settings: dict[str, int]) -> None:
        path = self.folder / miniforge.FILENAME
        path.write_bytes(data)
        blob = self.services.store.add_blob(path, filename=path.name)
        self.results["fetch miniforge"] = StepResult(key=KEY, blobs={path.name: blob})
        action = MakeMiniforgeLayer(
            layer_name="miniforge", fetched="fetch miniforge", installer=miniforge.pinned(data), **settings
        )
        self._keep(
            "miniforge", make_miniforge_layer(action, "miniforge", self.services, self.results, self._work("miniforge"))
        )
        self.layers = (*self.layers, "miniforge")

    def _keep(self, name: str, made: Outputs) -> None:
        self.results[name] = StepResult(key=KEY, trees=dict(made.trees), blobs=dict(made.blobs), facts=dict(made.facts))

    def _work(self, name: str) -> Path:
        folder = self.folder / f"work-{name}"
        folder.mkdir()
        return folder
