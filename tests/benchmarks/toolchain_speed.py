"""How fast what a toolchain compiled generates, against what the machine's own compiler makes of the same target.

usage: python tests/benchmarks/toolchain_speed.py [--toolchain zig] [--target linux-x86_64-avx2] [--rounds N]
                                                  [--threads 1 2] [--work DIR] [--cache-dir DIR]

Builds the target with both (40 minutes of processor time with an empty cache), proves them, unpacks both bundles, and
runs llama-bench of each in turn, N times for each number of threads; who goes first alternates. Other programs that
compute make it worthless: the load of the machine is printed beside the result. Prints JSON, and ends with 1 where
the toolchain's tokens/s are below 0.95 of the native ones.
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

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above

AIM = 0.95

Speeds = dict[tuple[str, int, str], list[float]]
"""(compiler, threads, prompt or generation) to tokens/s, run by run."""


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
        for threads in options.threads:
            loads.append(os.getloadavg()[0])
            for name in chosen if number % 2 == 0 else reversed(chosen):
                for kind, speed in _bench(bundles[name], model, threads).items():
                    speeds.setdefault((name, threads, kind), []).append(speed)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    result = _compared(speeds, options.toolchain)
    figures = [
        spread(
            f"tokens/s, {threads} threads, {kind}",
            (mine / its for mine, its in zip(speeds[options.toolchain, threads, kind], native, strict=True)),
            peer="the machine's compiler",
            aim=AIM,
            better="higher",
        )
        for (name, threads, kind), native in sorted(speeds.items())
        if name == "native"
    ]
    load = [min(loads), max(loads)]
    print(json.dumps({"figures": figures, "target": options.target, "load": load, "rows": result}, indent=2))
    sys.exit(any(row["ratio"] < AIM for row in result))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toolchain", default="zig")
    parser.add_argument("--target", default="linux-x86_64-avx2")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
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


def _bench(bundle: Path, model: Path, threads: int) -> dict[str, float]:
    """Return tokens/s of one run, of a prompt of 128 tokens and of 32 that are generated."""
    program = bundle / "bin" / "llama-bench"
    argv = [program, "-m", model, "-t", str(threads), "-p", "128", "-n", "32", "-r", "2", "-o", "json"]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return {"prompt" if row["n_prompt"] else "generation": row["avg_ts"] for row in json.loads(done.stdout)}


def _compared(speeds: Speeds, toolchain: str) -> list[dict]:
    """Return a row for each number of threads and kind; the ratio is the median of those of runs next to each other."""
    rows = []
    for (name, threads, kind), native in sorted(speeds.items()):
        if name == "native":
            ours = speeds[toolchain, threads, kind]
            ratios = sorted(mine / its for mine, its in zip(ours, native, strict=True))
            medians = {"native": statistics.median(native), toolchain: statistics.median(ours)}
            found = {"ratio": statistics.median(ratios), "lowest": ratios[0], "highest": ratios[-1]}
            rows.append({"threads": threads, "what": kind, **medians, **found})
    return rows


if __name__ == "__main__":
    main()
