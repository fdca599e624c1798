"""How fast `install` verifies, unpacks and switches, against `tar xzf` alone of the same files, in one run.

usage: python tests/benchmarks/install_speed.py [--dist DIR] [--runtime-mb N] [--rounds N] [--work DIR]

Without --dist, two versions of a bundle are made of shared libraries of this machine: core and cpu layers of some 17 MB
each, and with --runtime-mb a third layer, packed at level 19 (slow for large ones; --zstd-level). They are published to
a signed repository in a folder. Each round measures in turn, each into a folder that is not there yet:

- tar: `tar xzf` of a .tar.gz of the same files; tar_synced: followed by `sync -f`, which an install does as well;
- install: `install()` over the services of the command line, imports done before, trust and downloads included;
- command: the whole `python -m pipeline install`;
- use: the whole `python -m pipeline use` of the other version; startup: `python -m pipeline --version`;
  interpreter: `python -c pass`.

Prints JSON with the median of each in milliseconds, and medians of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.model.manifest_document import read_manifest  # noqa: E402 - found through the line above
from tests.simulators.engine_world import LayerFiles, World  # noqa: E402

LIBRARIES = ("/usr/lib", "/lib", "/usr/local")
LAYER_BYTES = 17_000_000
LARGEST_LIBRARY_BYTES = 4_000_000
INSTALL = """
import sys, time
from pathlib import Path
from pipeline.app.services import disk, install_services
from pipeline.app.settings import Flags, load_settings
from pipeline.deploy.install import InstallRequest, install
location, root, trusted_root, target = sys.argv[1:]
def run():
    settings = load_settings(Flags(verbosity="quiet", progress=False))
    request = InstallRequest(
        location=location, root=Path(root), trusted_root=Path(trusted_root).read_bytes(), target=target,
        check_host=False,
    )
    with install_services(settings, Path(root), location=location, may_be_new=True) as services:
        install(request, services, disk=disk())
