"""What an environment's bundle weighs and how fast it installs offline, against pip and uv, as ratios within one run.

usage: python tests/benchmarks/environments.py [--rounds N] [--no-macos] [--work DIR]

Makes the world of tests/integration/test_mlx_environment.py (conda packages of this machine's Python, real wheels),
builds mlx-lm/linux-x86_64-mlx from it, publishes it to a signed repository in a folder, and measures in each round:

- pip: `pip install --no-index --require-hashes` of the same wheels from a folder, into an environment made before;
- uv: `uv pip install --offline` of the same, with an empty cache; uv_warm: with the cache that this left;
- install: the whole `engine-pipeline install --health none` into a new root: trust, digests, the conda packages linked
  (pip and uv have a Python already), the wheels put in, everything synced to the disk;
- checked: the same with the load check that is its default;
- layers_kept: as install, into a root whose generation is lost and whose layers are there. No command leaves a root so:
  `generations/` and `current` are removed here, by hand.

With macOS (the default) it builds mlx-lm/macos-arm64-mlx `--wheels-only` too: the wheels are downloaded, the sizes of
the conda packages are those of the lock, and a conda package weighs in a bundle what it weighs in its channel.

The builds use the cache of whoever runs this: packing the wheels takes minutes.

Prints a table, and JSON with medians in milliseconds, ratios within a round, and bytes.
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
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.app.settings import default_cache_dir  # noqa: E402 - found through the line above
from tests.gathering.protocol import spread  # noqa: E402 - as above
from tests.simulators import mlx_environment as made  # noqa: E402 - found through the line above
from tests.simulators.command_line import CommandLine  # noqa: E402 - as above
from tests.simulators.environment_users import EnvironmentWorld, make_mlx_world, only_artifact  # noqa: E402 - as above

MACOS = "mlx-lm/macos-arm64-mlx"
AIMS = {
    "size": 0.65,
    "size_macos": 0.65,
    "install_to_pip": 0.3,
    "install_to_uv": 1.2,
    "layers_kept_to_install": 0.15,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--macos", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--work", type=Path, default=Path("environments"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    with make_mlx_world(work, cache=default_cache_dir()) as world:
        bench = Bench(world)
        sizes = {"size": bench.size(), **({"size_macos": bench.size_macos()} if options.macos else {})}
    rounds = [bench.round(work / f"round-{number}") for number in range(options.rounds)]
    shutil.rmtree(work)
    found = summary(sizes, rounds)
    for name, ratio in found["ratios"].items():
        aim = AIMS.get(name)
        said = "" if aim is None else f"aim {aim:.2f}  {'met' if ratio <= aim else 'MISSED'}"
        print(f"{name:<24} {ratio:6.3f}  {said}".rstrip(), file=sys.stderr)
    print(json.dumps(found, indent=2))


def summary(sizes: dict[str, dict[str, int]], rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Return bytes, medians of times and medians of the ratios within a round."""
    pairs = [("install", "pip"), ("install", "uv"), ("layers_kept", "install"), ("checked", "install")]
    pairs.append(("uv_warm", "uv"))
    ratios = {name: round(size["bundle"] / size["published"], 3) for name, size in sizes.items()}
    for one, other in pairs:
        ratios[f"{one}_to_{other}"] = round(statistics.median(found[one] / found[other] for found in rounds), 3)
    medians = {name: round(1000 * statistics.median(found[name] for found in rounds)) for name in rounds[0]}
    peers = {"pip": "pip install", "uv": "uv pip install"}
    figures = [
        spread("size of the bundle", [ratios[name]], peer="wheels and packages", aim=AIMS[name]) for name in sizes
    ]
    figures += [
        spread(
            one.replace("_", " "),
            (round_[one] / round_[other] for round_ in rounds),
            peer=peers.get(other, other),
            aim=AIMS.get(f"{one}_to_{other}"),
        )
        for one, other in pairs
    ]
    return {"figures": figures, "bytes": sizes, "median_ms": medians, "ratios": ratios}


