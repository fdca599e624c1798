"""Several accelerators from one plan, against a plain cmake build for each, in one run.

usage: python tests/benchmarks/one_plan.py [--accelerators cpu,vulkan,cuda-13.0] [--base cpu|avx2]
                                           [--architectures sm_86] [--toolkit FOLDER] [--work DIR]

Ours compiles the core once, the backend of the processor once, and each backend for a GPU; a plain build compiles all
of it every time. Both with empty compiler caches, the same options, cmake, ninja, compilers and toolkits. Times are of
the processor (user and system, all children) and of the clock; the ratio that counts is the processor's, since machines
are shared. CUDA takes more than an hour of one processor for one architecture, twice. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above

PLATFORM = "linux-x86_64"
SHARED = ("llama-server", "llama-bench")
BACKENDS = {"cpu": "ggml", "avx2": "ggml-cpu", "vulkan": "ggml-vulkan", "cuda": "ggml-cuda"}


def main() -> None:
    """Measure and print."""
    options = _options()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    accelerators = options.accelerators.split(",")
    plan = json.loads(_ours(work, options, accelerators, "plan", "--format", "json"))
    components = {
        step["action"]["component_name"]: step["action"]
        for step in plan["steps"]
        if step["action"]["kind"] == "compile"
    }
    _ours(work, options, accelerators, "build", "--prove", "none", "--output", str(work / "first"))  # brings everything
    source, toolkits = _places(work, plan)
    for name in ("results", "work", "compiler-cache"):
        shutil.rmtree(work / "cache" / name, ignore_errors=True)
    ours = _timed(
        lambda: _ours(work, options, accelerators, "build", "--prove", "none", "--output", str(work / "again"))
    )
    plain = {
        name: _timed(lambda name=name: _plain(work, source, toolkits, components, name, options.base))
        for name in accelerators
    }
    total = {kind: sum(times[kind] for times in plain.values()) for kind in ("cpu_seconds", "wall_seconds")}
    ratios = {kind: ours[kind] / total[kind] for kind in total}
    what = f"{', '.join(accelerators)} from one plan"
    figures = [
        spread(f"{what}, {kind.partition('_')[0]} time", [ratio], peer="a plain cmake build of each")
        for kind, ratio in ratios.items()
    ]
    measured = {"ours": ours, "plain": plain, "plain_total": total, "ratio": ratios}
    print(json.dumps({"figures": figures, **measured}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accelerators", default="cpu,vulkan,cuda-13.0")
    parser.add_argument("--base", default="cpu", choices=["cpu", "avx2"])
    parser.add_argument("--architectures", default="sm_86")
    parser.add_argument("--toolkit", default="auto")
    parser.add_argument("--work", type=Path, default=Path("one-plan"))
    return parser.parse_args()


def _timed(run: object) -> dict[str, float]:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()  # type: ignore[operator]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(cpu, 1), "wall_seconds": round(time.perf_counter() - began, 1)}


def _ours(work: Path, options: argparse.Namespace, accelerators: list[str], command: str, *more: str) -> str:
    """Run one of our commands; return what it prints."""
    env = {**os.environ, "ENGINE_PIPELINE_CACHE_DIR": str(work / "cache"), "PYTHONPATH": str(PROJECT)}
    targets = ",".join(f"{PLATFORM}-{accel}" for accel in accelerators)
    argv = [sys.executable, "-m", "pipeline", command, "--target", targets, "--source", "build", "--base", options.base]
    argv += ["--architectures", options.architectures, "--toolkit", options.toolkit, *more]
    return subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def _places(work: Path, plan: dict) -> tuple[Path, dict[str, str]]:
    """Return the source's folder, and component to the folder of its toolkit."""
    results = {}
    for path in (work / "cache" / "results").rglob("*"):
        if path.is_file():
            found = json.loads(path.read_text())
            results[found["key"]] = found
    keys = {step["name"]: step["key"] for step in plan["steps"]}
    trees = work / "cache" / "trees"
    source, toolkits = None, {}
    for step in plan["steps"]:
        action = step["action"]
        if action["kind"] == "compile":
            source = trees / results[keys[action["source"]]]["trees"]["source"]["sha256"]
            made = action["toolkit"] and results[keys[action["toolkit"]]]["trees"]["toolkit"]["sha256"]
            toolkits[action["component_name"]] = str(trees / made) if made else action["toolkit_dir"] or ""
    assert source is not None
    return source, toolkits


def _plain(
    work: Path, source: Path, toolkits: dict[str, str], components: dict[str, dict], accel: str, base: str
) -> None:
    """Configure and build one accelerator with the processor's backend beside it, as upstream's own jobs do."""
    build = work / f"plain-{accel}"
    shutil.rmtree(build, ignore_errors=True)
    wanted = dict.fromkeys((base if accel not in {"cpu", "avx2"} else accel, accel))
    definitions = dict(components["core"]["component"]["options"])
    for name in wanted:
        options = components[name]["component"]["options"]
        definitions |= {key: value for key, value in options.items() if definitions.get(key) != "ON"}
    toolkit = toolkits[accel]
    compiler = shutil.which("c++") or "c++"
    filled = {key: value.replace("{toolkit}", toolkit).replace("{cxx}", compiler) for key, value in definitions.items()}
    scripts = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    backends = [BACKENDS[name.partition("-")[0]] for name in wanted]
    for argv in (
        ["cmake", "-S", source, "-B", build, "-G", "Ninja", *(f"-D{key}={value}" for key, value in filled.items())],
        ["cmake", "--build", build, "--parallel", str(len(os.sched_getaffinity(0))), "--target", *SHARED, *backends],
    ):
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
