"""How fast `unpack` takes an archive of somebody else's apart, against `tar` and `unzip` with the same archive.

usage: python tests/benchmarks/unpack_speed.py [--size-mb 100] [--rounds 7] [--work DIR]

Shared libraries of this machine are packed as .tar.gz and as .zip. Each round measures in turn, each into a folder that
is not there yet: the whole `python -m pipeline unpack`, which judges every member before it writes it (paths, links,
sizes, bombs) and sees that nothing half-unpacked stays; `tar xzf`; `unzip -q`, where it is there. Prints JSON with
ratios of wall time, which has the start of our interpreter in it, and of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.benchmarks.install_speed import libraries  # noqa: E402 - found through the line above
from tests.gathering.protocol import spread  # noqa: E402 - as above

PEERS = {"files.tar.gz": ("tar xzf", ("tar", "-xzf", "{archive}", "-C", "{folder}")),
         "files.zip": ("unzip -q", ("unzip", "-q", "{archive}", "-d", "{folder}"))}  # fmt: skip
Spent = tuple[float, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", type=Path, default=Path("unpack-speed"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    size = pack(work, options.size_mb * 1_000_000)
    figures, missing = [], []
    for name, (peer, argv) in PEERS.items():
        if shutil.which(argv[0]) is None:
            missing.append(f"no comparison with {argv[0]}, which is not here")
            continue
        rounds = [both(work, work / name, argv) for _ in range(options.rounds)]
        walls = (ours[0] / theirs[0] for ours, theirs in rounds)
        processors = (ours[1] / theirs[1] for ours, theirs in rounds)
        figures.append(spread(f"unpack of a {name.partition('.')[2]}, wall time", walls, peer=peer))
        figures.append(spread(f"unpack of a {name.partition('.')[2]}, processor time", processors, peer=peer))
    shutil.rmtree(work)
    print(json.dumps({"figures": figures, "left_out": missing, "bytes": size}, indent=2))


def pack(work: Path, size_bytes: int) -> int:
    """Write both archives; return how many bytes of files are in each."""
    taken = 0
    with (
        tarfile.open(work / "files.tar.gz", "w:gz", compresslevel=6) as tar,
        zipfile.ZipFile(work / "files.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed,
    ):
        for path in libraries():
            if taken >= size_bytes:
                break
            tar.add(path.resolve(), arcname=f"files/{path.name}")
            packed.write(path.resolve(), arcname=f"files/{path.name}")
            taken += path.stat().st_size
    return taken


def both(work: Path, archive: Path, argv: tuple[str, ...]) -> tuple[Spent, Spent]:
    """Return what ours and the other spend on one archive, next to each other."""
    ours, theirs = work / "ours", work / "theirs"
    theirs.mkdir()
    filled = [part.format(archive=archive, folder=theirs) for part in argv]
    found = (
        spent([sys.executable, "-m", "pipeline", "unpack", str(archive), "--to", str(ours), "--quiet"]),
        spent(filled),
    )
    shutil.rmtree(ours)
    shutil.rmtree(theirs)
    return found


def spent(argv: list[str]) -> Spent:
    """Return the seconds of a process, and those of the processor, on a disk at rest."""
    os.sync()
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
