"""What each way to a smaller bundle gives, against what is the default, with tokens/s beside it.

usage: python tests/benchmarks/size_levers.py [--target linux-x86_64-avx2] [--levers O2,core-O3,sections,lto]
                                              [--rounds N] [--work DIR] [--cache-dir DIR]

Levers of the compiler are changes of a copy of the recipes (-O2 for backends too; -O3 for the core; a section for each
function, and what nothing calls dropped; link-time optimization): the target is built by each, proven with a model,
and its llama-bench runs in turn with the default's, on one thread, timed by the processor's clock, which other programs
disturb least (some 10 minutes of processor time a lever). Levers of packing are measured on the layers of the default:
what strip takes away, zstd's levels and windows, llama-bench left out. Prints JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from zstandard import ZstdCompressionParameters, ZstdCompressor, ZstdDecompressor

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.system.archive_writing import parameters  # noqa: E402 - found through the line above
from tests.gathering.generating import KINDS, tokens_per_processor_second  # noqa: E402 - found through the line above
from tests.gathering.protocol import Figure, spread  # noqa: E402 - found through the line above

DEFAULT = "default"
DEFAULT_LEVEL = 19
LEVELS = (3, 9, 12, 15, 19, 22)
LONG_WINDOWS = (23, 24, 27)
"""Logarithms; 24 is the default's at level 19, 27 is what ``zstd --long`` takes."""


Document = dict[str, Any]
Speeds = dict[str, list[dict[str, float]]]
"""Lever to tokens of prompt and generation in a second of the processor, round by round."""


class Lever(NamedTuple):
    """What is changed for the compiler.

    Attributes:
        title: what it is, in a few words.
        options: CMake cache entries, of every component.
        core_options: those of the core alone, which are in its recipe with other values.
        compile_flags: added to the recipe's.
        link_flags: added to the recipe's.
    """

    title: str
    options: Mapping[str, str] = MappingProxyType({})
    core_options: Mapping[str, str] = MappingProxyType({})
    compile_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()


def _flags(level: str) -> dict[str, str]:
    return {f"CMAKE_{language}_FLAGS_RELEASE": f"{level} -DNDEBUG" for language in ("C", "CXX")}


LEVERS = {
    "O2": Lever("-O2 for backends too", _flags("-O2")),
    "core-O3": Lever("-O3 for the core", core_options=_flags("-O3")),
    "sections": Lever(
        "sections dropped by the linker",
        compile_flags=("-ffunction-sections", "-fdata-sections"),
        link_flags=("-Wl,--gc-sections",),
    ),
    "lto": Lever("link-time optimization", {"CMAKE_INTERPROCEDURAL_OPTIMIZATION": "ON"}),
}


class Built(NamedTuple):
    """A target that was built.

    Attributes:
        artifact: its entry in the manifest.
        dist: the folder of the bundle and its layers.
        bundle: the unpacked bundle.
    """

    artifact: Document
    dist: Path
    bundle: Path


