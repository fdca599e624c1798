"""Which release a selector means: by the tag's shape and number, never by the prerelease flag."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from pipeline.asset_names.classify import build_number
from pipeline.digest import require_digest, sha256_bytes
from pipeline.errors import IntegrityError, NothingSelectedError, OfflineError
from pipeline.model.counts import counted
from pipeline.upstream.archive_choice import choose_archives
from pipeline.upstream.completeness import ReleaseState, age_epoch, state_of
from pipeline.upstream.selectors import version_numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_listing import ListedRelease
    from pipeline.model.release_preferences import ReleasePreferences
    from pipeline.upstream.listing import ReleaseList
    from pipeline.upstream.selectors import Selector

POINTER = "nightly-tag.txt"
POINTER_BYTES = 64
_DAY_SECONDS = 86_400
_SHOWN = 3


class Wish(NamedTuple):
    """What a release must have beside being selected.

    Attributes:
        targets: ``<platform>-<accel>``, all of which its files must make.
        min_age_days: how old it must be; 0 takes any.
        now_seconds: since 1970.
        preferences: of the engine.
        parts: accelerator family to what it is in the engine's archives.
    """

    targets: tuple[str, ...]
    min_age_days: float
    now_seconds: int
    preferences: ReleasePreferences
    parts: Mapping[str, ArchiveParts]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The release that is meant.

    Attributes:
        release: as it is listed.
        via: semver tag that pointed to it; None for none.
        state: whether it is whole.
        archives: wanted target to the files that make it.
        skipped: newer ones that were passed over, with the reason; the newest first.
    """

    release: ListedRelease
    via: str | None
    state: ReleaseState
    archives: Mapping[str, tuple[str, ...]]
    skipped: tuple[tuple[str, str], ...]


def resolve(
    selector: Selector, releases: ReleaseList, wish: Wish, read_pointer: Callable[[str], bytes | None]
) -> Resolution:
    """Return the release that a selector means.

    Args:
        selector: which one.
        releases: of the repository.
        wish: what it must have.
        read_pointer: returns the bytes at a url, at most 64; None when there are none.

    Raises:
        NothingSelectedError: there is no such release, or it lacks what is wanted; the nearest that have it are named.
        IntegrityError: a semver release does not point to a build as it should, or the listing is none.
        NetworkError, OfflineError: from the API.
    """
    match selector.kind:
        case "build":
            return _one_build(selector.text, releases, wish, via=None)
        case "version":
            version = releases.find(selector.text)
            if version is None:
                raise NothingSelectedError(_absent(selector.text, releases), hint=_versions_hint(releases))
            return _pointed(version, releases, wish, read_pointer)
        case "stable":
            return _pointed(_newest_version(releases, wish), releases, wish, read_pointer)
        case _:
            return _newest(selector, releases, wish)


def _newest(selector: Selector, releases: ReleaseList, wish: Wish) -> Resolution:
    skipped: list[tuple[str, str]] = []
    for _ in releases.all_pages():
        skipped = []
        for release in releases.builds:
            number = build_number(release.tag) or 0
            if not selector.admits(number):
                continue
            state = state_of(release, releases.builds, wish.parts, now_seconds=wish.now_seconds)
            archives, lacking = _archives(release, wish)
            why = (
                _too_young(release, wish)
                or ("" if state.complete is not False else _partial(state, release))
                or lacking
            )
            if not why:
                return Resolution(release, None, state, archives, tuple(skipped))
            skipped.append((release.tag, why))
        if releases.builds and (build_number(releases.builds[-1].tag) or 0) < selector.lowest:
            break
    reasons = "; ".join(f"{tag}: {why}" for tag, why in skipped[:_SHOWN])
    more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
    looked = f"of {counted(len(releases.builds), 'build')}" + (
        f" back to {releases.builds[-1].tag}" if releases.builds else ""
    )
    raise NothingSelectedError(
        f"{looked} none is what {selector.text!r} asks for" + (f" ({reasons}{more})" if reasons else ""),
        hint="`upstream list` shows what each release has; name a release, or ask for less",
    )


def _one_build(tag: str, releases: ReleaseList, wish: Wish, *, via: str | None) -> Resolution:
    release = releases.find(tag)
    pointed = f" ({via} points to it)" if via else ""
    if release is None:
        near = _nearest(tag, releases, wish)
        raise NothingSelectedError(
            f"{_absent(tag, releases)}{pointed}", hint=near or "`upstream list` shows the newest"
        )
    if why := _too_young(release, wish):
        raise NothingSelectedError(
            f"{tag}{pointed} is not taken: {why}", hint=_nearest(tag, releases, wish) or "wait, or ask for less age"
        )
    archives, lacking = _archives(release, wish)
    if lacking:
        hint = _nearest(tag, releases, wish) or "no release near it has that"
        raise NothingSelectedError(f"{tag}{pointed} lacks what is wanted: {lacking}", hint=hint)
    state = state_of(release, releases.builds, wish.parts, now_seconds=wish.now_seconds)
    return Resolution(release, via, state, archives, ())


