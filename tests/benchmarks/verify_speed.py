"""How fast `verify` reads a signed repository, against `sha256sum` of the same files, in one run.

usage: python tests/benchmarks/verify_speed.py [--size-mb 2048] [--largest-mb 256] [--rounds 5] [--jobs N] [--work DIR]

Makes a repository of that size in a temporary folder: layers of noise and bundles of them, few large and many small,
published with development keys. Everything is read once, so that it lies in the page cache; then each round measures
in turn, each as a process of its own:

- verify: the whole `python -m pipeline verify`: start of the interpreter, signatures, every byte, the report;
- sha256sum: one process over the same blobs; sha256sum_2: two at a time (`xargs -P2`);
- openssl: `openssl dgst -sha256`, which uses the processor's instructions, as Debian's sha256sum does not.

Prints JSON with medians in seconds, ratios of throughput within a round (above 1: verify is faster), and the peak
memory of verify, also for the repository with a tenth of the size, since it must not grow with the artifacts. Ends
with 1 unless verify reaches 0.8 of sha256sum's throughput.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above
from tests.simulators.engine_world import LayerFiles, World  # noqa: E402 - as above

AIM = 0.8
OTHERS = ("sha256sum", "sha256sum_2", "openssl")
MEGABYTE = 1_000_000
PEAK = """
import sys
from pathlib import Path
from pipeline.cli.main import run
code = run(sys.argv[1:])
lines = Path("/proc/self/status").read_text().splitlines()
print(next(line.split()[1] for line in lines if line.startswith("VmHWM")), file=sys.stderr)
sys.exit(code)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=2048)
    parser.add_argument("--largest-mb", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="verify-speed-", dir=options.work))
    try:
        small = Bench(work / "small", options.size_mb // 10, options.largest_mb // 10, jobs=options.jobs)
        bench = Bench(work / "whole", options.size_mb, options.largest_mb, jobs=options.jobs)
        rounds = [bench.round() for _ in range(options.rounds)]
        peaks = {"whole": bench.peak_mb(), "tenth": small.peak_mb()}
    finally:
        shutil.rmtree(work)
    names = ("verify", *OTHERS)
    ratios = {
        other: round(statistics.median(found[other] / found["verify"] for found in rounds), 2) for other in OTHERS
    }
    figures = [
        spread(
            "throughput of verify to it",
            (found[other] / found["verify"] for found in rounds),
            peer=other,
            aim=AIM if other == "sha256sum" else None,
            better="higher",
        )
        for other in OTHERS
    ]
    figures += [spread(f"verify of the {name} repository, peak", [mb], unit="MB") for name, mb in peaks.items()]
    print(
        json.dumps(
            {
                "figures": figures,
                "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
                "bytes": bench.size_bytes,
                "files": len(bench.blobs),
                "median_seconds": {n: round(statistics.median(found[n] for found in rounds), 2) for n in names},
                "throughput_to": ratios,
                "aim": {"sha256sum": AIM},
                "peak_mb": peaks,
            },
            indent=2,
        )
    )
    sys.exit(0 if ratios["sha256sum"] >= AIM else 1)


class Bench:
    """A published repository of noise."""

    def __init__(self, folder: Path, size_mb: int, largest_mb: int, *, jobs: int) -> None:
        folder.mkdir()
        self.world = World(folder)
        self.jobs = jobs
        for number, size in enumerate(sizes(size_mb // 2, largest_mb)):  # half: a bundle holds its layers' archives
            self.world.build(f"b{number}", (LayerFiles("core", {"bin/llama-server": os.urandom(size)}),))
        self.world.publish()
        for made in ("dist", "trees"):
            shutil.rmtree(folder / made)
        self.blobs = sorted(path for path in (self.world.repository / "blobs").rglob("*") if path.is_file())
        self.size_bytes = sum(path.stat().st_size for path in self.blobs)
        self.list = b"\0".join(os.fsencode(path) for path in self.blobs)
        self._run(["sha256sum"], stdin=self.list)

    def round(self) -> dict[str, float]:
        """Return the seconds of each."""
        return {
            "verify": self.verify(),
            "sha256sum": self._run(["sha256sum"], stdin=self.list),
            "sha256sum_2": self._run(["sha256sum"], stdin=self.list, more=("-P2", "-n1")),
            "openssl": self._run(["openssl", "dgst", "-sha256"], stdin=self.list),
        }

    def verify(self) -> float:
        """Return the seconds of the whole command, which must find everything as it should be."""
        began = time.perf_counter()
        done = self._python("-m", "pipeline", *self._arguments)
        seconds = time.perf_counter() - began
        report = json.loads(done.stdout)
        assert report["ok"], report
        assert report["bytes_read"] >= self.size_bytes, report
        return seconds

    def peak_mb(self) -> int:
        """Return the peak resident set of the command."""
        done = self._python("-c", PEAK, *self._arguments)
        return int(done.stderr.split()[-1]) // 1024

    @property
    def _arguments(self) -> tuple[str, ...]:
        root = str(self.world.keys_dir / "root.json")
        jobs = str(self.jobs)
        return ("verify", str(self.world.repository), "--json", "--quiet", "--trusted-root", root, "--jobs", jobs)

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(PROJECT), "ENGINE_PIPELINE_CACHE_DIR": str(self.world.folder / "cache")}
        return subprocess.run([sys.executable, *arguments], env=env, check=True, capture_output=True, text=True)

    def _run(self, argv: list[str], *, stdin: bytes, more: tuple[str, ...] = ()) -> float:
        began = time.perf_counter()
        subprocess.run(["xargs", "-0", *more, *argv], input=stdin, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began


def sizes(total_mb: int, largest_mb: int) -> Iterator[int]:
    """Yield sizes in bytes, each half of the one before and then again from a quarter, until there is enough."""
    left, size = total_mb * MEGABYTE, largest_mb * MEGABYTE
    while left > 0:
        yield min(size, left)
        left -= size
        size = size // 2 if size > MEGABYTE else largest_mb * MEGABYTE // 4


if __name__ == "__main__":
    main()
