"""An mlx environment for the machine and the Python that run the tests: a made channel, real wheels, and its locks.

The project's own locks are for Python 3.14 and conda-forge, which tests cannot reach. Here the conda packages are made
of this machine's Python; the wheels are those that the package index has for it, locked by uv as the project's are.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from pipeline.lock.generated import (
    CONDA_INPUTS,
    CONDA_LOCK,
    CONDA_RECORDS,
    WHEEL_INPUTS,
    Generated,
    canonical,
    input_digests,
    render,
    together,
)  # fmt: skip
from tests.simulators.conda_packages import PLACEHOLDER, Member, write_channel
from tests.simulators.conda_python import PYTHON, data_package, python_package

PROJECT = Path(__file__).resolve().parents[2]
PLATFORM = "linux-x86_64"
CONDA_FORGE = "https://conda.anaconda.org/conda-forge"
FLOOR = "2.35"
MLX = "mlx[cpu]==0.32.4"
NEWER = "mlx-lm==0.32.2"
OLDER = "mlx-lm==0.32.1"
EXCLUDE_NEWER = "2026-11-20T00:00:00Z"  # nothing that the index gets later changes what the tests install


@cache
def can_run() -> bool:
    """Return whether the wheels of mlx for Linux can run here."""
    return any(tag.platform == f"manylinux_{FLOOR.replace('.', '_')}_x86_64" for tag in sys_tags())


def uv() -> str:
    """Return the uv of the environment that the tests run in."""
    return str(Path(sys.executable).parent / "uv")


def make_channel(folder: Path, build: str = "0_cpython") -> dict[str, dict[str, Any]]:
    """Write a channel with Python and what it depends on; return file name to record."""
    zones = {
        "share/zoneinfo/UTC": Member(b"TZif2" + bytes(39) + b"\nUTC0\n"),
        "share/zoneinfo/where": Member(
            b"\x7f" + PLACEHOLDER.encode() + b"\0", binary=True
        ),  # bounds the prefix's length
    }
    zone_data = data_package("tzdata", "2026a", zones, license_id="LicenseRef-Public-Domain")
    return write_channel(folder, (python_package(build), zone_data))


def lock_wheels(requirements: tuple[str, ...], folder: Path) -> list[dict[str, Any]]:
    """Return name, version, path, size, sha256 and url of the wheels that the package index has for this Python."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = folder / "requirements.in"
    asked.write_text("".join(f"{line}\n" for line in requirements))
    argv = [uv(), "pip", "compile", str(asked), "--format", "pylock.toml"]
    argv += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_35", "--only-binary", ":all:"]
    argv += ["--exclude-newer", EXCLUDE_NEWER, "--no-header", "--quiet", "-o", str(folder / "pylock.toml")]
    subprocess.run([*argv, "--python", sys.executable], check=True)
    packages = tomllib.loads((folder / "pylock.toml").read_text())["packages"]
    return [_chosen(package) for package in packages]


def write_environment(
    folder: Path, records: dict[str, dict[str, Any]], wheels: list[dict[str, Any]], requirements: tuple[str, ...]
) -> None:
    """Write an environment's folder below envs/ for the one platform, as ``lock`` would."""
    shutil.rmtree(folder, ignore_errors=True)  # a lock of a platform that is not asked for would be stale
    folder.mkdir(parents=True)
    (folder / "environment.yml").write_text(
        f"name: {folder.name}\nchannels: [conda-forge]\nplatforms: [linux-64]\ndependencies:\n- python {PYTHON}.*\n"
    )
    (folder / "virtual-packages.yml").write_text(f"subdirs:\n  linux-64:\n    packages:\n      __glibc: '{FLOOR}'\n")
    (folder / "requirements.in").write_text("".join(f"{line}\n" for line in requirements))
    known = {f"{record['subdir']}/{name}": {**record, "url": _url(record, name)} for name, record in records.items()}
    conda, pylock = input_digests(folder, CONDA_INPUTS), input_digests(folder, WHEEL_INPUTS)
    files = (
        Generated(CONDA_LOCK, conda, yaml.safe_dump(_conda_lock(records), sort_keys=False)),
        Generated(CONDA_RECORDS, conda, canonical(known)),
        Generated(f"pylock.{PLATFORM}.toml", pylock, _pylock(wheels)),
    )
    for file in files:
        (folder / file.filename).write_text(render(file, environment=folder.name, together=together(files)))


def copy_recipes(folder: Path) -> Path:
    """Copy the project's recipes and environments below a folder; return the recipe folder."""
    for name in ("recipes", "envs"):
        shutil.copytree(PROJECT / name, folder / name)
    return folder / "recipes"


def _chosen(package: dict[str, Any]) -> dict[str, Any]:
    """Return the wheel that an installer takes here: the one with the most particular tag."""
    order = {tag: place for place, tag in enumerate(sys_tags())}
    ranked = []
    for wheel in package["wheels"]:
        name = wheel.get("name") or wheel["url"].rsplit("/", 1)[1]
        places = [order[tag] for tag in parse_wheel_filename(name)[3] if tag in order]
        ranked += [(min(places), name, wheel)] if places else []
    _, name, wheel = min(ranked, key=lambda found: found[:2])
    sha256 = wheel["hashes"]["sha256"]
    return {
        "name": package["name"],
        "version": package["version"],
        "path": name,
        "size": wheel["size"],
        "sha256": sha256,
        "url": wheel["url"],
    }


def _url(record: dict[str, Any], filename: str) -> str:
    return f"{CONDA_FORGE}/{record['subdir']}/{filename}"


def _conda_lock(records: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a document as conda-lock 4 writes it (version 1 of the format)."""
    packages = [
        {
            "name": record["name"],
            "version": record["version"],
            "manager": "conda",
            "platform": "linux-64",
            "dependencies": {spec.split()[0]: " ".join(spec.split()[1:]) for spec in record["depends"]},
            "url": _url(record, filename),
            "hash": {"md5": record["md5"], "sha256": record["sha256"]},
            "category": "main",
            "optional": False,
        }
        for filename, record in sorted(records.items())
    ]
    return {
        "version": 1,
        "metadata": {
            "content_hash": {"linux-64": "0" * 64},
            "channels": [{"url": "conda-forge", "used_env_vars": []}],
            "platforms": ["linux-64"],
            "sources": ["environment.yml"],
        },
        "package": packages,
    }


def _pylock(wheels: list[dict[str, Any]]) -> str:
    lines = ['lock-version = "1.0"', 'created-by = "engine-pipeline"', f'requires-python = ">={PYTHON}"', ""]
    for wheel in wheels:
        hashes = f'hashes = {{ sha256 = "{wheel["sha256"]}" }}'
        entry = f'{{ path = "{wheel["path"]}", size = {wheel["size"]}, {hashes} }}'
        lines += [
            "[[packages]]",
            f'name = "{wheel["name"]}"',
            f'version = "{wheel["version"]}"',
            f"wheels = [{entry}]",
            "",
        ]
    return "\n".join(lines)
