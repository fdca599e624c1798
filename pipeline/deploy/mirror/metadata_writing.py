"""Metadata put in place so that a reader at any moment finds the old state or the new one, whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuf.api.metadata import Metadata, Snapshot
from tuf.api.serialization import DeserializationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.ports import Disk

_VERSIONED = re.compile(r"(?P<version>[1-9][0-9]{0,8})\.(?P<role>.+)\.json")


def differing(metadata_dir: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the names of files that are not there with just these bytes, in their order."""
    return tuple(name for name, data in files.items() if not _is_there(metadata_dir / name, data))


def write_metadata(metadata_dir: Path, files: Mapping[str, bytes], *, staging_dir: Path, disk: Disk) -> None:
    """Write what is not there yet, in the order of ``files``: the timestamp comes last and is the switch."""
    names = differing(metadata_dir, files)
    if names:
        disk.make_dirs(metadata_dir)
    for name in names:
        disk.replace_file(metadata_dir / name, files[name], staging_dir=staging_dir)


def outdated(metadata_dir: Path, current: Iterable[str]) -> tuple[Path, ...]:
    """Return files of versions that nobody needs any more.

    Roots stay for good, and so does what the snapshot before the current one lists: a reader that has just read the
    timestamp before asks for it next.
    """
    names = {path.name for path in metadata_dir.glob("*.json")} if metadata_dir.is_dir() else set()
    kept = set(current)
    newest = max(_snapshots(kept), default=0)
    snapshots = _snapshots(names)
    if before := max((version for version in snapshots if version < newest), default=None):
        kept |= {snapshots[before], *_listed_by(metadata_dir / snapshots[before])}
    return tuple(
        metadata_dir / match[0]
        for match in sorted(_versioned(names), key=lambda match: match[0])
        if match["role"] != "root" and match[0] not in kept
    )


def _versioned(names: Iterable[str]) -> list[re.Match[str]]:
    return [match for name in names if (match := _VERSIONED.fullmatch(name))]


def _snapshots(names: Iterable[str]) -> dict[int, str]:
    return {int(match["version"]): match[0] for match in _versioned(names) if match["role"] == "snapshot"}


def _listed_by(path: Path) -> set[str]:
    try:
        snapshot = Metadata[Snapshot].from_bytes(path.read_bytes()).signed
        return {f"{meta.version}.{name}" for name, meta in snapshot.meta.items()}
    except (DeserializationError, OSError):
        return set()


def _is_there(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
