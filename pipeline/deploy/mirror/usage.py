"""What a mirror's space goes to, and how much is there once and used many times."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from pipeline.deploy.mirror.layout import MirrorLayout
from pipeline.deploy.mirror.signed_chain import read_chain
from pipeline.deploy.mirror.wanted import files_of
from pipeline.deploy.shapes import walk
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.manifest_document import read_manifest
from pipeline.model.mirror import MirrorUsage, UsageRow
from pipeline.model.mirror_paths import kind_of, sha256_of_blob
from pipeline.model.repository_layout import (
    MANIFEST_COPY,
    METADATA_FOLDER,
    MIRROR_STATE_FOLDER,
    trees_of_delta_target,
)
from pipeline.names import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.model.manifest import Artifact
    from pipeline.model.mirror import FileKind, MirrorSelection


def mirror_usage(folder: Path) -> MirrorUsage:
    """Count a mirror's bytes by target, version and kind; nothing is verified, and its private folder is left out.

    Raises:
        UsageError: it is no mirror that was completed.
        IntegrityError: its ``mirror.json`` or ``manifest.json`` is malformed.
    """
    layout = MirrorLayout(folder)
    layout.check()
    document = layout.require_document()
    copy = folder / MANIFEST_COPY
    if not copy.is_file():
        raise UsageError(f"{folder} has no {MANIFEST_COPY}", hint="`mirror sync` writes it again")
    artifacts = read_manifest(copy.read_bytes(), what=str(copy)).artifacts
    return _Counting(folder, document.selection, artifacts).usage()


class _Counting:
    """One pass over a mirror."""

    def __init__(self, folder: Path, selection: MirrorSelection, artifacts: tuple[Artifact, ...]) -> None:
        self._folder = folder
        self._artifacts = artifacts
        self._sizes: dict[str, int] = {}
        self._others: Counter[str] = Counter()
        for path, place in walk(folder):
            self._take(path, os.lstat(place).st_size)
        self._deltas = _deltas(folder)
        self._files = {
            artifact.key: {sha256: kind for sha256, _, kind, _ in files_of(artifact, selection)}
            for artifact in artifacts
        }

    def _take(self, path: str, size: int) -> None:
        top = path.partition("/")[0]
        sha256 = sha256_of_blob(path)
        if sha256 is not None:
            self._sizes[sha256] = size
        elif top != MIRROR_STATE_FOLDER:
            self._others[kind_of(path)] += size

    def usage(self) -> MirrorUsage:
        stored = sum(self._sizes.values()) + self._others.total()
        named = {sha256 for files in self._files.values() for sha256 in files}
        named |= self._deltas
        unnamed = sum(size for sha256, size in self._sizes.items() if sha256 not in named)
        if deltas := sum(map(self._size, self._deltas)):
            self._others["delta"] = deltas
        logical = sum(map(self._logical, self._artifacts)) + unnamed + self._others.total()
        versions = self._rows(lambda artifact: artifact.version)
        return MirrorUsage(
            path=str(self._folder),
            artifacts=len(self._artifacts),
            logical_bytes=logical,
            stored_bytes=stored,
            shared_bytes=logical - stored,
            targets=tuple(sorted(self._rows(lambda artifact: artifact.target), key=lambda row: row.name)),
            versions=tuple(sorted(versions, key=lambda row: version_key(row.name), reverse=True)),
            kinds=self._kind_rows(unnamed),
        )

    def _size(self, sha256: str) -> int:
        return self._sizes.get(sha256, 0)

    def _logical(self, artifact: Artifact) -> int:
        return sum(map(self._size, self._files[artifact.key]))

    def _rows(self, name_of: Callable[[Artifact], str]) -> list[UsageRow]:
        """Return a row for each group; what only artifacts of one group name is that group's own."""
        groups: dict[str, list[Artifact]] = {}
        for artifact in self._artifacts:
            groups.setdefault(name_of(artifact), []).append(artifact)
        files = {name: self._named_by(group) for name, group in groups.items()}
        users = Counter(sha256 for named in files.values() for sha256 in named)
        return [
            UsageRow(
                name=name,
                artifacts=len(group),
                logical_bytes=sum(map(self._logical, group)),
                own_bytes=sum(self._size(sha256) for sha256 in files[name] if users[sha256] == 1),
            )
            for name, group in groups.items()
        ]

    def _named_by(self, artifacts: Iterable[Artifact]) -> set[str]:
        return {sha256 for artifact in artifacts for sha256 in self._files[artifact.key]}

    def _kind_rows(self, unnamed: int) -> tuple[UsageRow, ...]:
        logical: Counter[str] = Counter()
        kinds: dict[str, FileKind] = {}
        for files in self._files.values():
            for sha256, kind in files.items():
                logical[kind] += self._size(sha256)
                kinds[sha256] = kind
        own: Counter[str] = Counter()
        for sha256, kind in kinds.items():
            own[kind] += self._size(sha256)
        both = dict(self._others)
        both["list"] = both.get("list", 0) + unnamed
        logical.update(both)
        own.update(both)
        return tuple(UsageRow(name=kind, logical_bytes=logical[kind], own_bytes=own[kind]) for kind in sorted(logical))


def _deltas(folder: Path) -> set[str]:
    """Return the digests of the deltas that the metadata lists; what cannot be read lists none."""
    try:
        listed = read_chain(folder, METADATA_FOLDER).listed
    except IntegrityError:
        return set()
    return {target.hashes["sha256"] for path, target in listed.items() if trees_of_delta_target(path)}
