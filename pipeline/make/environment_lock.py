"""An environment's layers held against its lock: the very packages, the channel's index, the files of every wheel."""

from __future__ import annotations

import base64
import csv
import json
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from pipeline.make.channel_layer import CHANNEL_DIR
from pipeline.make.findings import Finding
from pipeline.proofs.wheel_tags import wheel_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.make.outputs import Results
    from pipeline.model.environment import CondaPackage, LockedEnvironment
    from pipeline.model.environment_actions import ProveEnvironment
    from pipeline.model.tree import Tree, TreeEntry

_INDEX = "repodata.json"
_ANEW = "make the bundle anew; if that does not help, lock the environment anew with `lock`"
# What of a channel's record decides what is solved and linked.
_RECORD_KEYS = ("name", "version", "build", "build_number", "sha256", "subdir")


class WheelFiles(NamedTuple):
    """What the layers of wheels hold.

    Attributes:
        owners: path below the prefix to the name of the wheel that has it in its RECORD.
        findings: files without a wheel, wheels without files, and files that are not what their wheel says.
    """

    owners: Mapping[str, str]
    findings: tuple[Finding, ...]


def lock_findings(
    action: ProveEnvironment, results: Results, trees: Mapping[str, Tree], bundle: Path
) -> Iterator[Finding]:
    """Yield where what was fetched and what is in the layers differ from the lock, and packages without a license.

    Args:
        action: what is proven.
        results: of the steps before.
        trees: files of each layer.
        bundle: the layers, laid.
    """
    locked = action.environment
    fetched = {name: blob for step in action.fetched for name, blob in results[step].blobs.items()}
    for wheel in locked.wheels:
        blob = fetched.get(wheel.filename)
        found = None if blob is None else (blob.sha256, blob.size_bytes)
        yield from _same_file(wheel.filename, found, (wheel.sha256, wheel.size_bytes))
        problem = wheel_problem(wheel.filename, platform=locked.platform, python=locked.python, floors=locked.floors)
        if problem:
            yield Finding(f"{wheel.filename} {problem}", "lock the environment anew, with the right floor")
    if action.channel_layer is not None:
        yield from _channel_findings(locked, trees[action.channel_layer], bundle)
    yield from _part_findings(action, results)


def _same_file(name: str, found: tuple[str | None, int] | None, locked: tuple[str, int]) -> Iterator[Finding]:
    if found is None:
        yield Finding(f"{name} is locked and is not there", _ANEW)
    elif found[0] != locked[0]:
        yield Finding(f"{name} has sha256 {found[0]}, the lock says {locked[0]}", _ANEW)
    elif found[1] != locked[1]:
        yield Finding(f"{name} has {found[1]} bytes, the lock says {locked[1]}", _ANEW)


def _channel_findings(locked: LockedEnvironment, tree: Tree, bundle: Path) -> Iterator[Finding]:
    """Hold the bundled channel against the lock: its files by digest, and what its index says of them."""
    there = {entry.path: entry for entry in tree.entries}
    wanted = {f"{CHANNEL_DIR}/{package.subdir}/{package.filename}": package for package in locked.conda}
    for path, package in wanted.items():
        entry = there.get(path)
        found = None if entry is None else (entry.sha256, entry.size_bytes)
        yield from _same_file(package.filename, found, (package.sha256, package.size_bytes))
    for path in sorted(set(there) - set(wanted)):
        if posixpath.basename(path) != _INDEX:
            yield Finding(f"{path} is in the bundled channel and not in the lock", _ANEW)
    for subdir in sorted({package.subdir for package in locked.conda}):
        packages = [package for package in locked.conda if package.subdir == subdir]
        path = f"{CHANNEL_DIR}/{subdir}/{_INDEX}"
        if path not in there:
            yield Finding(f"the bundled channel has no {subdir}/{_INDEX}", _ANEW)
            continue
        yield from _index_findings(f"{subdir}/{_INDEX}", (bundle / path).read_bytes(), packages)


