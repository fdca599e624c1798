"""How fast `build` compiles llama.cpp, against plain `cmake -B && cmake --build` of the same targets, in one run.

usage: python tests/benchmarks/build_speed.py [--rounds N] [--target linux-x86_64-avx2] [--work DIR]

Each round measures, next to each other because machines drift: plain, ours cold (empty compiler cache), ours after
the work tree and all results were deleted (warm compiler cache), and ours with nothing changed. The source is
downloaded once before. Then llama-bench of both builds, in turn, for tokens/s. Prints JSON.
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

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above

TARGETS = ("llama-server", "llama-bench")


def main() -> None:
    """Measure and print."""
    options = _options()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    _pipeline(work, "build", "--target", options.target, "--prove", "run", "--output", work / "first", tell=True)
    artifact = json.loads((work / "first" / "manifest.json").read_text())["artifacts"][0]
    source = _source(work, artifact)
    rounds = []
    for number in range(options.rounds):
        found = {"plain": _plain(source, artifact["options"], work / "plain")}
        _forget(work, compiler_cache=True)
        found["cold"] = _compile_seconds(work, options.target)
        _forget(work, compiler_cache=False)
        found["warm"] = _compile_seconds(work, options.target)
        _pipeline(work, "build", "--target", options.target, "--output", work / "first")  # the proof that was forgotten
        started = time.perf_counter()
        _pipeline(work, "build", "--target", options.target, "--output", work / "first")
        found["no_op"] = time.perf_counter() - started
        print(f"round {number + 1}: {found}", file=sys.stderr)
        rounds.append(found)
    speed = _tokens(work, artifact, rounds=options.bench_rounds)
    kinds = (("cold", 0.5), ("warm", 0.15))
    figures = [
        spread(f"compile steps, {kind}", (r[kind] / r["plain"] for r in rounds), peer="plain cmake", aim=aim)
        for kind, aim in kinds
    ]
    figures.append(spread("nothing changed, whole command", (r["no_op"] for r in rounds), unit="s", aim=1.0))
    figures += [
        spread(f"tokens/s, {kind}", [ratio], peer="plain cmake", better="higher") for kind, ratio in speed.items()
    ]
    result = {
        "figures": figures,
        "target": options.target,
        "rounds": rounds,
        "cold_to_plain": statistics.median(r["cold"] / r["plain"] for r in rounds),
        "warm_to_plain": statistics.median(r["warm"] / r["plain"] for r in rounds),
        "warm_to_cold": statistics.median(r["warm"] / r["cold"] for r in rounds),
        "no_op_seconds": statistics.median(r["no_op"] for r in rounds),
        "tokens_per_second_to_plain": speed,
    }
    print(json.dumps(result, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bench-rounds", type=int, default=5)
    parser.add_argument("--target", default="linux-x86_64-avx2")
    parser.add_argument("--work", type=Path, default=Path("build-speed"))
    return parser.parse_args()


def _pipeline(work: Path, *arguments: object, tell: bool = False) -> None:
    env = {**os.environ, "ENGINE_PIPELINE_CACHE_DIR": str(work / "cache"), "PYTHONPATH": str(PROJECT)}
    argv = [sys.executable, "-m", "pipeline", *map(str, arguments)]
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=None if tell else subprocess.DEVNULL)


def _compile_seconds(work: Path, target: str) -> float:
    """Return the wall time of all compile steps of a build."""
    events = work / "events.jsonl"
    _pipeline(work, "build", "--target", target, "--prove", "load", "--output", work / "again", "--json-events", events)
    found = [json.loads(line) for line in events.read_text().splitlines()]
    return sum(e["seconds"] for e in found if e["event"] == "step_finished" and e["step"].startswith("compile "))


def _forget(work: Path, *, compiler_cache: bool) -> None:
    """Delete every result but what was downloaded, and the compiler cache too where asked for."""
    shutil.rmtree(work / "again", ignore_errors=True)
    for name in ("results", "work", *(("compiler-cache",) if compiler_cache else ())):
        shutil.rmtree(work / "cache" / name, ignore_errors=True)


def _source(work: Path, artifact: dict) -> Path:
    """Return the source that the build took, unpacked."""
    sha256 = artifact["upstream"]["source_sha256"]
    archive = work / "source.tar.gz"
    shutil.copyfile(next((work / "cache" / "blobs").rglob(sha256)), archive)
    into = work / "source"
    if not into.is_dir():
        _pipeline(work, "unpack", archive, "--to", into)
    return next(into.glob("*/llama.cpp"), into)


def _plain(source: Path, options: dict[str, str], build: Path) -> float:
    """Return the wall time of a plain configure and build, with the same options, cmake, ninja and compiler."""
    shutil.rmtree(build, ignore_errors=True)
    scripts = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    definitions = [f"-D{name}={value}" for name, value in options.items()]
    started = time.perf_counter()
    for argv in (
        ["cmake", "-S", source, "-B", build, "-G", "Ninja", *definitions],
        ["cmake", "--build", build, "--parallel", str(len(os.sched_getaffinity(0))), "--target", *TARGETS],
    ):
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _tokens(work: Path, artifact: dict, *, rounds: int) -> dict[str, float]:
    """Return tokens/s of ours over plain for prompt processing and generation: medians of runs in turn, one thread."""
    bundle = work / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    _pipeline(work, "unpack", work / "first" / artifact["url"], "--to", bundle)
    digest = artifact["proof"]["model"].rpartition("sha256:")[2]
    model = next((work / "cache" / "blobs").rglob(digest))
    found: dict[str, dict[str, list[float]]] = {"plain": {}, "ours": {}}
    for _ in range(rounds):
        for name, folder in (("plain", work / "plain" / "bin"), ("ours", bundle / "bin")):
            argv = [folder / "llama-bench", "-m", model, "-t", "1", "-p", "128", "-n", "32", "-r", "1", "-o", "json"]
            done = subprocess.run(argv, check=True, capture_output=True, text=True)
            for row in json.loads(done.stdout):
                kind = "prompt" if row["n_prompt"] else "generation"
                found[name].setdefault(kind, []).append(row["avg_ts"])
    return {
        kind: statistics.median(found["ours"][kind]) / statistics.median(found["plain"][kind])
        for kind in found["plain"]
    }


if __name__ == "__main__":
    main()