def main() -> None:
    """Measure and print."""
    options = _options()
    work = options.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    cache = (options.cache_dir or work / "cache").absolute()
    chosen = [name for name in options.levers.split(",") if name]
    built = {name: _build(work, cache, options.target, name) for name in (DEFAULT, *chosen)}
    model = next((cache / "blobs").rglob(built[DEFAULT].artifact["proof"]["model"].rpartition("sha256:")[2]))
    speeds, loads = _speeds({name: made.bundle for name, made in built.items()}, model, options.rounds)
    figures = [figure for name in chosen for figure in _of_compiler(name, built, speeds)]
    packing = {layer["name"]: _packing(built[DEFAULT].dist / _file(layer)) for layer in _layers(built[DEFAULT])}
    figures += [*_of_stripping(built[DEFAULT]), *_of_packing(packing), _of_tools(built[DEFAULT])]
    rows = {name: _row(made, speeds[name]) for name, made in built.items()}
    found = {"figures": figures, "target": options.target, "load": [min(loads), max(loads)]}
    print(json.dumps({**found, "levers": rows, "packing": packing}, indent=2))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="linux-x86_64-avx2")
    parser.add_argument("--levers", default=",".join(LEVERS), help=f"of {', '.join(LEVERS)}, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("size-levers"))
    parser.add_argument("--cache-dir", type=Path)
    options = parser.parse_args()
    unknown = sorted(set(options.levers.split(",")) - LEVERS.keys() - {""})
    if unknown:
        parser.error(f"there is no lever {', '.join(unknown)}; there are {', '.join(LEVERS)}")
    return options


def _recipes(work: Path, lever: Lever) -> Path:
    """Return a copy of the recipes with a lever's flags in the engine's."""
    folder = work / "recipes"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PROJECT / "recipes", folder)
    recipe = folder / "engines" / "llama.cpp.toml"
    text = recipe.read_text(encoding="utf-8")
    for line, more in (("gcc = [", lever.compile_flags), ("link_flags = [", lever.link_flags)):
        if text.count(f"\n{line}") < 1:
            sys.exit(f"{recipe.name} has no line that begins with {line!r}: this benchmark changes it")
        added = "".join(f'"{flag}", ' for flag in more)
        text = text.replace(f"\n{line}", f"\n{line}{added}", 1)
    for name, value in lever.core_options.items():
        text, count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', text, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"{recipe.name} has {name} {count} times: this benchmark changes the core's")
    recipe.write_text(text, encoding="utf-8")
    return folder


def _build(work: Path, cache: Path, target: str, name: str) -> Built:
    """Build a target with a lever, and unpack its bundle."""
    lever = LEVERS.get(name, Lever("the default"))
    folder = work / name
    folder.mkdir(exist_ok=True)
    env = {
        **os.environ,
        "ENGINE_PIPELINE_CACHE_DIR": str(cache),
        "ENGINE_PIPELINE_RECIPES": str(_recipes(folder, lever)),
        "PYTHONPATH": str(PROJECT),
    }

    def pipeline(*arguments: object) -> None:
        argv = [sys.executable, "-m", "pipeline", *map(str, arguments)]
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)

    given = [word for entry in lever.options.items() for word in ("--cmake-option", "=".join(entry))]
    asked = ("--target", target, "--source", "build", "--toolchain", "native", "--prove", "run", "--budget", "warn")
    pipeline("build", *asked, *given, "--output", folder / "dist")
    (artifact,) = json.loads((folder / "dist" / "manifest.json").read_text())["artifacts"]
    shutil.rmtree(folder / "bundle", ignore_errors=True)
    pipeline("unpack", folder / "dist" / artifact["url"], "--to", folder / "bundle")
    return Built(artifact, folder / "dist", folder / "bundle")


def _speeds(
    bundles: dict[str, Path], model: Path, rounds: int
) -> tuple[dict[str, list[dict[str, float]]], list[float]]:
    """Return lever to tokens/s (prompt, generation) by round, who goes first changing, and the machine's loads."""
    speeds: Speeds = {name: [] for name in bundles}
    loads = []
    for number in range(rounds):
        loads.append(os.getloadavg()[0])
        for name in list(bundles) if number % 2 == 0 else reversed(bundles):
            speeds[name].append({kind: tokens_per_processor_second(bundles[name], model, kind) for kind in KINDS})
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return speeds, loads


def _layers(made: Built, *, optional: bool = False) -> list[Document]:
    return [layer for layer in made.artifact["layers"] if layer["optional"] is optional]


def _file(layer: Document) -> str:
    return str(layer["url"])


def _sizes(layers: list[Document]) -> dict[str, int]:
    return {
        "download_bytes": sum(layer["size"] for layer in layers),
        "installed_bytes": sum(layer["installed_size"] for layer in layers),
    }


