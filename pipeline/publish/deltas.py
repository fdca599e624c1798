"""Deltas that are published beside layers: what makes a new version's layer out of an earlier version's.

Each is a target of its engine, named after the two trees (``repository_layout.delta_target``): a client that knows of
deltas asks for the ones it can use, any other never sees them. A delta that does not save enough is not published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.digest import require_digest, sha256_stream
from pipeline.errors import HostError, IntegrityError
from pipeline.events import Notice, StepFailed, StepFinished, StepProgress, StepStarted
from pipeline.model.counts import counted
from pipeline.model.repository_layout import DeltaTrees, blob_path, delta_target, trees_of_delta_target
from pipeline.names import version_key
from pipeline.ports import PlacedTree, require_space
from pipeline.publish.dist import DistFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from tuf.api.metadata import TargetFile

    from pipeline.model.manifest import Artifact, Layer
    from pipeline.ports import Disk, Services
    from pipeline.publish.dist import Dist
    from pipeline.publish.merging import Merged

WORTH = 0.6
"""Of the whole archive at most; a larger delta saves too little for what it asks of publisher, mirrors and hosts."""

LARGEST_BYTES = 512 << 20
"""Of a layer's files; a larger one has no deltas: bsdiff takes about a second of processor time a megabyte."""

BUDGET_BYTES = 1 << 30
"""Of new layers' files that one publication makes deltas of: about a quarter of an hour, and other publishers wait."""


class LayerPair(NamedTuple):
    """A layer and what it was in an earlier version.

    Attributes:
        before: the artifact that has the old one.
        old: layer.
        artifact: that has the new one.
        new: layer.
        paths: of its targets, one for each engine that has both layers.
    """

    before: Artifact
    old: Layer
    artifact: Artifact
    new: Layer
    paths: tuple[str, ...]

    @property
    def trees(self) -> DeltaTrees:
        """What names the delta."""
        return DeltaTrees(self.old.tree_sha256, self.new.tree_sha256)

    @property
    def text(self) -> str:
        """The delta, for people."""
        return f"{self.new.name} of {self.artifact.target} {self.artifact.version} from {self.before.version}"


class MadeDelta(NamedTuple):
    """A delta that is worth it.

    Attributes:
        paths: of its targets.
        name: that it would be called by.
        file: in the work folder.
        text: what it is, for people.
    """

    paths: tuple[str, ...]
    name: str
    file: DistFile
    text: str


def layer_pairs(merged: Merged, published: Collection[str], *, count: int) -> tuple[LayerPair, ...]:
    """Return the layers of new artifacts that changed, with what they were in the ``count`` versions before.

    Optional layers, which hardly anybody installs, and very large ones have no deltas; a pair that targets or engines
    share comes once.

    Args:
        merged: what is published and what is new.
        published: target paths that are there already.
        count: of earlier versions of the same target.
    """
    found: dict[DeltaTrees, LayerPair] = {}
    for artifact in (*merged.added, *merged.replaced):
        known = [one for one in merged.artifacts[artifact.engine] if one.target == artifact.target]
        older = [one for one in known if version_key(one.version) < version_key(artifact.version)]
        older.sort(key=lambda one: version_key(one.version), reverse=True)
        for before in older[:count]:
            layers = {layer.name: layer for layer in before.layers}
            for new in artifact.layers:
                old = layers.get(new.name)
                if old is None or new.optional or old.tree_sha256 == new.tree_sha256:
                    continue
                if max(old.installed_size, new.installed_size) > LARGEST_BYTES:
                    continue
                trees = DeltaTrees(old.tree_sha256, new.tree_sha256)
                path = delta_target(artifact.engine, trees, merged.folders[artifact.engine])
                pair = found.get(trees) or LayerPair(before, old, artifact, new, ())
                if path not in published and path not in pair.paths:
                    found[trees] = pair._replace(paths=(*pair.paths, path))
    return tuple(found.values())


def kept_deltas(merged: Merged, before: Mapping[str, TargetFile]) -> dict[str, TargetFile]:
    """Return the published deltas whose layer is still one of a published artifact."""
    trees = {layer.tree_sha256 for artifacts in merged.artifacts.values() for a in artifacts for layer in a.layers}
    found = ((path, target, trees_of_delta_target(path)) for path, target in before.items())
    return {path: target for path, target, pair in found if pair is not None and pair.new in trees}


