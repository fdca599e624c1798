"""Starts the programs of an engine that was installed as a wheel, and checks its files.

This file travels in wheels, as ``launcher.py`` of their package, and is run by whatever Python they were installed
for. It needs the standard library alone, and nothing of this project.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess  # noqa: TID251 - it is no part of the program, and starts what Windows cannot become
import sys
from pathlib import Path
from typing import Any, NoReturn

PACKAGE_DIR = Path(__file__).resolve().parent
RECORD = "engine.json"
CHUNK_BYTES = 1 << 20
HEADER = b"engine-pipeline tree v1\n"


def start(program: str) -> NoReturn:
    """Become a program of the engine: same process, same arguments, same exit code."""
    path = PACKAGE_DIR / "tree" / read_record(PACKAGE_DIR)["programs"][program]
    if os.name == "nt":  # there a process cannot become another
        sys.exit(subprocess.call([str(path), *sys.argv[1:]]))
    os.execv(path, [program, *sys.argv[1:]])  # noqa: S606 - a shell is what is not wanted


def read_record(package_dir: Path) -> dict[str, Any]:
    """Return what the wheel says of itself."""
    record: dict[str, Any] = json.loads((package_dir / RECORD).read_text(encoding="utf-8"))
    return record


def examine(package_dir: Path) -> tuple[dict[str, str], list[str]]:
    """Read every file; return the digest of each layer as it is installed, and what is wrong.

    The digest is the bundle's: sha256 over (path, mode, size, sha256, link) of the sorted entries of the layer, sizes
    and digests taken from the files on the disk.
    """
    record = read_record(package_dir)
    found: dict[str, tuple[int, str]] = {}
    modes: dict[str, int] = {}
    faults = []
    for place, path in record["installed"].items():
        file = package_dir / "tree" / place
        if not file.is_file():
            faults.append(f"{place} is missing")
            continue
        seen = read_file(file)
        mode = 0o755 if os.name == "nt" or file.stat().st_mode & 0o100 else 0o644
        if path in found and found[path] != seen:
            faults.append(f"{place} is another file than the same one under its other name")
        found[path], modes[path] = seen, mode
    digests = {layer["name"]: layer_digest(layer["files"], found, modes) for layer in record["layers"]}
    faults += [
        f"layer {layer['name']} is {digests[layer['name']]}, the bundle's is {layer['tree_sha256']}"
        for layer in record["layers"]
        if digests[layer["name"]] != layer["tree_sha256"]
    ]
    known = set(record["installed"])
    below = package_dir / "tree"
    faults += [
        f"{path.relative_to(below).as_posix()} is not the engine's"
        for path in sorted(below.rglob("*"))
        if path.is_file() and path.relative_to(below).as_posix() not in known and path.suffix != ".pyc"
    ]
    return digests, faults


def layer_digest(files: list[dict[str, Any]], found: dict[str, tuple[int, str]], modes: dict[str, int]) -> str:
    """Return the digest of a layer: its paths and links as recorded, sizes, digests and modes as found."""
    digest = hashlib.sha256(HEADER)
    for entry in sorted(files, key=lambda entry: entry["path"].encode()):
        if entry["link"] is None:
            size, sha256 = found.get(entry["path"], (-1, ""))
            # Windows has no mode: there the recorded one is taken.
            mode = entry["mode"] if os.name == "nt" else modes.get(entry["path"], 0)
            fields = [entry["path"], mode, size, sha256, None]
        else:
            fields = [entry["path"], entry["mode"], 0, None, entry["link"]]
        digest.update(json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def read_file(path: Path) -> tuple[int, str]:
    """Return the size and the sha256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def main(arguments: list[str]) -> int:
    """Say what is installed; with ``verify`` read all of it again. Return the exit code, 7 where something changed."""
    record = read_record(PACKAGE_DIR)
    if arguments not in ([], ["verify"]):
        sys.stderr.write(f"usage: python -m {PACKAGE_DIR.name} [verify]\n")
        return 2
    about = {name: record[name] for name in ("engine", "platform", "accel", "version", "bundle_sha256", "tree_sha256")}
    about |= {"programs": sorted(record["programs"]), "host_libraries": record["host_libraries"]}
    faults: list[str] = []
    if arguments:
        about["layers"], faults = examine(PACKAGE_DIR)
        about["faults"] = faults
    sys.stdout.write(json.dumps(about, indent=2) + "\n")
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    return 7 if faults else 0
