"""What each release of a listing has, in one value a release. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.asset_names.classify import build_number
from pipeline.upstream.archive_choice import choose_archives
from pipeline.upstream.completeness import age_epoch, state_of
from pipeline.upstream.selectors import version_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_listing import ListedRelease
    from pipeline.model.release_preferences import ReleasePreferences


@dataclass(frozen=True, slots=True)
class ReleaseOverview:
    """One release.

    Attributes:
        tag: upstream's.
        kind: ``build`` has archives, ``version`` (semver) points to a build, ``other`` is of no known shape.
        published_at: RFC 3339, UTC.
        age_seconds: since then.
        assets: number of files that are there.
        complete: whether it is whole; None for what is no build, and where no near build is known to compare with.
        lacks: what its predecessors had and it has not.
        targets: ``<platform>-<accel>`` that can be made of it, sorted.
        left_out: target to why it cannot be made, although there is an archive for it.
        unknown: file names that mean nothing we know.
    """

    tag: str
    kind: Literal["build", "version", "other"]
    published_at: str
    age_seconds: int
    assets: int
    complete: bool | None
    lacks: tuple[str, ...]
    targets: tuple[str, ...]
    left_out: dict[str, str]
    unknown: tuple[str, ...]


def overview(
    releases: Sequence[ListedRelease],
    preferences: ReleasePreferences,
    parts: Mapping[str, ArchiveParts],
    *,
    now_seconds: int,
) -> tuple[ReleaseOverview, ...]:
    """Return what each release has, in the order of ``releases``."""
    return tuple(_overview(release, releases, preferences, parts, now_seconds=now_seconds) for release in releases)


def _overview(
    release: ListedRelease,
    releases: Sequence[ListedRelease],
    preferences: ReleasePreferences,
    parts: Mapping[str, ArchiveParts],
    *,
    now_seconds: int,
) -> ReleaseOverview:
    is_build = build_number(release.tag) is not None
    choice = choose_archives((asset.name for asset in release.assets) if is_build else (), preferences, parts)
    state = state_of(release, releases, parts, now_seconds=now_seconds) if is_build else None
    return ReleaseOverview(
        tag=release.tag,
        kind="build" if is_build else "version" if version_numbers(release.tag) else "other",
        published_at=release.published_at,
        age_seconds=max(0, now_seconds - age_epoch(release.published_at)),
        assets=len(release.assets),
        complete=state.complete if state else None,
        lacks=state.lacks if state else (),
        targets=tuple(choice.targets),
        left_out=dict(choice.left_out),
        unknown=tuple(error.name for error in choice.unknown),
    )
