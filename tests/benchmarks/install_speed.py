"""How fast `install` verifies, unpacks and switches, against `tar xzf` alone of the same files, in one run.

usage: python tests/benchmarks/install_speed.py [--dist DIR] [--runtime-mb N] [--files N] [--rounds N] [--work DIR]

Without --dist, two versions of a bundle are made of shared libraries of this machine: core and cpu layers of some 17 MB
each, and with --runtime-mb a third layer, packed at level 19 (slow for large ones; --zstd-level). With --files the
layers are that many small files instead. They are published to a signed repository in a folder. Each round measures in
turn, each into a folder that is not there yet:

- tar: `tar xzf` of a .tar.gz of the same files; tar_synced: followed by `sync -f`, which an install does as well;
- install: `install()` over the services of the command line, imports done before, trust and downloads included;
- install_unsynced: the same with a disk that waits for nothing, which only this program has;
- command: the whole `python -m pipeline install`;
- use, use_unchecked: the whole `python -m pipeline use` of the other version, and with `--health none`;
  startup: `python -m pipeline --version`; interpreter: `python -c pass`.

Prints JSON with the median of each in milliseconds, of the processor time that it takes on all cores (a busy machine
distorts it less), and medians of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.model.manifest import HealthCheck  # noqa: E402 - as below
from pipeline.model.manifest_document import read_manifest  # noqa: E402 - found through the line above
from tests.gathering.protocol import spread  # noqa: E402 - as above
from tests.simulators.engine_world import LayerFiles, World  # noqa: E402

LIBRARIES = ("/usr/lib", "/lib", "/usr/local")
LAYER_BYTES = 17_000_000
LIBRARY_BYTES = range(100_000, 4_000_000)
RUNTIME_LIBRARY_BYTES = range(4_000_000, 200_000_000)
INSTALL = """
import os, sys, time
from pathlib import Path
from pipeline.app.services import disk, install_services
from pipeline.app.settings import Flags, load_settings
from pipeline.deploy.install import InstallRequest, install
from pipeline.system.durable import FileDisk
class UnsyncedDisk(FileDisk):
    def make_dirs(self, path, *, durable=True):
        super().make_dirs(path, durable=False)
    def replace_file(self, path, data, *, staging_dir):
        temporary = staging_dir / "replacement"
        temporary.write_bytes(data)
        temporary.replace(path)
    def sync(self, folder):
        pass
    def sync_names(self, folder):
        pass
    def move(self, source, destination, *, durable=True):
        super().move(source, destination, durable=False)
location, root, trusted_root, target, synced = sys.argv[1:]
def run():
    settings = load_settings(Flags(verbosity="quiet", progress=False))
    request = InstallRequest(
        location=location, root=Path(root), trusted_root=Path(trusted_root).read_bytes(), target=target,
        check_host=False,
    )
    with install_services(settings, Path(root), location=location, may_be_new=True) as services:
        install(request, services, disk=disk() if synced == "synced" else UnsyncedDisk())
