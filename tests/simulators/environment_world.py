"""A small world of Python environments: bundles of conda packages and wheels, beside those of ``engine_world``.

Packages are real ``.conda`` files and are linked for real; what they hold is tiny. The Python in them is a program that
hands over to the Python that runs the tests, unless a test brings its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.deploy.install import InstallRequest
from pipeline.make.wheel_unpacking import RELOCATABLE
from pipeline.model.environment import EnvironmentCard
from pipeline.model.manifest import Artifact, HealthCheck
from pipeline.model.manifest_document import read_manifest, write_manifest
from pipeline.ports import Services
from pipeline.system.conda_tool import RattlerTool
from tests.simulators.conda_packages import PLACEHOLDER, CondaPackage, Member, write_channel
from tests.simulators.engine_world import FixedHost, LayerFiles, World

ENGINE = "mlx-lm"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{PYTHON}/site-packages"
SCRIPTS = {"mlx_lm.server": "mlx_lm.server:main"}
HEALTH = HealthCheck(
    program="bin/python",
    version_args=("-c", "import mlx_lm; print('mlx-lm', mlx_lm.__version__)"),
    version_pattern=r"^mlx-lm ",
    device_program="bin/python",
    device_args=("-c", "print('Available devices:'); print('  CPU: cpu')"),
)


def python_package(subdir: str = "linux-64") -> CondaPackage:
    """Return a Python whose programs are this test's; it knows its prefix in a text and in a binary file."""
    settings = f'PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="{PLACEHOLDER}/{SITE}"'
    program = f'#!/bin/sh\n# of {PLACEHOLDER}\n{settings} exec {sys.executable} "$@"\n'
    return CondaPackage(
        "python",
        f"{PYTHON}.1",
        {
            f"bin/python{PYTHON}": Member(program.encode(), executable=True),
            "bin/python": Member(link=f"python{PYTHON}"),
            f"lib/python{PYTHON}/config.py": Member(f"PREFIX = '{PLACEHOLDER}'\n".encode()),
            f"lib/python{PYTHON}/os.py": Member(b"# as it is\n" * 200),
            f"lib/python{PYTHON}/__pycache__/os.cpython-{PYTHON.replace('.', '')}.pyc": Member(b"compiled"),
            "lib/libpython.so": Member(b"\x7fNOT\0" + PLACEHOLDER.encode() + b"/lib\0tail\0", binary=True),
            "share/terminfo/n/ncr": Member(b"small"),
            "share/terminfo/N/NCR": Member(b"large"),
        },
        subdir=subdir,
    )


def noarch_package() -> CondaPackage:
    """Return a package of any Python, with a module and a program of its own."""
    return CondaPackage(
        "pack",
        "1.0",
        {"site-packages/pack/__init__.py": Member(b"NAME = 'pack'\n")},
        subdir="noarch",
        noarch="python",
        depends=("python",),
        entry_points=("pack = pack:main",),
    )


def wheel_files(version: str) -> dict[str, bytes | str]:
    """Return what the layer of wheels holds."""
    module = f"__version__ = {version!r}\n".encode()
    server = b"import sys\n\ndef main():\n    print('serving', sys.argv[1:])\n"
    return {
        f"{SITE}/mlx_lm/__init__.py": module,
        f"{SITE}/mlx_lm/server.py": server,
        f"{SITE}/mlx_lm-{version}.dist-info/INSTALLER": b"engine-pipeline\n",
        "bin/datascript": RELOCATABLE + b"import mlx_lm\nprint('data', mlx_lm.__version__)\n",
        "bin/plain.sh": b"#!/bin/sh\necho plain\n",
    }


INSTALLER = LayerFiles("installer", {"share/engine-pipeline/environment.json": b"{}\n"})

LOCKED_AT = "https://conda.example/conda-forge"


@dataclass
class EnvironmentWorld(World):
    """Everything below one temporary folder; ``build_environment`` adds bundles to its dist folder."""

    def build_environment(
        self,
        version: str,
        *,
        packages: tuple[CondaPackage, ...] | None = None,
        wheels: Mapping[str, bytes | str] | None = None,
        health: HealthCheck | None = HEALTH,
        platform: str = "linux-x86_64",
        dist: str = "dist",
        bend: Callable[[Path], None] | None = None,
        also: tuple[str, ...] = (),
        **card: object,
    ) -> Path:
        """Write a dist folder with one bundle, or add the bundle to what is there.

        Args:
            version: of the bundle.
            packages: of its base; none makes it one over the host's Python.
            wheels: what the layer of wheels holds.
            health: how it is checked.
            platform: that it is for.
            dist: name of the folder.
            bend: changes the channel before it becomes a layer.
            also: paths of packages that the channel does not have.
            card: changes of what the manifest says of the environment.
        """
        if packages is None:
            packages = (python_package(), noarch_package())
        layers = [LayerFiles("wheels", wheel_files(version) if wheels is None else wheels), INSTALLER]
        fields: dict[str, object] = {"python": PYTHON, "base": "host", "scripts": SCRIPTS}
        if packages:
            channel = self.folder / "channels" / version
            write_channel(channel, packages, locked_at=LOCKED_AT)
            if bend:
                bend(channel)
            listed = {f"conda/{p.relative_to(channel)}": p.read_bytes() for p in channel.rglob("*") if p.is_file()}
            layers.insert(0, LayerFiles("base", listed))
            fields |= {
                "base": "conda",
                "channel": "conda",
                "packages": (*(f"{package.subdir}/{package.filename}" for package in packages), *also),
                "prefix_limit": 255,
            }
        folder = self.build(
            version,
            tuple(layers),
            accel="mlx",
            dist=dist,
            engine=ENGINE,
            entry_points={"python": "bin/python", "mlx_lm.server": "bin/mlx_lm.server"},
            health=health,
        )
        environment = EnvironmentCard(**(fields | card))
        self.change(folder, lambda artifact: _as_environment(artifact, environment, platform), version)
        return folder

    def change(self, folder: Path, change: Callable[[Artifact], Artifact], version: str) -> None:
        """Change the entry of a version in a dist folder's manifest."""
        path = folder / "manifest.json"
        manifest = read_manifest(path.read_bytes())
        artifacts = [change(a) if (a.engine, a.version) == (ENGINE, version) else a for a in manifest.artifacts]
        path.write_bytes(write_manifest(artifacts, release=manifest.release, created=manifest.created))

    def request(self, **changes: object) -> InstallRequest:
        return super().request(**({"target": f"{ENGINE}/linux-x86_64-mlx"} | changes))

    def services(self, root: Path | None = None, *, host: FixedHost | None = None) -> Services:
        return replace(super().services(root, host=host), conda=RattlerTool())


def _as_environment(artifact: Artifact, card: EnvironmentCard, platform: str) -> Artifact:
    roles = {"base": "base", "wheels": "wheels", "installer": "installer"}
    layers = tuple(layer.model_copy(update={"role": roles[layer.name]}) for layer in artifact.layers)
    changes = {"environment": card, "origin": "assembled", "layers": layers, "platform": platform}
    return artifact.model_copy(update=changes)
