"""Forecasts of what cannot be run here, from sizes in a manifest and the link model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.measure.link_model import predict, shape
from pipeline.model.strategies import Forecast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.manifest import Artifact
    from pipeline.model.strategies import LinkModel
    from pipeline.model.strategy_runs import LinkProfile, Strategy


def download_bytes(artifact: Artifact) -> int:
    """Return the size of the layers that an installation brings."""
    return sum(layer.size for layer in artifact.layers if layer.is_installed(with_debug=False))


def forecasts(
    wanted: Iterable[tuple[Artifact, str]],
    model: LinkModel,
    *,
    links: Iterable[LinkProfile],
    near_links: Iterable[str],
    disk_ratio: float,
) -> tuple[Forecast, ...]:
    """Return a forecast of each artifact for each way to install it: over each link, from the disk, from a mirror.

    Builds are not forecast: how long a compiler takes does not follow from sizes.

    Args:
        wanted: artifacts, and why each was not measured.
        model: fitted on what was.
        links: that were measured.
        near_links: names of those of them that a mirror is reached by.
        disk_ratio: bytes on the disk afterwards to the installed ones, as measured.
    """
    by_name: Mapping[str, LinkProfile] = {link.name: link for link in links}
    ways: list[tuple[Strategy, LinkProfile | None]] = [("on-demand", link) for link in by_name.values()]
    ways += [("bundled", None), *(("mirror", by_name[name]) for name in near_links if name in by_name)]
    error = model.largest_error or 0.0
    found = []
    for artifact, why in wanted:
        size = download_bytes(artifact)
        for strategy, link in ways:
            like = shape(link, download_bytes=size, installed_bytes=artifact.installed_size)
            seconds = predict(model, like) + model.after_seconds
            product = size if strategy == "bundled" else 0
            found.append(
                Forecast(
                    strategy=strategy,
                    target=artifact.target,
                    version=artifact.version,
                    link=None if link is None else link.name,
                    why=why,
                    seconds=round(seconds, 2),
                    lowest=round(seconds * max(0.0, 1 - error), 2),
                    highest=round(seconds * (1 + error), 2),
                    download_bytes=size,
                    installed_bytes=artifact.installed_size,
                    product_bytes=product,
                    disk_bytes=round(artifact.installed_size * disk_ratio) + product,
                )
            )
    return tuple(found)
