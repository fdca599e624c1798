"""A whole report out of manifests and what was read of their layers. Pure: the same input gives the same report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.measure.bundles import bundle_footprint, layer_footprints
from pipeline.measure.comparing import compare, mandatory
from pipeline.measure.sharing import sharing
from pipeline.measure.updating import updates
from pipeline.model.footprint import FootprintReport
from pipeline.model.growth import Growth, GrowthPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.measure.choosing import Chosen
    from pipeline.measure.updating import DeltaOf
    from pipeline.model.footprint import Sharing, StrategyTime
    from pipeline.model.layer_content import LayerContent
    from pipeline.model.manifest import Artifact
    from pipeline.model.step_times import StepTime


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bundles come from.

    Attributes:
        made_from: which kind of place it is.
        release: our own name of the release.
        created: when that was made; the only time that a report has.
    """

    made_from: Literal["dist", "repository"]
    release: str
    created: str


def footprint(
    origin: Origin,
    chosen: Chosen,
    contents: Mapping[str, LayerContent],
    *,
    times: Iterable[StepTime] = (),
    strategies: Iterable[StrategyTime] = (),
    delta_of: DeltaOf | None = None,
) -> FootprintReport:
    """Return everything that a report says.

    Args:
        origin: of the bundles.
        chosen: the bundles, and what they are compared with.
        contents: tree digest to what is in the layer, of all mandatory layers of both.
        times: how long steps took; those of other targets are left out.
        strategies: times to the first token; those of other targets or versions are left out.
        delta_of: as ``updates``; None where the bundles are in no repository.
    """
    names = {artifact.target for artifact in chosen.bundles}
    bundles = {(artifact.target, artifact.version) for artifact in chosen.bundles}
    return FootprintReport(
        made_from=origin.made_from,
        release=origin.release,
        created=origin.created,
        targets=tuple(sorted(names)),
        bundles=tuple(bundle_footprint(artifact, contents) for artifact in chosen.bundles),
        layers=layer_footprints(chosen.bundles, contents),
        sharing=tuple(_sharing(chosen, contents)),
        comparisons=tuple(
            compare(artifact, chosen.baselines[artifact.target], contents)
            for artifact in chosen.bundles
            if artifact.target in chosen.baselines
        ),
        without_baseline=tuple(sorted(names - chosen.baselines.keys())),
        updates=updates(chosen, delta_of),
        growth=tuple(
            Growth(target=name, points=tuple(map(_point, chosen.releases[name]))) for name in sorted(chosen.releases)
        ),
        times=tuple(time for time in times if names.intersection(time.targets)),
        strategies=tuple(
            sorted(
                (one for one in strategies if (one.target, one.version) in bundles),
                key=lambda one: (one.target, one.strategy, one.link),
            )
        ),
    )


def _sharing(chosen: Chosen, contents: Mapping[str, LayerContent]) -> Iterator[Sharing]:
    yield sharing("targets", chosen.bundles, contents)
    if baselines := tuple(chosen.baselines[name] for name in sorted(chosen.baselines)):
        yield sharing("releases", (*chosen.bundles, *baselines), contents)


def _point(artifact: Artifact) -> GrowthPoint:
    return GrowthPoint(
        version=artifact.version,
        download=artifact.size,
        installed=artifact.installed_size,
        layers={layer.name: layer.installed_size for layer in mandatory(artifact)},
    )