import pipeline.deploy.trust, pipeline.system.archives, pipeline.system.downloads, zstandard, filelock, httpx
os.sync()
began, used = time.perf_counter(), time.process_time()
run()
print(time.perf_counter() - began, time.process_time() - used)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, help="a folder that `build` wrote, instead of a made-up bundle")
    parser.add_argument("--target", help="of --dist; the only one by default")
    parser.add_argument("--runtime-mb", type=int, default=0)
    parser.add_argument("--files", type=int, default=0, help="so many small files instead of libraries")
    parser.add_argument("--zstd-level", type=int, default=19)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("install-speed"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    world = World(work, zstd_level=options.zstd_level)
    if options.dist:
        shutil.copytree(options.dist, work / "dist")
    elif options.files:
        make_small_files(world, options.files)
    else:
        make_bundles(world, options.runtime_mb)
    world.publish()
    bench = Bench(world, options.target)
    rounds = [bench.round(number) for number in range(options.rounds)]
    shutil.rmtree(work)
    print(json.dumps({"figures": figures(rounds), "bytes": bench.bytes, **summary(rounds)}, indent=2))


def figures(rounds: list[dict[str, tuple[float, float]]]) -> list[dict]:
    """Return what there are peers and aims for."""
    peers = {"tar": "tar xzf", "tar_synced": "tar xzf and sync -f", "install_unsynced": "the same, no sync"}
    aims = {("install", "tar"): 1.0, ("install", "install_unsynced"): 1.6}
    found = [
        spread(
            f"{'whole command' if one == 'command' else one}, wall time",
            (a[one][0] / a[other][0] for a in rounds),
            peer=peers[other],
            aim=aims.get((one, other)),
        )
        for one, others in (("install", peers), ("command", ("tar", "tar_synced")))
        for other in others
    ]
    if "use" in rounds[0]:
        beyond = (1000 * (a["use_unchecked"][0] - a["startup"][0]) for a in rounds)
        found.append(spread("use --health none, beyond --version", beyond, unit="ms", aim=50))
    return found


def summary(rounds: list[dict[str, tuple[float, float]]]) -> dict[str, object]:
    """Return medians of times, and of ratios and differences within a round."""

    def median(value: Callable[[dict[str, tuple[float, float]]], float], digits: int = 3) -> float:
        return round(statistics.median(map(value, rounds)), digits)

    names = list(rounds[0])
    pairs = [("install", "install_unsynced")]
    pairs += [(one, other) for one in ("install", "command") for other in ("tar", "tar_synced")]
    found: dict[str, object] = {
        "median_ms": {name: median(lambda r, n=name: 1000 * r[n][0], 1) for name in names},
        "median_processor_ms": {name: median(lambda r, n=name: 1000 * r[n][1], 1) for name in names},
        "median_ratio": {f"{a}_to_{b}": median(lambda r, a=a, b=b: r[a][0] / r[b][0]) for a, b in pairs},
        "median_processor_ratio": {f"{a}_to_{b}": median(lambda r, a=a, b=b: r[a][1] / r[b][1]) for a, b in pairs},
    }
    if "use" in names:
        found["use_beyond_ms"] = {
            name: median(lambda r, n=name: 1000 * (r["use"][0] - r[n][0]), 1) for name in ("startup", "interpreter")
        }
        found["use_unchecked_beyond_ms"] = {
            name: median(lambda r, n=name: 1000 * (r["use_unchecked"][0] - r[n][0]), 1)
            for name in ("startup", "interpreter")
        }
    return found


def libraries(sizes: range = LIBRARY_BYTES) -> list[Path]:
    """Return shared libraries of this machine, every name once, in a stable order."""
    found: dict[str, Path] = {}
    for folder in map(Path, LIBRARIES):
        for path in folder.rglob("*.so*"):
            if path.is_file() and not path.is_symlink() and path.stat().st_size in sizes:
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


def make_small_files(world: World, count: int) -> None:
    """Write a dist folder with two versions of that many files of 1 to 16 kB, all of them different."""
    for version in ("b1", "b2"):
        files: dict[str, bytes | str] = {"bin/llama-server": script(version)}
        for number in range(count):
            files[f"lib/{number % 40}/{number}"] = os.urandom(512 + number % 15 * 512).hex().encode()
        world.build(version, (LayerFiles("core", files),), health=checked(version))


def script(version: str) -> bytes:
    """Return a program that says its version and lists a device: what a check costs beside the program's own start."""
    listing = "echo 'load_backend: loaded CPU backend from /x'"
    return f"#!/bin/sh\ncase $1 in --version) echo 'version: {version}';; *) {listing};; esac\n".encode()


def checked(version: str) -> HealthCheck:
    """Return the check of ``script``."""
    program = "bin/llama-server"
    return HealthCheck(
        program=program,
        version_args=("--version",),
        version_pattern=f"version: {version}$",
        device_program=program,
        device_args=("--list-devices",),
        expect_devices=("^CPU$",),
    )


def make_bundles(world: World, runtime_mb: int) -> None:
    """Write a dist folder with two versions that differ in every file of core and share the runtime."""
    left = libraries()
    cpu = LayerFiles("cpu", take(left, LAYER_BYTES, "bin/"))
    runtime = LayerFiles("runtime", take(libraries(RUNTIME_LIBRARY_BYTES), runtime_mb * 1_000_000, "bin/runtime-"))
    own = take(left, LAYER_BYTES, "bin/")
    for version in ("b1", "b2"):
        marked = {name: data if isinstance(data, str) else data + version.encode() for name, data in own.items()}
        core = LayerFiles("core", {"bin/llama-server": script(version), **marked})
        world.build(version, (core, cpu, *((runtime,) if runtime_mb else ())), health=checked(version))


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

    def round(self, number: int) -> dict[str, tuple[float, float]]:
        """Return (seconds, seconds of processor time) of everything, measured next to each other."""
        folder = self.world.folder / f"round-{number}"
        folder.mkdir()
        root = self.world.folder / "first"
        untar = ["tar", "-xzf", self.archive, "-C"]

        def in_process(name: str, synced: str) -> tuple[float, ...]:
            argv = [sys.executable, "-c", INSTALL, self.world.repository, folder / name, self._trusted_root]
            return tuple(map(float, self._run([*argv, self.target, synced]).split()))

        for name in ("tar", "tar_synced"):
            (folder / name).mkdir()
        found = {
            "tar": spent(lambda: self._run([*untar, folder / "tar"])),
            "tar_synced": spent(
                lambda: (self._run([*untar, folder / "tar_synced"]), self._run(["sync", "-f", folder / "tar_synced"]))
            ),
            "install": in_process("install", "synced"),
            "install_unsynced": in_process("install_unsynced", "unsynced"),
            "command": spent(
                lambda: self._command("install", folder / "command", self.target, "--from", self.world.repository)
            ),
            "interpreter": spent(lambda: self._run([sys.executable, "-c", "pass"])),
            "startup": spent(lambda: self._run([sys.executable, "-m", "pipeline", "--version"])),
        }
        if len(self.versions) > 1:
            there, other = self.versions[number % 2], self.versions[(number + 1) % 2]
            found["use"] = spent(lambda: self._command("use", root, there))
            found["use_unchecked"] = spent(lambda: self._command("use", root, other, "--health", "none"))
            self._command("use", root, there, "--health", "none")
        shutil.rmtree(folder)
        return found

    @property
    def _trusted_root(self) -> Path:
        return self.world.keys_dir / "root.json"

    def _command(self, name: str, root: Path, *arguments: object) -> str:
        trust = ("--trusted-root", self._trusted_root, "--no-check-host") if name == "install" else ()
        argv = [sys.executable, "-m", "pipeline", name, *arguments, "--root", root, *trust, "--json", "--quiet"]
        return self._run(argv)

    def _run(self, argv: list[object]) -> str:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
            "PYTHONPATH": str(PROJECT),
            "PYTHONPYCACHEPREFIX": str(self.world.folder / "pycache"),
            "ENGINE_PIPELINE_CACHE_DIR": str(self.world.folder / "cache"),
        }
        done = subprocess.run(list(map(str, argv)), env=env, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout


def spent(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds and the processor seconds of the children that an action starts, on a disk at rest."""
    os.sync()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    action()
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
