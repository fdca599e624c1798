"""Forecasts of what cannot be run here, from sizes in a manifest and the link model."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from pipeline.measure.link_model import predict, shape
from pipeline.model.strategies import Forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.measure.link_model import Shape
    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.strategies import LinkModel
    from pipeline.model.strategy_runs import LinkProfile, Measurement, Strategy


def download_bytes(artifact: Artifact) -> int:
    """Return the size of the layers that an installation brings."""
    return sum(layer.size for layer in artifact.layers if layer.is_installed(with_debug=False))


def of_manifests(manifests: Iterable[Manifest], known: Iterable[str]) -> tuple[tuple[Artifact, str], ...]:
    """Return the artifacts of manifests that nothing is known of yet, each target once, and why they are forecast."""
    seen = set(known)
    found = []
    for artifact in (artifact for manifest in manifests for artifact in manifest.artifacts):
        if artifact.target not in seen and not artifact.rehearsal:
            seen.add(artifact.target)
            found.append((artifact, "only its manifest is here"))
    return tuple(found)


def disk_ratio(measurements: Iterable[Measurement]) -> float:
    """Return the bytes that an installation leaves on the disk to those that were to be installed, as measured."""
    installs = [m for m in measurements if m.strategy in {"on-demand", "mirror"}]
    return statistics.median(m.disk_bytes / m.installed_bytes for m in installs) if installs else 1.0


def again(
    old: Iterable[Forecast], model: LinkModel, links: Mapping[str, LinkProfile], *, seen: Sequence[Shape]
) -> tuple[Forecast, ...]:
    """Return forecasts made anew by another model, from the sizes that they carry."""
    found = []
    for forecast in old:
        link = links[forecast.link] if forecast.link else None
        like = shape(link, download_bytes=forecast.download_bytes, installed_bytes=forecast.installed_bytes)
        found.append(forecast.model_copy(update=_times(like, model, seen)._asdict()))
    return tuple(found)


class _Times(NamedTuple):
    seconds: float | None
    lowest: float | None
    highest: float | None


def _times(like: Shape, model: LinkModel, seen: Sequence[Shape]) -> _Times:
    """Return the seconds to the first token, and both ends of them by the model's largest error.

    The error is relative to what was measured: what is predicted as ``p`` took from ``p / (1 + error)`` to
    ``p / (1 - error)``, and an error of one and more has no upper end. It is the installation's alone.
    """
    predicted, error, after = predict(model, like, seen=seen), model.largest_error, model.after_seconds
    if predicted is None:
        return _Times(None, None, None)
    seconds = round(predicted + after, 2)
    if error is None:
        return _Times(seconds, None, None)
    highest = round(predicted / (1 - error) + after, 2) if error < 1 else None
    return _Times(seconds, round(predicted / (1 + error) + after, 2), highest)


def forecasts(
    wanted: Iterable[tuple[Artifact, str]],
    model: LinkModel,
    *,
    seen: Sequence[Shape],
    links: Iterable[LinkProfile],
    near_links: Iterable[str],
    ratio: float,
) -> tuple[Forecast, ...]:
    """Return a forecast of each artifact for each way to install it: over each link, from the disk, from a mirror.

    Builds are not forecast: how long a compiler takes does not follow from sizes.

    Args:
        wanted: artifacts, and why each was not measured.
        model: fitted on what was.
        seen: shapes of that (``shapes_of``).
        links: that were measured.
        near_links: names of those of them that a mirror is reached by.
        ratio: bytes on the disk afterwards to the installed ones (``disk_ratio``).
    """
    by_name: Mapping[str, LinkProfile] = {link.name: link for link in links}
    ways: list[tuple[Strategy, LinkProfile | None]] = [("on-demand", link) for link in by_name.values()]
    ways += [("bundled", None), *(("mirror", by_name[name]) for name in near_links if name in by_name)]
    found = []
    for artifact, why in wanted:
        size = download_bytes(artifact)
        for strategy, link in ways:
            name = None if link is None else link.name
            like = shape(link, download_bytes=size, installed_bytes=artifact.installed_size)
            product = size if strategy == "bundled" else 0
            found.append(
                Forecast(
                    strategy=strategy,
                    target=artifact.target,
                    version=artifact.version,
                    link=name,
                    why=why,
                    **_times(like, model, seen)._asdict(),
                    download_bytes=size,
                    installed_bytes=artifact.installed_size,
                    product_bytes=product,
                    disk_bytes=round(artifact.installed_size * ratio) + product,
                )
            )
    return tuple(found)