class DeltaMaking:
    """Makes deltas in a work folder, one after the other; two layers are unpacked there at a time."""

    def __init__(self, dist: Dist, repository: Path, work_dir: Path, *, services: Services, disk: Disk) -> None:
        """Make nothing yet; ``dist`` and ``repository`` have the layers' archives."""
        self._dist = dist
        self._repository = repository
        self._work_dir = work_dir
        self._services = services
        self._disk = disk

    def make_all(self, pairs: Iterable[LayerPair]) -> tuple[MadeDelta, ...]:
        """Make those that are worth it; what cannot be made, or is beyond the budget, is left out, and that is said.

        Raises:
            NoSpaceError: as its name says.
        """
        made, left_bytes, beyond = [], BUDGET_BYTES, []
        for pair in pairs:
            if pair.new.installed_size > left_bytes:
                beyond.append(pair.text)
                continue
            left_bytes -= pair.new.installed_size
            try:
                made.append(self._make(pair))
            except (IntegrityError, HostError) as error:
                self._services.events.emit(StepFailed(f"delta of {pair.text}", error.message))
                self._services.events.emit(
                    Notice(f"there will be no delta of {pair.text}, which nobody needs: {error.message}", "warning")
                )
        if beyond:
            text = f"{counted(len(beyond), 'delta')} left out, deltas of {BUDGET_BYTES / 1e6:.0f} MB are made at a time"
            self._services.events.emit(Notice(f"{text}: {', '.join(beyond)}"))
        return tuple(one for one in made if one is not None)

    def _make(self, pair: LayerPair) -> MadeDelta | None:
        """Make one and apply it; None where it saves too little.

        Raises:
            IntegrityError: an archive is not there or not what the manifest says, or no host could use the delta.
            NoSpaceError, HostError: as their names say.
        """
        step = f"delta of {pair.text}"
        self._services.events.emit(StepStarted(step))
        began = self._services.clock.monotonic()
        archive = self._work_dir / f"{pair.old.tree_sha256}-{pair.new.tree_sha256}.tar.zst"
        folders = self._work_dir / "old", self._work_dir / "new"
        needed = 4 * pair.new.installed_size + pair.old.installed_size + pair.new.size + pair.old.size
        require_space(self._work_dir, needed, host=self._services.host, hint="free some space, or --deltas 0")
        kept = False
        try:
            old, new = (self._unpack(layer, to) for layer, to in zip((pair.old, pair.new), folders, strict=True))
            self._services.archiver.pack_delta(
                old,
                new,
                archive,
                progress=lambda now, total: self._services.events.emit(StepProgress(step, now, total, "bytes")),
            )
            with archive.open("rb") as stream:
                sha256, size = sha256_stream(stream)
            kept = size <= WORTH * pair.new.size and self._is_of_use(pair, archive, sha256)
        finally:
            for path in (*folders, *(() if kept else (archive,))):
                self._disk.remove(path)
        summary = f"{size / pair.new.size:.0%} of the layer's {pair.new.size / 1e6:.1f} MB"
        seconds = self._services.clock.monotonic() - began
        self._services.events.emit(StepFinished(step, seconds, summary if kept else f"{summary}: left out"))
        if not kept:
            return None
        name = f"{pair.new.name}-{pair.before.version}-{pair.artifact.version}.delta.tar.zst"
        return MadeDelta(pair.paths, name, DistFile(archive, sha256, size), pair.text)

    def _is_of_use(self, pair: LayerPair, archive: Path, sha256: str) -> bool:
        """Apply a delta as a host does, before anybody signs it; True, or what is raised says why not."""
        made = self._work_dir / "made"
        try:
            self._services.archiver.unpack_delta(
                archive,
                made,
                old=self._work_dir / "old",
                sha256=sha256,
                tree_sha256=pair.new.tree_sha256,
                files_bytes=pair.new.installed_size,
            )
        finally:
            self._disk.remove(made)
        return True

    def _unpack(self, layer: Layer, folder: Path) -> PlacedTree:
        archive = self._work_dir / f"{layer.sha256}.tar.zst"  # a blob's name does not say what it is
        offered = self._dist.files.get(layer.sha256)
        place = self._repository / blob_path(layer.sha256) if offered is None else offered.path
        if not place.is_file():
            raise IntegrityError(
                f"the archive of layer {layer.name}, {place}, is not there",
                hint="the repository is damaged: run verify",
            )
        self._disk.link_file(place, archive)
        try:
            tree = self._services.archiver.unpack_signed(
                archive, folder, sha256=layer.sha256, files_bytes=layer.installed_size
            )
        finally:
            self._disk.remove(archive)
        require_digest(what=f"files of layer {layer.name}", expected=layer.tree_sha256, found=tree.sha256)
        return PlacedTree(folder, tree)