class Bench:
    """A published repository with the environment, and the same wheels in a folder."""

    def __init__(self, world: EnvironmentWorld) -> None:
        self.world = world
        self.user = world.builder()
        self.user.ok("build", "--target", world.target, "--prove", "none", "--output", "dist")
        self.user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
        self.user.ok("publish", "--allow-development", "--to", "repository", "--from", "dist", "--keys", "keys")
        self.customer = world.customer(world.folder / "customer", self.user)
        _, self.wheels = world.locks[world.versions[-1]]
        self.wheel_dir = world.folder / "wheels"
        self.requirements = world.folder / "requirements.txt"
        self.requirements.write_text(
            "".join(f"{w['name']}=={w['version']} --hash=sha256:{w['sha256']}\n" for w in self.wheels)
        )
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*argv, "--dest", self.wheel_dir, "--require-hashes", "-r", self.requirements], check=True)

    def size(self) -> dict[str, int]:
        """Return the bytes of the bundle, and of the packages and wheels that it was made of."""
        published = sum(record["size"] for record in self.world.records.values())
        published += sum(wheel["size"] for wheel in self.wheels)
        return {"bundle": only_artifact(self.user.home / "dist")["size"], "published": published}

    def size_macos(self) -> dict[str, int]:
        """Return the same for macOS, from a bundle of its wheels and the sizes of its locked conda packages."""
        user = CommandLine(self.world.folder / "macos", None, {"ENGINE_PIPELINE_CACHE_DIR": str(default_cache_dir())})
        user.home.mkdir()
        user.ok("build", "--target", MACOS, "--wheels-only", "--prove", "none", "--output", "dist")
        environment = PROJECT / "envs" / "mlx"
        pylock = tomllib.loads((environment / "pylock.macos-arm64.toml").read_text())
        wheels = sum(package["wheels"][0]["size"] for package in pylock["packages"])
        conda = sum(record["size"] for record in locked_records(environment, "osx-arm64"))
        bundle = only_artifact(user.home / "dist")["size"]
        return {"bundle": bundle + conda, "published": wheels + conda, "wheels": wheels, "wheels_bundle": bundle}

    def round(self, folder: Path) -> dict[str, float]:
        """Return the seconds of everything, measured next to each other."""
        folder.mkdir()
        for name in ("pip", "uv", "uv_warm"):
            subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        repository = self.user.home / "repository"
        cache = folder / "uv-cache"

        def install(root: str, *more: str) -> None:
            self.customer.ok("install", self.world.target, "--from", repository, "--root", folder / root, *more)

        found = {
            "pip": spent(lambda: self._pip(folder / "pip")),
            "uv": spent(lambda: self._uv(folder / "uv", cache)),
            "uv_warm": spent(lambda: self._uv(folder / "uv_warm", cache)),
            "install": spent(lambda: install("install", "--health", "none")),
            "checked": spent(lambda: install("checked")),
        }
        forget_generations(folder / "install")
        found["layers_kept"] = spent(lambda: install("install", "--health", "none"))
        shutil.rmtree(folder)
        return found

    def _pip(self, venv: Path) -> None:
        argv = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        self._run([*argv, "--require-hashes", "--find-links", self.wheel_dir, "-r", self.requirements])

    def _uv(self, venv: Path, cache: Path) -> None:
        argv = [made.uv(), "pip", "install", "--quiet", "--offline", "--no-index", "--no-deps"]
        argv += ["--python", venv / "bin" / "python", "--cache-dir", cache, "--require-hashes"]
        self._run([*argv, "--find-links", self.wheel_dir, "-r", self.requirements])

    def _run(self, argv: list[object]) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        subprocess.run(list(map(str, argv)), env=kept, check=True)


def forget_generations(root: Path) -> None:
    """Leave an installation's layers alone: no command does, since an uninstalled engine's layers go with it."""
    shutil.rmtree(root / "generations")
    shutil.rmtree(root / "current")


def locked_records(environment: Path, subdir: str) -> list[dict[str, Any]]:
    """Return the records of the packages that are locked for a platform and for all."""
    document = json.loads((environment / "conda-records.json").read_text())
    return [record for record in document["packages"].values() if record["subdir"] in {subdir, "noarch"}]


def spent(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes, on a disk at rest."""
    os.sync()
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
