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

Each has the aim of 2 s and 200 MB at 2,000 artifacts in 40 releases: `aims` says whether it is met, and that it was not
measured where the largest point is smaller. `growth` has exponents, the slopes of least squares through the
logarithms: 1 is proportional, 0 does not grow. The start of the interpreter, which does not grow, makes that of all
points small, so that of the last two points stands beside it. --picture draws seconds as SVG; --profile says where
operations spend their time at the largest point. Prints JSON, and ends with 1 where an aim is missed. Ctrl-C and
SIGTERM end what is being measured too, and take the work folder away.
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
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.growth_picture import growth_picture  # noqa: E402 - found through the line above
from tests.gathering.launching import Measured, ending_by_signals, measured  # noqa: E402 - as above
from tests.gathering.protocol import is_met, spread  # noqa: E402 - as above
from tests.simulators.engine_world import ENGINE, HOST, World  # noqa: E402 - as above
from tests.simulators.mirrors import mirrored  # noqa: E402 - as above
from tests.simulators.small_files import released, write_small_dist  # noqa: E402 - as above

RELEASES = {20: 2, 60: 3, 200: 8, 600: 15, 2000: 40}
OPERATIONS = ("plan", "publish", "sync", "select", "load")
AIM_SECONDS, AIM_MB, AIM_ARTIFACTS = 2.0, 200.0, 2000
LOAD = "import sys; from pathlib import Path; from pipeline.model.manifest_document import read_manifest; \
print(len(read_manifest(Path(sys.argv[1]).read_bytes()).artifacts))"
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
    try:
        with ending_by_signals():
            measured_points = measure(sorted(options.points, reverse=True), options, work)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    found = summary({count: measured_points[count] for count in sorted(measured_points)})
    if options.picture:
        options.picture.parent.mkdir(parents=True, exist_ok=True)
        options.picture.write_text(growth_picture(found["table"], aim_seconds=AIM_SECONDS), encoding="utf-8")
        found["pictures"] = [options.picture.name]
    print(json.dumps(found, indent=2))
    sys.exit(any(is_met(figure) is False for figure in found["figures"]))


def measure(points: list[int], options: argparse.Namespace, work: Path) -> dict[int, dict[str, list[Measured]]]:
    """Return the rounds of each operation at each point; the largest comes first.

    It has the aims, and who ends the program early has its figures in the log.
    """
    found: dict[int, dict[str, list[Measured]]] = {}
    for count in points:
        grown = Grown(work / str(count), count)
        for name in OPERATIONS if count == points[0] else ():
            grown.run(name)  # Python's compiled files are written once
        found[count] = {name: [grown.run(name) for _ in range(options.rounds)] for name in OPERATIONS}
        print(f"{count} artifacts: {_medians(found[count])}", file=sys.stderr)
        for name in options.profile if count == points[0] else ():
            grown.profile(name)
        shutil.rmtree(grown.folder)
    return found


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

    def run(self, name: str) -> Measured:
        """Run an operation as a process of its own."""
        argv = (
            [sys.executable, "-c", LOAD, self.folder / "dist" / "manifest.json"]
            if name == "load"
            else [sys.executable, "-m", "pipeline", *self._arguments(name)]
        )
        return measured(argv, env=self._env())

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


def summary(points: dict[int, dict[str, list[Measured]]]) -> dict[str, Any]:
    """Return figures of the largest point, whether the aims are met there, how each operation grows, and the table."""
    table = [
        {"artifacts": count, "releases": RELEASES[count], "operation": name, **_columns(rounds)}
        for count, found in points.items()
        for name, rounds in found.items()
    ]
    largest = max(points)
    seconds, megabytes = (AIM_SECONDS, AIM_MB) if largest == AIM_ARTIFACTS else (None, None)
    figures = []
    for name, rounds in points[largest].items():
        what = f"{name} at {largest} artifacts"
        figures.append(spread(what, (one.seconds for one in rounds), unit="s", aim=seconds))
        figures.append(spread(f"{what}, peak", (one.peak_mb for one in rounds), unit="MB", aim=megabytes))
    missed = [figure["what"] for figure in figures if is_met(figure) is False]
    growth = {name: grown([row for row in table if row["operation"] == name]) for name in OPERATIONS}
    if len(points) > 1:
        for name in OPERATIONS:
            what = f"growth of {name}, {min(points)} to {largest} artifacts"
            figures.append(spread(what, [growth[name]["seconds"]["all"]], unit="exponent", aim=1.0))
    return {
        "figures": figures,
        "aims": {
            "artifacts": AIM_ARTIFACTS,
            "releases": RELEASES[AIM_ARTIFACTS],
            "seconds": AIM_SECONDS,
            "megabytes": AIM_MB,
            "met": None if seconds is None else not missed,
            "missed": missed,
        },
        "growth": growth if len(points) > 1 else {},
        "table": table,
    }


def grown(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the exponents of an operation's columns: through all points, and of the last two."""
    if len(rows) == 1:
        return {}
    return {
        column: {"all": exponent(rows, column), "last_two": exponent(rows[-2:], column)}
        for column in ("seconds", "processor_seconds", "peak_mb")
    }


def exponent(rows: list[dict[str, Any]], column: str) -> float:
    """Return the slope of least squares through the logarithms: 1 is proportional, 0 does not grow."""
    across = [math.log(row["artifacts"]) for row in rows]
    return round(statistics.linear_regression(across, [math.log(row[column]) for row in rows]).slope, 2)


def _columns(rounds: list[Measured]) -> dict[str, float]:
    seconds, peaks, processor = zip(*rounds, strict=True)
    return {
        "seconds": round(statistics.median(seconds), 3),
        "lowest_seconds": round(min(seconds), 3),
        "highest_seconds": round(max(seconds), 3),
        "processor_seconds": round(statistics.median(processor), 3),
        "peak_mb": round(max(peaks), 1),
    }


def _medians(found: dict[str, list[Measured]]) -> str:
    rows = {name: _columns(rounds) for name, rounds in found.items()}
    return ", ".join(
        f"{name} {row['seconds']} s ({row['processor_seconds']} s of processor) {row['peak_mb']} MB"
        for name, row in rows.items()
    )


if __name__ == "__main__":
    main()