def _index_findings(name: str, data: bytes, packages: list[CondaPackage]) -> Iterator[Finding]:
    try:
        document = json.loads(data)
        records = {**document["packages"], **document["packages.conda"]}
    except (ValueError, KeyError, TypeError):
        yield Finding(f"{name} of the bundled channel is no channel's index", _ANEW)
        return
    for package in packages:
        record = records.pop(package.filename, None)
        if not isinstance(record, dict):
            yield Finding(f"{name} of the bundled channel lacks {package.filename}", _ANEW)
            continue
        wanted = package.model_dump(mode="json", include=set(_RECORD_KEYS)) | {"size": package.size_bytes}
        wanted |= {"depends": list(package.depends), "constrains": list(package.constrains)}
        record.setdefault("constrains", [])
        for key, value in wanted.items():
            if record.get(key) != value:
                yield Finding(
                    f"{name} says {key} {record.get(key)!r} of {package.filename}, the lock says {value!r}", _ANEW
                )
    for filename in sorted(records):
        yield Finding(f"{name} of the bundled channel has {filename}, which is not in the lock", _ANEW)


def _part_findings(action: ProveEnvironment, results: Results) -> Iterator[Finding]:
    """Hold the lists of packages that the layers' makers wrote against the lock; they become the bill of materials."""
    wanted = {(wheel.project, wheel.version, wheel.sha256) for wheel in action.environment.wheels}
    steps = [*action.wheel_layers]
    if action.channel_layer is not None:
        steps.append(action.channel_layer)
        wanted |= {(package.name, package.version, package.sha256) for package in action.environment.conda}
    listed = [part for step in steps for part in _parts(results[step].facts.get("packages"))]
    for part in listed:
        name, version = part.get("name"), part.get("version")
        if (name, version, part.get("sha256")) not in wanted:
            yield Finding(f"{name} {version} is in a layer and is not what is locked", _ANEW)
        if not part.get("license"):
            yield Finding(
                f"{name} {version} does not say its license",
                "look it up, and write it into `licenses` of the engine's recipe",
            )
    known = {(part.get("name"), part.get("version"), part.get("sha256")) for part in listed}
    for name, version, _ in sorted(wanted - known):
        yield Finding(f"{name} {version} is locked and in no layer", _ANEW)


def _parts(value: JsonValue) -> list[dict[str, JsonValue]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def wheel_files(locked: LockedEnvironment, trees: Mapping[str, Tree], bundle: Path) -> WheelFiles:
    """Hold the files of the layers of wheels against the wheels' own RECORDs.

    Args:
        locked: the environment.
        trees: files of the layers of wheels alone.
        bundle: the layers, laid.
    """
    site = f"lib/python{locked.python}/site-packages"
    entries = {entry.path: entry for tree in trees.values() for entry in tree.entries}
    owners: dict[str, str] = {}
    findings: list[Finding] = []
    for path in sorted(entries):
        folder, _, name = path.rpartition("/")
        # One further down is that of a project which a wheel has copied into itself, as setuptools does.
        if name != "RECORD" or not folder.endswith(".dist-info") or posixpath.dirname(folder) != site:
            continue
        wheel = posixpath.basename(folder).removesuffix(".dist-info")
        owners[path] = wheel
        text = (bundle / path).read_text(encoding="utf-8", errors="replace")
        for row in csv.reader(text.splitlines()):
            if len(row) < 2 or not row[0]:
                continue
            listed = posixpath.normpath(posixpath.join(site, row[0]))
            findings += _record_findings(wheel, listed, row[1], entries.get(listed))
            if listed in entries:
                owners[listed] = wheel
    findings += [
        Finding(f"{path} is in a layer of wheels and in no wheel's RECORD", _ANEW)
        for path in sorted(set(entries) - set(owners))
    ]
    return WheelFiles(owners, tuple(findings))


def _record_findings(wheel: str, path: str, digest: str, entry: TreeEntry | None) -> Iterator[Finding]:
    """Judge one line of a RECORD; what has no digest there is made when the wheel is installed."""
    if not digest:
        return
    kind, _, code = digest.partition("=")
    if entry is None:
        yield Finding(f"{wheel} lacks {path}, which its RECORD lists", _ANEW)
        return
    try:
        wanted = base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).hex()
    except ValueError:
        wanted = ""
    if kind != "sha256" or entry.sha256 != wanted:
        yield Finding(
            f"{path} is not the file that {wheel} says: it has sha256 {entry.sha256}, its RECORD {digest}", _ANEW
        )
