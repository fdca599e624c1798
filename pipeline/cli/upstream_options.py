"""What the commands about upstream's releases share: which engine, which API, which target, and how ages are said."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import click

from pipeline.app.services import release_services
from pipeline.catalog import read_archive_parts
from pipeline.catalog.upstream import read_preferences
from pipeline.cli.options import FILE
from pipeline.errors import UsageError
from pipeline.names import parse_target
from pipeline.upstream.listing import ReleaseList
from pipeline.upstream.recorded import RecordedApi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.cli.session import Session
    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_preferences import ReleasePreferences
    from pipeline.ports import ReleaseApi, Services

UPSTREAM = "upstream"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

engine_option = click.option(
    "--engine", default="llama.cpp", show_default=True, metavar="E", help="Whose upstream releases."
)
api_option = click.option(
    "--api", metavar="URL", help="Address of the API.  [env: ENGINE_PIPELINE_GITHUB_API]  [default: GitHub's]"
)
listing_option = click.option(
    "--listing", type=FILE, metavar="FILE", help="A recorded listing of releases instead of the API."
)
target_option = click.option(
    "-t", "--target", "targets", multiple=True, metavar="T", help="What the release must have an archive for; repeats."
)


class Upstream(NamedTuple):
    """One engine's upstream, ready to be asked.

    Attributes:
        preferences: of the engine.
        parts: accelerator family to what it is in the engine's archives.
        releases: of its repository.
        api: that they are listed by.
        services: of this command.
    """

    preferences: ReleasePreferences
    parts: Mapping[str, ArchiveParts]
    releases: ReleaseList
    api: ReleaseApi
    services: Services


@contextmanager
def opened_upstream(
    session: Session, engine: str, api: str | None, *, listing: Path | None = None
) -> Iterator[Upstream]:
    """Give an engine's upstream; when a listing came from the cache, its age is said at the end.

    Raises:
        UnknownNameError: nothing is known of the engine's upstream.
        UsageError: the recorded listing cannot be read or is none.
    """
    preferences = read_preferences(upstream_dir(session), engine)
    parts = read_archive_parts(session.settings.recipes_dir, engine)
    with release_services(session.settings, api=api) as (services, release_api):
        source = _recorded(listing) if listing else release_api
        releases = ReleaseList(source, preferences.repository, recorded=listing is not None)
        try:
            yield Upstream(preferences, parts, releases, release_api, services)
        finally:
            for tag, why in releases.unreadable.items():
                session.warn(f"{tag} is passed over: {why}")
        if releases.cached and releases.checked_at is not None:
            age = span_text(services.clock.now_seconds() - releases.checked_at)
            session.warn(f"the network is forbidden: this is what {preferences.repository} had {age} ago")


def _recorded(path: Path) -> RecordedApi:
    try:
        return RecordedApi(path.read_bytes(), name=str(path), recorded_at=int(path.stat().st_mtime))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def upstream_dir(session: Session) -> Path:
    """Return the folder of pinned releases."""
    return session.settings.recipes_dir / UPSTREAM


def short_targets(engine: str, targets: Iterable[str]) -> tuple[str, ...]:
    """Return targets of an engine without its name; a comma separates several.

    Raises:
        UnknownNameError: one is no target.
        UsageError: one is of another engine.
    """
    parts = [part.strip() for text in targets for part in text.split(",")]
    found = [parse_target(part if "/" in part else f"{engine}/{part}") for part in parts]
    for target in found:
        if target.engine != engine:
            raise UsageError(
                f"{str(target)!r} is no target of {engine}, whose releases these are",
                hint=f"write {target.short}, or choose the engine with --engine",
            )
    return tuple(target.short for target in found)


def span_text(seconds: int) -> str:
    """Return a span of time in its largest fitting unit."""
    for unit, name in ((_DAY, "days"), (_HOUR, "hours"), (_MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{max(seconds, 0)} seconds"
