"""How cost grows with a repository: from 20 artifacts in 2 releases to 2,000 in 40.

usage: python tests/benchmarks/scale.py [--points 20 60 200 600 2000] [--rounds 3] [--picture FILE] [--profile NAME...]
                                        [--work DIR]

Repositories of small files are published, with layers shared as real releases share them (tests/simulators/
small_files.py). Measured are whole processes, wall time and peak resident memory, each the median of the rounds:

- plan: `plan` of every target that upstream's newest archives have, where as many bundles are pinned as the
  repository has artifacts (the pin that is here, under other tags);
- publish: `publish --deltas 0` of one more release into the repository (a delta's cost is of its layers, not of the
  repository);
- sync: `mirror sync` that finds nothing new, of a mirror of everything;
- select: `select --from` the repository, with facts of a recorded host: trust, manifest, choice;
- load: the manifest read and checked, and nothing else.

Each has the aim of 2 s and 200 MB at 2,000 artifacts. Growth is the exponent of least squares through the logarithms
of all points; the start of the interpreter, which does not grow, makes it small, so the slope of the last two points
stands beside it. --picture draws both as SVG; --profile says where operations spend their time at the largest point.
Prints JSON, and ends with 1 where an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.growth_picture import growth_picture  # noqa: E402 - found through the line above
from tests.gathering.protocol import is_met, spread  # noqa: E402 - as above
from tests.simulators.engine_world import ENGINE, HOST, World  # noqa: E402 - as above
from tests.simulators.mirrors import mirrored  # noqa: E402 - as above
from tests.simulators.small_files import released, write_small_dist  # noqa: E402 - as above

RELEASES = {20: 2, 60: 3, 200: 8, 600: 15, 2000: 40}
OPERATIONS = ("plan", "publish", "sync", "select", "load")
AIM_SECONDS, AIM_MB = 2.0, 200.0
LOAD = "import sys; from pathlib import Path; from pipeline.model.manifest_document import read_manifest; \
print(len(read_manifest(Path(sys.argv[1]).read_bytes()).artifacts))"
# A small process starts what is measured: a child's peak counts what its parent had when it was forked.
LAUNCH = """
import json, os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - began
print(json.dumps([wall, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    used.ru_utime + used.ru_stime]))
sys.exit(os.waitstatus_to_exitcode(status))
"""
PROFILE = "import cProfile, sys; sys.argv[0] = 'p'; from pipeline.cli.main import run; \
cProfile.run('run(sys.argv[1:])', sort='tottime')"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=list(RELEASES), choices=list(RELEASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--profile", nargs="+", choices=OPERATIONS[:-1], default=[])
    parser.add_argument("--work", type=Path, default=Path("scale"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    points = sorted(options.points, reverse=True)  # the largest has the aims; who ends it early has those in the log
    measured = {}
    for count in points:
        grown = Grown(work / str(count), count)
        for name in OPERATIONS if count == points[0] else ():
            grown.run(name)  # Python's compiled files are written once
        measured[count] = {name: [grown.run(name) for _ in range(options.rounds)] for name in OPERATIONS}
        print(f"{count} artifacts: {_medians(measured[count])}", file=sys.stderr)
        for name in options.profile if count == points[0] else ():
            grown.profile(name)
        shutil.rmtree(grown.folder)
    found = summary({count: measured[count] for count in sorted(measured)})
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        options.picture.write_text(growth_picture(found["table"], aim_seconds=AIM_SECONDS), encoding="utf-8")
    print(json.dumps(found, indent=2))
    sys.exit(any(is_met(figure) is False for figure in found["figures"]))


class Grown:
    """A repository of so many artifacts, its mirror, one more release to publish, and pins for a plan."""

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True)
        self.folder, self.world = folder, World(folder)
        releases = RELEASES[count]
        targets = count // releases
        write_small_dist(folder / "dist", released(1, releases, targets))
        write_small_dist(folder / "next", released(releases + 1, releases + 1, targets))
        self.world.publish()
        mirrored(self.world, folder / "mirror", keep=1000)
        (folder / "facts.json").write_text(HOST.model_dump_json())
        self.newest_pin = write_pins(folder / "project", count)
        self.run("select")  # the first has the root to believe

    def run(self, name: str) -> tuple[float, float, float]:
        """Return seconds, peak megabytes and processor seconds of an operation."""
        argv = (
            [sys.executable, "-c", LOAD, self.folder / "dist" / "manifest.json"]
            if name == "load"
            else [sys.executable, "-m", "pipeline", *self._arguments(name)]
        )
        done = subprocess.run(
            [sys.executable, "-S", "-c", LAUNCH, *map(str, argv)], env=self._env(), check=True, stdout=subprocess.PIPE
        )
        seconds, megabytes, processor = json.loads(done.stdout)
        return seconds, megabytes, processor

    def profile(self, name: str) -> None:
        """Print where an operation spends its time, to stderr."""
        argv = [sys.executable, "-c", PROFILE, *map(str, self._arguments(name))]
        subprocess.run(argv, env=self._env(), check=True, stdout=sys.stderr)

    def _env(self) -> dict[str, str]:
        recipes = self.folder / "project" / "recipes"
        places = {"ENGINE_PIPELINE_CACHE_DIR": str(self.folder / "cache"), "ENGINE_PIPELINE_RECIPES": str(recipes)}
        own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return own | places | {"PYTHONPATH": str(PROJECT), "PYTHONPYCACHEPREFIX": str(self.folder.parent / "pycache")}

    def _arguments(self, name: str) -> list[str | Path]:
        repository, root = self.world.repository, self.folder / "root"
        trusted = ("--trusted-root", self.world.keys_dir / "root.json")
        if name == "plan":
            return ["plan", "--target", f"{ENGINE}/*", "--source", "fetch", "--release", self.newest_pin, "--quiet"]
        if name == "publish":
            into = self.folder / "grown"
            shutil.rmtree(into, ignore_errors=True)
            shutil.copytree(repository, into, copy_function=os.link)  # what is there is never written to
            keys = ("--keys", self.world.keys_dir, "--allow-development")
            return ["publish", "--to", into, "--from", self.folder / "next", *keys, "--deltas", "0", "--quiet"]
        if name == "sync":
            return ["mirror", "sync", self.folder / "mirror", "--quiet"]
        facts = ("--host-facts", self.folder / "facts.json")
        return ["select", "--from", repository, "--root", root, *trusted, *facts, "--quiet"]


def write_pins(folder: Path, count: int) -> str:
    """Write a project in whose recipes at least so many bundles of upstream's are pinned; return the newest tag."""
    for name in ("recipes", "envs"):
        shutil.copytree(PROJECT / name, folder / name)
    (pin,) = (folder / "recipes" / "upstream" / ENGINE).glob("*.json")
    release = json.loads(pin.read_text())
    first = release["build_number"]
    for number in range(first, first + math.ceil(count / len(release["targets"]))):
        text = pin.read_text().replace(str(first), str(number))
        pin.with_name(f"b{number}.json").write_text(text)
    return f"b{number}"


