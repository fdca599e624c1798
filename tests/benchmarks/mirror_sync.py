"""How long a sync of a mirror takes that finds nothing new, and what the time goes to.

usage: python tests/benchmarks/mirror_sync.py [--artifacts N] [--rounds N] [--work DIR]

A repository of N artifacts (default 2,000) in small files is published: ten versions of as many targets, with a bundle
and a core of its own each, and backends that versions share. Everything is mirrored (--keep 1000). Timed are whole
`python -m pipeline` processes: the no-op sync, one in which the timestamp alone is new, `verify` and `du`; beside them
`--version`, which is what starting costs. The no-op sync is then profiled.
Prints JSON: medians in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import pstats
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above
from tests.simulators.engine_world import World  # noqa: E402 - as above
from tests.simulators.mirrors import mirrored  # noqa: E402 - as above
from tests.simulators.small_files import Named, write_small_dist  # noqa: E402 - as above

PLATFORMS = ("linux-x86_64", "linux-arm64", "windows-x86_64", "macos-arm64")
VERSIONS = 10
DAY = 86400
AIM_SECONDS = 2.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--artifacts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("mirror-sync"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    world = World(work)
    write_dist(work / "dist", options.artifacts)
    seconds = {"publish": [timed(world.publish)]}
    mirror = work / "mirror"
    seconds["create"] = [timed(lambda: mirrored(world, mirror, keep=1000))]
    blobs = sum(1 for _ in (mirror / "blobs").glob("*/*"))
    seconds["--version"] = command(options.rounds, "--version")
    seconds["no-op sync"] = command(options.rounds, "mirror", "sync", mirror)
    world.publish(now=world.clock.now_seconds() + 5 * DAY)  # the timestamp is due, and nothing else
    seconds["sync of a timestamp"] = command(1, "mirror", "sync", mirror)
    seconds["verify"] = command(1, "mirror", "verify", mirror)
    seconds["du"] = command(1, "mirror", "du", mirror)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    aims = {"no-op sync": AIM_SECONDS}
    figures = [
        spread(f"{name}, {options.artifacts} artifacts", values, unit="s", aim=aims.get(name))
        for name, values in seconds.items()
    ]
    sizes = {"artifacts": options.artifacts, "blobs": blobs}
    print(json.dumps({"figures": figures, **sizes, "seconds": medians, "profile": profile(mirror)}))


def write_dist(folder: Path, count: int) -> None:
    """Write a dist folder whose bundles and layers are a few hundred bytes each."""
    named = []
    for number in range(count):
        target, version = divmod(number, VERSIONS)
        accel = f"cuda-{10 + target // len(PLATFORMS)}.0"
        layers = (("core", f"core {number}"), (f"cuda-{target}", f"backend {target} {version // 2}"))
        named.append(Named(PLATFORMS[target % len(PLATFORMS)], accel, f"b{1000 + version}", layers))
    write_small_dist(folder, named)


def command(rounds: int, *arguments: str | Path) -> list[float]:
    """Return the times of a command, whole processes, in seconds."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    argv = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    return [
        timed(lambda: subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL))
        for _ in range(rounds)
    ]


def timed(action) -> float:
    """Return how long an action takes, in seconds."""
    began = time.perf_counter()
    action()
    return round(time.perf_counter() - began, 3)


def profile(mirror: Path) -> dict[str, float]:
    """Return where a no-op sync spends its time, imports included: cumulative seconds under the profiler."""
    saved = mirror.parent / "profile"
    script = (
        "import cProfile, sys\nfrom pipeline.cli.main import run\nprofiler = cProfile.Profile()\n"
        "profiler.runcall(run, ['mirror', 'sync', sys.argv[1], '--quiet'])\nprofiler.dump_stats(sys.argv[2])"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    subprocess.run(
        [sys.executable, "-c", script, mirror, saved], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    wanted = {
        ("trust.py", "open"): "trust: refresh of root, timestamp, snapshot, targets",
        ("completed.py", "read_completed"): "read the record",
        ("completed.py", "all_there"): "look at every file",
        ("__init__.py", "import_module"): "imports of the command",
    }
    stats = pstats.Stats(str(saved))
    found: dict[str, float] = {}
    for (path, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        label = wanted.get((Path(path).name, name))
        if label:
            found[label] = round(max(found.get(label, 0.0), cumulative), 3)
    return found


if __name__ == "__main__":
    main()