import pipeline.deploy.trust, pipeline.system.archives, pipeline.system.downloads, zstandard, filelock, httpx
began = time.perf_counter()
run()
print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, help="a folder that `build` wrote, instead of a made-up bundle")
    parser.add_argument("--target", help="of --dist; the only one by default")
    parser.add_argument("--runtime-mb", type=int, default=0)
    parser.add_argument("--zstd-level", type=int, default=19)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("install-speed"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    world = World(work, zstd_level=options.zstd_level)
    if options.dist:
        shutil.copytree(options.dist, work / "dist")
    else:
        make_bundles(world, options.runtime_mb)
    world.publish()
    bench = Bench(world, options.target)
    rounds = [bench.round(number) for number in range(options.rounds)]
    shutil.rmtree(work)
    medians = {name: round(1000 * statistics.median(r[name] for r in rounds), 1) for name in rounds[0]}
    ratios = {
        f"{one}_to_{other}": round(statistics.median(r[one] / r[other] for r in rounds), 3)
        for one, other in (
            ("install", "tar"),
            ("install", "tar_synced"),
            ("command", "tar"),
            ("command", "tar_synced"),
        )
    }
    extra = {}
    if "use" in medians:
        extra = {
            f"use_beyond_{name}_ms": round(1000 * statistics.median(r["use"] - r[name] for r in rounds), 1)
            for name in ("startup", "interpreter")
        }
    print(json.dumps({"bytes": bench.bytes, "median_ms": medians, "median_ratio": ratios, **extra}, indent=2))


def libraries() -> list[Path]:
    """Return shared libraries of this machine, every file once, in a stable order."""
    found: dict[str, Path] = {}
    for folder in map(Path, LIBRARIES):
        for path in folder.rglob("*.so*"):
            if path.is_file() and not path.is_symlink() and 100_000 < path.stat().st_size < LARGEST_LIBRARY_BYTES:
                found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def take(paths: list[Path], size_bytes: int, prefix: str) -> dict[str, bytes | str]:
    """Return libraries of about ``size_bytes`` as files of a layer, taken off the list, with the link chains of one."""
    files: dict[str, bytes | str] = {}
    taken = 0
    while taken < size_bytes and paths:
        path = paths.pop()
        data = path.read_bytes()
        files[f"{prefix}{path.name}.0.0.1"] = data
        files[f"{prefix}{path.name}"] = f"{path.name}.0"
        files[f"{prefix}{path.name}.0"] = f"{path.name}.0.0.1"
        taken += len(data)
    return files


def make_bundles(world: World, runtime_mb: int) -> None:
    """Write a dist folder with two versions that differ in every file of core and share the runtime."""
    left = libraries()
    cpu = LayerFiles("cpu", take(left, LAYER_BYTES, "bin/"))
    runtime = LayerFiles("runtime", take(left, runtime_mb * 1_000_000, "bin/runtime-")) if runtime_mb else None
    own = take(left, LAYER_BYTES, "bin/")
    for version in ("b1", "b2"):
        marked = {name: data if isinstance(data, str) else data + version.encode() for name, data in own.items()}
        core = LayerFiles("core", {"bin/llama-server": f"server {version}".encode(), **marked})
        world.build(version, (core, cpu, *((runtime,) if runtime else ())))


class Bench:
    """A published repository, and the same files as .tar.gz."""

    def __init__(self, world: World, target: str | None) -> None:
        self.world = world
        artifacts = read_manifest((world.folder / "dist/manifest.json").read_bytes()).artifacts
        chosen = [artifact for artifact in artifacts if target in {None, artifact.target}]
        self.target = chosen[0].target
        self.versions = [artifact.version for artifact in chosen if artifact.target == self.target]
        outcome = self._command("install", world.folder / "first", self.target, "--from", world.repository)
        tree = Path(json.loads(outcome)["path"])
        for version in self.versions:
            self._command(
                "install", world.folder / "first", self.target, "--from", world.repository, "--version", version
            )
        self.archive = world.folder / "files.tar.gz"
        subprocess.run(["tar", "-czf", self.archive, "-C", tree, "."], check=True)
        self.bytes = {
            "files": sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink()),
            "tar_gz": self.archive.stat().st_size,
            "layers": sum(layer.size for layer in chosen[-1].layers if not layer.optional),
        }

    def round(self, number: int) -> dict[str, float]:
        """Return seconds of everything, measured next to each other."""
        folder = self.world.folder / f"round-{number}"
        folder.mkdir()
        found = {}
        for name, after in (("tar", []), ("tar_synced", [["sync", "-f", folder / "tar_synced"]])):
            (folder / name).mkdir()
            argv = ["tar", "-xzf", self.archive, "-C", folder / name]
            found[name] = sum(_seconds(part) for part in (argv, *after))
        argv = [
            sys.executable,
            "-c",
            INSTALL,
            self.world.repository,
            folder / "install",
            self._trusted_root,
            self.target,
        ]
        found["install"] = float(self._run(argv))
        began = time.perf_counter()
        self._command("install", folder / "command", self.target, "--from", self.world.repository)
        found["command"] = time.perf_counter() - began
        found["interpreter"] = _seconds([sys.executable, "-c", "pass"])
        began = time.perf_counter()
        self._run([sys.executable, "-m", "pipeline", "--version"])
        found["startup"] = time.perf_counter() - began
        if len(self.versions) > 1:
            began = time.perf_counter()
            self._command("use", self.world.folder / "first", self.versions[number % 2])
            found["use"] = time.perf_counter() - began
        shutil.rmtree(folder)
        return found

    @property
    def _trusted_root(self) -> Path:
        return self.world.keys_dir / "root.json"

    def _command(self, name: str, root: Path, *arguments: object) -> str:
        trust = ("--trusted-root", self._trusted_root, "--no-check-host") if name == "install" else ()
        argv = [sys.executable, "-m", "pipeline", name, *arguments, "--root", root, *trust, "--json"]
        return self._run(argv)

    def _run(self, argv: list[object]) -> str:
        env = {**os.environ, "PYTHONPATH": str(PROJECT), "ENGINE_PIPELINE_CACHE_DIR": str(self.world.folder / "cache")}
        done = subprocess.run(list(map(str, argv)), env=env, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout


def _seconds(argv: list[object]) -> float:
    began = time.perf_counter()
    subprocess.run(list(map(str, argv)), check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