def summary(measured: dict[int, dict[str, list[tuple[float, float, float]]]]) -> dict:
    """Return figures of the largest point, the whole table and how each operation grows."""
    table = [
        {"artifacts": count, "operation": name, **_columns(rounds)}
        for count, found in measured.items()
        for name, rounds in found.items()
    ]
    largest = max(measured)
    figures = []
    for name, rounds in measured[largest].items():
        what = f"{name} at {largest} artifacts"
        figures.append(spread(what, (seconds for seconds, _, _ in rounds), unit="s", aim=AIM_SECONDS))
        figures.append(spread(f"{what}, peak", (peak for _, peak, _ in rounds), unit="MB", aim=AIM_MB))
    growth = {}
    if len(measured) > 1:
        for name in OPERATIONS:
            rows = [row for row in table if row["operation"] == name]
            growth[name] = {
                "exponent": exponent(rows, "seconds"),
                "exponent_of_the_last_two": exponent(rows[-2:], "seconds"),
                "exponent_of_processor_time_of_the_last_two": exponent(rows[-2:], "processor_seconds"),
            }
            figures.append(
                spread(f"growth of {name}, all points", [growth[name]["exponent"]], unit="exponent", aim=1.0)
            )
    return {"figures": figures, "growth": growth, "table": table}


def exponent(rows: list[dict], column: str) -> float:
    """Return the slope of least squares through the logarithms: 1 is proportional, 0 does not grow."""
    across = [math.log(row["artifacts"]) for row in rows]
    return round(statistics.linear_regression(across, [math.log(row[column]) for row in rows]).slope, 2)


def _columns(rounds: list[tuple[float, float, float]]) -> dict[str, float]:
    seconds, peaks, processor = zip(*rounds, strict=True)
    return {
        "seconds": round(statistics.median(seconds), 3),
        "lowest_seconds": round(min(seconds), 3),
        "highest_seconds": round(max(seconds), 3),
        "processor_seconds": round(statistics.median(processor), 3),
        "peak_mb": round(max(peaks), 1),
    }


def _medians(found: dict[str, list[tuple[float, float, float]]]) -> str:
    rows = {name: _columns(rounds) for name, rounds in found.items()}
    return ", ".join(
        f"{name} {row['seconds']} s ({row['processor_seconds']} s of processor) {row['peak_mb']} MB"
        for name, row in rows.items()
    )


if __name__ == "__main__":
    main()
