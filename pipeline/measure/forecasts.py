"""Forecasts of what cannot be run here, from sizes in a manifest and the link model."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from pipeline.measure.link_model import predict, shape
from pipeline.model.strategies import Forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def again(old: Iterable[Forecast], model: LinkModel, links: Mapping[str, LinkProfile]) -> tuple[Forecast, ...]:
    """Return forecasts made anew by another model, from the sizes that they carry."""
    found = []
    for forecast in old:
        times = _times(forecast.download_bytes, forecast.installed_bytes, forecast.link, model, links)
        update = dict(zip(("seconds", "lowest", "highest"), times, strict=True))
        found.append(forecast.model_copy(update=update))
    return tuple(found)


def _times(
    download: int, installed: int, link: str | None, model: LinkModel, links: Mapping[str, LinkProfile]
) -> tuple[float, float, float]:
    """Return the seconds to the first token, and both ends of them by the model's largest error."""
    like = shape(links[link] if link else None, download_bytes=download, installed_bytes=installed)
    seconds, error = predict(model, like) + model.after_seconds, model.largest_error or 0.0
    return round(seconds, 2), round(seconds * max(0.0, 1 - error), 2), round(seconds * (1 + error), 2)


def forecasts(
    wanted: Iterable[tuple[Artifact, str]],
    model: LinkModel,
    *,
    links: Iterable[LinkProfile],
    near_links: Iterable[str],
    ratio: float,
) -> tuple[Forecast, ...]:
    """Return a forecast of each artifact for each way to install it: over each link, from the disk, from a mirror.

    Builds are not forecast: how long a compiler takes does not follow from sizes.

    Args:
        wanted: artifacts, and why each was not measured.
        model: fitted on what was.
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
            seconds, lowest, highest = _times(size, artifact.installed_size, name, model, by_name)
            product = size if strategy == "bundled" else 0
            found.append(
                Forecast(
                    strategy=strategy,
                    target=artifact.target,
                    version=artifact.version,
                    link=name,
                    why=why,
                    seconds=seconds,
                    lowest=lowest,
                    highest=highest,
                    download_bytes=size,
                    installed_bytes=artifact.installed_size,
                    product_bytes=product,
                    disk_bytes=round(artifact.installed_size * ratio) + product,
                )
            )
    return tuple(found)
