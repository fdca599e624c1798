"""``upstream resolve``: which release a selector means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.asset_names.classify import build_number
from pipeline.cli.options import Command, common_options
from pipeline.cli.upstream_options import (
    api_option,
    engine_option,
    listing_option,
    opened_upstream,
    short_targets,
    target_option,
)
from pipeline.upstream.resolve import POINTER_BYTES, Resolution, Wish, resolve
from pipeline.upstream.selectors import parse_selector

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.cli.upstream_options import Upstream


@click.command("resolve", cls=Command, short_help="Say which release a selector means.")
@click.argument("selector", metavar="SELECTOR")
@target_option
@click.option(
    "--min-release-age",
    "min_age_days",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="DAYS",
    help="Pass over releases that are younger.",
)
@listing_option
@engine_option
@api_option
@common_options
def command(
    session: Session,
    selector: str,
    targets: tuple[str, ...],
    *,
    min_age_days: float,
    engine: str,
    api: str | None,
    listing: Path | None,
) -> None:
    """Say which upstream release SELECTOR means.

    SELECTOR is a build (b11434), latest (the newest complete build), stable (the build that the newest semver release
    points to), a semver release (v0.4.1), or bounds ('>=b11000', '>=b11000,<b11500': the newest complete build within
    them). A release that lacks what --target needs is refused (exit code 3), with the nearest ones that have it; latest
    and bounds pass over such releases.
    """
    meant = parse_selector(selector)
    wanted = short_targets(engine, targets)
    with opened_upstream(session, engine, api, listing=listing) as upstream:
        clock, downloader = upstream.services.clock, upstream.services.downloader
        wish = Wish(wanted, min_age_days, clock.now_seconds(), upstream.preferences, upstream.parts)
        found = resolve(
            meant, upstream.releases, wish, lambda url: downloader.read_small(url, limit_bytes=POINTER_BYTES)
        )
        for tag, why in found.skipped:
            session.hint(f"passed over {tag}: {why}")
        if found.state.complete is False:
            session.warn(
                f"{found.release.tag} is partial: it lacks {', '.join(found.state.lacks) or 'files that are coming'}"
            )
        session.show(_document(selector, found, upstream), lambda: _text(found))


def _document(selector: str, found: Resolution, upstream: Upstream) -> dict[str, object]:
    return {
        "selector": selector,
        "engine": upstream.preferences.engine,
        "repository": upstream.preferences.repository,
        "tag": found.release.tag,
        "build_number": build_number(found.release.tag),
        "published_at": found.release.published_at,
        "via": found.via,
        "complete": found.state.complete,
        "lacks": list(found.state.lacks),
        "assets": len(found.release.assets),
        "targets": {target: list(archives) for target, archives in found.archives.items()},
        "skipped": [{"tag": tag, "reason": why} for tag, why in found.skipped],
        "checked_at": upstream.releases.checked_at,
        "cached": upstream.releases.cached,
    }


def _text(found: Resolution) -> str:
    lines = [found.release.tag]
    for target, archives in found.archives.items():
        lines += [f"  {target}: {', '.join(archives)}"]
    return "\n".join(lines)
