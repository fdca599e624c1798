"""Which releases are whole: upstream makes a release first and uploads its files one by one, and some stop half way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pipeline.asset_names.classify import build_number, classify_all
from pipeline.names import family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_listing import ListedRelease

PREDECESSORS = 8
MISSING_SHARE = 0.25  # real partial releases lacked 70 % (b9352 had 8 of 28 files), a dropped target is 4 %
NEAR_BUILDS = 500  # about 25 days: b10892 to b11434 were 542 numbers in 27 days; what is farther has other files
UPLOAD_SECONDS = 3600  # younger than this, a release may still be filling up

_Part = tuple[str, str, str, tuple[str, ...]]


class ReleaseState(NamedTuple):
    """Whether a release is whole.

    Attributes:
        complete: whether it has what its predecessors make one expect; None where no near one is known.
        lacks: what they had and it has not, and runtimes that its own engines need, in words.
        coming: files that the listing shows as being uploaded.
    """

    complete: bool | None
    lacks: tuple[str, ...]
    coming: int


def state_of(
    release: ListedRelease, others: Iterable[ListedRelease], parts: Mapping[str, ArchiveParts], *, now_seconds: int
) -> ReleaseState:
    """Compare a build with the near builds before it; where none is known, with those after it.

    A build is partial while the listing shows files that are still coming, when an engine lacks the runtime that its
    recipe asks for, when it lacks more than a quarter of what the eight builds before it had together, and in its
    first hour when it lacks anything. So a target that upstream gives up makes a release partial for an hour, and half
    a release is never taken for a whole one. Builds that are more than 500 numbers away say nothing about it: upstream
    changes its files too often, and without a near one it is not known whether a release is whole.

    Args:
        release: a build.
        others: of the same repository; builds among them count.
        parts: accelerator family to what it is in the engine's archives.
        now_seconds: since 1970.
    """
    number = build_number(release.tag) or 0
    numbered = ((build_number(other.tag), other) for other in others)
    builds = {found: other for found, other in numbered if found is not None and abs(found - number) <= NEAR_BUILDS}
    older = [builds[found] for found in sorted(builds) if found < number][-PREDECESSORS:]
    newer = [builds[found] for found in sorted(builds) if found > number][:PREDECESSORS]
    expected: set[_Part] = set()
    if older:
        expected = set().union(*(_parts(other) for other in older))
    elif newer:
        expected = set.intersection(*(_parts(other) for other in newer))
    missing = expected - _parts(release)
    alone = _without_runtime(release, parts)
    young = now_seconds - age_epoch(release.published_at) < UPLOAD_SECONDS
    share = len(missing) / len(expected) if expected else 0.0
    partial = bool(release.coming or alone) or not release.assets or share > MISSING_SHARE or bool(missing and young)
    complete = False if partial else True if expected else None
    return ReleaseState(complete, tuple(sorted({*map(_words, missing), *alone})), release.coming)


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


def _without_runtime(release: ListedRelease, parts: Mapping[str, ArchiveParts]) -> set[str]:
    """Return the runtimes that engines of a release need and that it has not, in words."""
    meanings, _ = classify_all(asset.name for asset in release.assets)
    there = {(meaning.platform, meaning.accel) for meaning in meanings if meaning.kind == "runtime"}
    needed = {
        (meaning.platform, meaning.accel)
        for meaning in meanings
        if meaning.kind == "engine" and (family := family_of(meaning.accel or "")) in parts and parts[family].companion
    }
    return {f"runtime {platform} {accel}" for platform, accel in needed - there}


def _words(part: _Part) -> str:
    kind, platform, family, qualifiers = part
    return " ".join(word for word in (kind, platform, family, *qualifiers) if word)