def _pointed(
    version: ListedRelease, releases: ReleaseList, wish: Wish, read_pointer: Callable[[str], bytes | None]
) -> Resolution:
    """Follow a semver release's pointer (upstream's PR 27485): one line that names a build, nothing else."""
    asset = version.asset(POINTER)
    data = read_pointer(asset.url) if asset else None
    if asset is None or data is None:
        _refuse_pointer(version.tag, f"it has no {POINTER}")
    if asset.sha256 is not None:
        require_digest(what=f"{POINTER} of {version.tag}", expected=asset.sha256, found=sha256_bytes(data))
    if len(data) > POINTER_BYTES or not re.fullmatch(rb"b[1-9][0-9]{0,8}(\r?\n)?", data):
        _refuse_pointer(version.tag, f"its {POINTER} does not hold one line with a build's tag")
    return _one_build(data.decode("ascii").strip(), releases, wish, via=version.tag)


def _refuse_pointer(tag: str, why: str) -> NoReturn:
    raise IntegrityError(
        f"the release {tag} points to no build: {why}",
        hint="choose a build's tag, or latest; upstream changed something",
    )


def _newest_version(releases: ReleaseList, wish: Wish) -> ListedRelease:
    young: list[str] = []
    for _ in releases.all_pages():
        versions = {numbers: release for release in releases.known if (numbers := version_numbers(release.tag))}
        young = [release.tag for release in versions.values() if _too_young(release, wish)]
        fitting = [numbers for numbers, release in versions.items() if release.tag not in young]
        if fitting:
            return versions[max(fitting)]
    raise NothingSelectedError(
        f"no semver release is there among the newest {counted(len(releases.known), 'release')}"
        + (f" that is old enough ({', '.join(young)} are not)" if young else ""),
        hint="choose a build's tag, or latest",
    )


def _archives(release: ListedRelease, wish: Wish) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the files that make the wanted targets, and what is lacking, in words."""
    choice = choose_archives((asset.name for asset in release.assets), wish.preferences, wish.parts)
    lacking = [
        f"{target}: {choice.left_out.get(target, 'it has no archive for that')}"
        for target in wish.targets
        if target not in choice.targets
    ]
    found = {target: choice.targets[target] for target in wish.targets if target in choice.targets}
    return found, "; ".join(lacking)


def _absent(tag: str, releases: ReleaseList) -> str:
    return f"there is no release {tag}" if releases.reaches(tag) else f"the recorded listing does not hold {tag}"


def _nearest(tag: str, releases: ReleaseList, wish: Wish) -> str:
    """Return which nearest newer and older builds have what is wanted, in words; pages are read until one does."""
    number = build_number(tag) or 0
    newer = older = None
    for _ in _pages_while_possible(releases):
        fitting = [each for each in releases.builds if not _archives(each, wish)[1] and not _too_young(each, wish)]
        newer = next((each for each in reversed(fitting) if (build_number(each.tag) or 0) > number), None)
        older = next((each for each in fitting if (build_number(each.tag) or 0) < number), None)
        if older:
            break
    words = [f"the nearest newer is {newer.tag}" if newer else "", f"the nearest older is {older.tag}" if older else ""]
    return ", ".join(word for word in words if word)


def _pages_while_possible(releases: ReleaseList) -> Iterator[None]:
    try:
        yield from releases.all_pages()
    except OfflineError:  # what was read is all there is
        yield


def _too_young(release: ListedRelease, wish: Wish) -> str:
    days = (wish.now_seconds - age_epoch(release.published_at)) / _DAY_SECONDS
    return f"it is {max(days, 0):.1f} days old, younger than {wish.min_age_days:g}" if days < wish.min_age_days else ""


def _partial(state: ReleaseState, release: ListedRelease) -> str:
    if state.coming:
        return f"it is partial: {counted(state.coming, 'file')} still being uploaded"
    lacking = counted(len(state.lacks), "kind of file", "kinds of file")
    return f"it is partial: {counted(len(release.assets), 'file')}, and it lacks {lacking}"


def _versions_hint(releases: ReleaseList) -> str:
    versions = [release.tag for release in releases.known if version_numbers(release.tag)]
    return f"there are {', '.join(versions[:5])}" if versions else "`upstream list` shows the newest"
