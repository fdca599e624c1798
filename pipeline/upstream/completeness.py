"""Which releases are whole: upstream makes a release first and uploads its files one by one, and some stop half way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pipeline.asset_names.classify import build_number, classify_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.release_listing import ListedRelease

PREDECESSORS = 8
MISSING_SHARE = 0.25  # real partial releases lacked 70 % (b9352 had 8 of 28 files), a dropped target is 4 %
UPLOAD_SECONDS = 3600  # younger than this, a release may still be filling up

_Part = tuple[str, str, str, tuple[str, ...]]


class ReleaseState(NamedTuple):
    """Whether a release is whole.

    Attributes:
        complete: whether it has what its predecessors make one expect.
        lacks: what they had and it has not, in words.
        coming: files that the listing shows as being uploaded.
    """

    complete: bool
    lacks: tuple[str, ...]
    coming: int


def state_of(release: ListedRelease, others: Iterable[ListedRelease], *, now_seconds: int) -> ReleaseState:
    """Compare a build with the builds before it; where none is known, with those after it.

    A build is partial while the listing shows files that are still coming, when it lacks more than a quarter of what
    the eight builds before it had together, and in its first hour when it lacks anything. So a target that upstream
    gives up makes a release partial for an hour, and half a release is never taken for a whole one.

    Args:
        release: a build.
        others: of the same repository; builds among them count.
        now_seconds: since 1970.
    """
    number = build_number(release.tag) or 0
    builds = {found: other for other in others if (found := build_number(other.tag)) is not None}
    older = [builds[found] for found in sorted(builds) if found < number][-PREDECESSORS:]
    newer = [builds[found] for found in sorted(builds) if found > number][:PREDECESSORS]
    expected: set[_Part] = set()
    if older:
        expected = set().union(*(_parts(other) for other in older))
    elif newer:
        expected = set.intersection(*(_parts(other) for other in newer))
    missing = expected - _parts(release)
    young = now_seconds - age_epoch(release.published_at) < UPLOAD_SECONDS
    share = len(missing) / len(expected) if expected else 0.0
    partial = bool(release.coming) or not release.assets or share > MISSING_SHARE or bool(missing and young)
    return ReleaseState(not partial, tuple(sorted(_words(part) for part in missing)), release.coming)


def age_epoch(published_at: str) -> int:
    """Return seconds since 1970 of an RFC 3339 time in UTC with whole seconds."""
    return int(datetime.strptime(published_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())


def _parts(release: ListedRelease) -> set[_Part]:
    """Return what a release's names stand for, versions of accelerators left out: those come and go."""
    meanings, _ = classify_all(asset.name for asset in release.assets)
    return {
        (meaning.kind, meaning.platform or "", (meaning.accel or "").partition("-")[0], meaning.qualifiers)
        for meaning in meanings
    }


def _words(part: _Part) -> str:
    kind, platform, family, qualifiers = part
    return " ".join(word for word in (kind, platform, family, *qualifiers) if word)
