"""Steps of a target that is fetched: upstream's archives, split into layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.model.archive_actions import FetchArchive, SplitLayer
from pipeline.model.manifest import Upstream
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.names import family_of
from pipeline.plan.finishing import Made, finish

if TYPE_CHECKING:
    from pipeline.model.archives import ArchiveRecipe
    from pipeline.model.manifest import LayerRole
    from pipeline.model.plan import Decision
    from pipeline.model.upstream import PinnedRelease
    from pipeline.names import Target
    from pipeline.plan.collecting import Planning

RUNTIME_ZSTD_LEVEL = 9
"""Code for GPUs is compressed inside: of cuBLASLt 13.0, 0.989 is left at this level in 0.1 s for 40 MB, and 0.987 at
level 19 in 16 s."""


def runtime_zstd_level(planning: Planning) -> int:
    """Return how hard a vendor's runtime is compressed: no more than asked for."""
    return min(RUNTIME_ZSTD_LEVEL, planning.request.zstd_level)


def add_fetched(planning: Planning, target: Target, decision: Decision) -> None:
    """Add the steps of one target: archives, layers, proof, bundle."""
    recipe = planning.catalog.engine(target.engine).archives
    if recipe is None:
        raise AssertionError(f"the catalog has archives of {target.engine} and no recipe for them")
    release = planning.catalog.upstream[target.engine][decision.version]
    archives = tuple(_fetch(planning, target, release, name) for name in release.targets[target.short])
    split = _Split(planning, target, recipe)
    made = Made(
        layers=split.layers(archives),
        archives=archives,
        build_number=release.build_number,
        upstream=Upstream(repository=release.repository, tag=release.tag, commit=release.commit),
        epoch_seconds=planning.epoch_seconds(release.published_at),
    )
    finish(planning, target, decision, made)


def _fetch(planning: Planning, target: Target, release: PinnedRelease, name: str) -> str:
    asset = release.asset(name)
    attestation = planning.catalog.attestations.get(asset.sha256)
    action = FetchArchive(asset=asset, repository=release.repository, tag=release.tag, attestation=attestation)
    return planning.add(target, f"fetch {release.tag} {name}", action, (), download_bytes=asset.size_bytes)


class _Split:
    """The layers of one target's archives."""

    def __init__(self, planning: Planning, target: Target, recipe: ArchiveRecipe) -> None:
        self._planning = planning
        self._target = target
        self._recipe = recipe
        self._base = planning.catalog.engine(target.engine).base

    def layers(self, archives: tuple[str, ...]) -> tuple[str, ...]:
        """Add core, the base accelerator's backend, the target's own, and the vendor's runtime; return the steps."""
        engine_archive, *companions = archives
        catalog, accel = self._planning.catalog, self._target.accel
        known = catalog.archive_parts(self._target.engine)
        mine, base = known[family_of(accel)], known[self._base]
        claimed = tuple(dict.fromkeys(glob for parts in known.values() for glob in (*parts.backend, *parts.runtime)))
        steps = [self._add(engine_archive, "core", "core", exclude=claimed)]
        if mine is not base:
            steps.append(self._add(engine_archive, self._base, "backend", include=base.backend))
        steps.append(self._add(engine_archive, accel, "backend", include=mine.backend))
        if mine.runtime and not companions:
            steps.append(self._add(engine_archive, f"{accel}-runtime", "runtime", include=mine.runtime))
        for number, companion in enumerate(companions):
            name = f"{accel}-runtime" if number == 0 else f"{accel}-runtime-{number + 1}"
            steps.append(self._add(companion, name, "runtime"))
        return tuple(steps)

    def _add(
        self,
        archive: str,
        name: str,
        role: LayerRole,
        *,
        include: tuple[str, ...] = (),
        exclude: tuple[str, ...] = (),
    ) -> str:
        action = SplitLayer(
            layer_name=name,
            role=role,
            archive=archive,
            include=include,
            exclude=exclude,
            licenses=self._recipe.licenses,
            zstd_level=runtime_zstd_level(self._planning) if role == "runtime" else self._planning.request.zstd_level,
            # A vendor's runtime is one layer of all releases and of everybody's builds, whatever is asked for.
            epoch_seconds=LASTING_EPOCH_SECONDS if role == "runtime" else self._planning.lasting_epoch_seconds,
        )
        return self._planning.add(self._target, archive.replace("fetch ", f"layer {name} of ", 1), action, (archive,))