def _row(made: Built, speeds: list[dict[str, float]]) -> Document:
    tokens = {kind: statistics.median(speed[kind] for speed in speeds) for kind in KINDS}
    return {**_sizes(_layers(made)), "tokens_per_processor_second": tokens}


def _of_compiler(name: str, built: dict[str, Built], speeds: Speeds) -> Iterator[Figure]:
    title = LEVERS[name].title
    mine, its = (_sizes(_layers(built[key])) for key in (name, DEFAULT))
    for what, key in (("download", "download_bytes"), ("installed", "installed_bytes")):
        yield spread(f"{title}: {what}", [mine[key] / its[key]], peer="the default")
    for kind in KINDS:
        pairs = zip(speeds[name], speeds[DEFAULT], strict=True)
        ratios = [ours[kind] / other[kind] for ours, other in pairs]
        yield spread(f"{title}: tokens of a processor second, {kind}", ratios, peer="the default", better="higher")


def _of_stripping(made: Built) -> Iterator[Figure]:
    """Yield what the bundle would weigh with its symbols, which are in layers of their own."""
    bare, symbols = _sizes(_layers(made)), _sizes(_layers(made, optional=True))
    for what, key in (("download", "download_bytes"), ("installed", "installed_bytes")):
        yield spread(f"symbols taken out: {what}", [bare[key] / (bare[key] + symbols[key])], peer="with them")


def _packing(archive: Path) -> list[Document]:
    """Return a row for each level and window: bytes, and seconds of the processor to pack and to unpack."""
    data = ZstdDecompressor().stream_reader(archive.open("rb"), read_across_frames=True).read()
    ways = [(f"level {level}", ZstdCompressionParameters.from_level(level, write_checksum=True)) for level in LEVELS]
    for window in LONG_WINDOWS:
        long = ZstdCompressionParameters.from_level(
            DEFAULT_LEVEL, window_log=window, enable_ldm=True, write_checksum=True
        )
        ways.append((f"level {DEFAULT_LEVEL}, long window 2^{window}", long))
    ways.append((DEFAULT, parameters(DEFAULT_LEVEL)))
    return [{"way": way, **_packed(data, given)} for way, given in ways]


def _packed(data: bytes, given: ZstdCompressionParameters) -> dict[str, float]:
    began = time.process_time()
    packed = ZstdCompressor(compression_params=given).compress(data)
    between = time.process_time()
    ZstdDecompressor(max_window_size=1 << 31).stream_reader(packed).read()
    done = time.process_time()
    return {
        "bytes": len(packed),
        "ratio": round(len(packed) / len(data), 4),
        "pack_seconds": round(between - began, 3),
        "unpack_seconds": round(done - between, 3),
    }


def _of_packing(packing: dict[str, list[Document]]) -> Iterator[Figure]:
    for number, row in enumerate(next(iter(packing.values()))):
        ours, default = (sum(rows[at]["bytes"] for rows in packing.values()) for at in (number, -1))
        if row["way"] != DEFAULT:
            yield spread(f"zstd {row['way']}: download", [ours / default], peer="the default")


def _of_tools(made: Built) -> Figure:
    """Return what the bundle would weigh without llama-bench, which nothing but measurements needs."""
    with_it, without = 0, 0
    for layer in _layers(made):
        data = ZstdDecompressor().stream_reader((made.dist / _file(layer)).open("rb"), read_across_frames=True).read()
        smaller = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(data)) as all_of_it, tarfile.open(fileobj=smaller, mode="w") as kept:
            for member in all_of_it:
                if "llama-bench" not in member.name:
                    kept.addfile(member, all_of_it.extractfile(member) if member.isreg() else None)
        compressor = ZstdCompressor(compression_params=parameters(DEFAULT_LEVEL))
        with_it += len(compressor.compress(data))
        without += len(compressor.compress(smaller.getvalue()))
    return spread("without llama-bench: download", [without / with_it], peer="the default")


if __name__ == "__main__":
    main()
