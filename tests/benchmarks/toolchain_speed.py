"""How fast what a toolchain compiled generates, against what the machine's own compiler makes of the same target.

usage: python tests/benchmarks/toolchain_speed.py [--toolchain zig] [--target linux-x86_64-avx2] [--rounds N]
                                                  [--work DIR] [--cache-dir DIR]

Builds the target with both (20 minutes of processor time with an empty cache), proves them, unpacks both bundles, and
runs llama-bench of each in turn, N times; who goes first alternates. On one thread, by the clock of the processor,
which other programs disturb least; the load of the machine is printed beside the result. Prints JSON, and ends with 1
where the toolchain's speed is below 0.95 of the native one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.generating import (  # noqa: E402 - found through the line above
    KINDS,
    Kind,
    tokens_per_processor_second,
)
from tests.gathering.protocol import is_met, spread  # noqa: E402 - found through the line above

AIM = 0.95

Speeds = dict[tuple[str, Kind], list[float]]
"""(compiler, prompt or generation) to tokens of a second of the processor, run by run."""


def main() -> None:
    """Measure and print."""
    options = _options()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    cache = (options.cache_dir or work / "cache").absolute()
    chosen = ("native", options.toolchain)
    bundles, artifact = {}, {}
    for name in chosen:
        artifact = _build(work / name, cache, target=options.target, toolchain=name)
        bundles[name] = work / name / "bundle"
    model = next((cache / "blobs").rglob(artifact["proof"]["model"].rpartition("sha256:")[2]))
    speeds: Speeds = {}
    loads = []
    for number in range(options.rounds):
        loads.append(os.getloadavg()[0])
        for name in chosen if number % 2 == 0 else reversed(chosen):
            for kind in KINDS:
                speed = tokens_per_processor_second(bundles[name], model, kind)
                speeds.setdefault((name, kind), []).append(speed)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    figures = [
        spread(
            f"tokens of a processor second, {kind}",
            _ratios(speeds[options.toolchain, kind], speeds["native", kind]),
            peer="the machine's compiler",
            aim=AIM,
            better="higher",
        )
        for kind in KINDS
    ]
    result = [
        {"compiler": name, "what": kind, "median": statistics.median(found)} for (name, kind), found in speeds.items()
    ]
    load = [min(loads), max(loads)]
    print(json.dumps({"figures": figures, "target": options.target, "load": load, "rows": result}, indent=2))
    sys.exit(not all(is_met(figure) for figure in figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolchain", default="zig")
    parser.add_argument("--target", default="linux-x86_64-avx2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("toolchain-speed"))
    parser.add_argument("--cache-dir", type=Path)
    return parser.parse_args()


def _build(folder: Path, cache: Path, *, target: str, toolchain: str) -> dict:
    """Build a target, unpack its bundle below the folder, and return what the manifest says of it."""
    env = {**os.environ, "ENGINE_PIPELINE_CACHE_DIR": str(cache), "PYTHONPATH": str(PROJECT)}

    def pipeline(*arguments: object) -> None:
        argv = [sys.executable, "-m", "pipeline", *map(str, arguments)]
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)

    asked = ("--target", target, "--source", "build", "--toolchain", toolchain, "--prove", "run")
    pipeline("build", *asked, "--output", folder / "dist")
    (artifact,) = json.loads((folder / "dist" / "manifest.json").read_text())["artifacts"]
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    pipeline("unpack", folder / "dist" / artifact["url"], "--to", folder / "bundle")
    return artifact


def _ratios(ours: list[float], native: list[float]) -> list[float]:
    """Return the ratios of runs next to each other."""
    return [mine / its for mine, its in zip(ours, native, strict=True)]


if __name__ == "__main__":
    main()
