"""Makes a pin of a listed release, and refuses what would weaken one that is there. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.asset_names.classify import build_number
from pipeline.errors import IntegrityError, NothingSelectedError, TrustError, UsageError
from pipeline.model.upstream import TRUST_LEVELS, PinnedAsset, PinnedRelease, TrustLevel
from pipeline.upstream.archive_choice import choose_archives

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_listing import ListedRelease
    from pipeline.model.release_preferences import ReleasePreferences

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one file.

    Attributes:
        sha256: lower-case hex.
        level: how it is vouched for now.
        looked_for_attestation: whether ``attested`` could have been the answer.
        statement: the document with the attestation, kept beside the pin; None where there is none.
    """

    sha256: str
    level: TrustLevel
    looked_for_attestation: bool = False
    statement: bytes | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What somebody allows against the rules.

    Attributes:
        lower: reason for which a level may sink; empty for never.
        changed: whether a file may have other bytes under its old name, or be gone.
    """

    lower: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Pinning:
    """A pin that was made.

    Attributes:
        release: the pin.
        left_out: target to why it is not made, although there is an archive for it.
        unknown: files whose names mean nothing we know; they are pinned and make no target.
        differences: against the pin that was there, in words.
    """

    release: PinnedRelease
    left_out: Mapping[str, str]
    unknown: tuple[str, ...]
    differences: tuple[str, ...] = field(default=())


def make_pin(
    release: ListedRelease,
    preferences: ReleasePreferences,
    evidence: Mapping[str, Evidence],
    *,
    parts: Mapping[str, ArchiveParts],
    old: PinnedRelease | None,
    permissions: Permissions,
) -> Pinning:
    """Return the pin of a listed build.

    A level is kept where its evidence was not looked for this time; where it was looked for and is now weaker, that is
    refused.

    Args:
        release: a build.
        preferences: of the engine.
        evidence: of every file, by name.
        parts: accelerator family to what it is in the engine's archives; no other family makes a target.
        old: the pin that is there; None for none.
        permissions: what may be done against the rules.

    Raises:
        NothingSelectedError: it is no build, or has no files.
        UsageError: the pin that is there is of another repository.
        IntegrityError: a file changed under its name or is gone, and that is not allowed.
        TrustError: a level would sink, and that is not allowed.
    """
    _require_sense(release, preferences, old)
    known = {asset.name: asset for asset in old.assets} if old else {}
    changes = _changes(release, evidence, known)
    if changes and not permissions.changed:
        raise IntegrityError(
            f"{release.tag} is not what was pinned: {'; '.join(changes[:_SHOWN])}",
            hint="find out why before you trust it; --accept-changed pins it anew",
        )
    levels = {name: _kept_level(known.get(name), found) for name, found in evidence.items()}
    lower = _lower(levels, known)
    if lower and not permissions.lower:
        raise TrustError(
            f"{release.tag}: the level would sink for {', '.join(lower[:_SHOWN])}",
            hint="find out why its evidence is gone; --allow-lower REASON lets it sink and keeps the reason in the pin",
        )
    choice = choose_archives((asset.name for asset in release.assets), preferences, parts)
    note = (f"level lowered: {permissions.lower} ({', '.join(lower)})",) if lower else ()
    notes = (*(old.notes if old else ()), *note)
    pinned = _pinned(release, preferences, evidence, levels, targets=choice.targets, old=old, notes=notes)
    differences = (*changes, *_additions(pinned, known)) if old else ()
    return Pinning(pinned, choice.left_out, tuple(error.name for error in choice.unknown), differences)


def _require_sense(release: ListedRelease, preferences: ReleasePreferences, old: PinnedRelease | None) -> None:
    if build_number(release.tag) is None or not release.assets:
        raise NothingSelectedError(f"{release.tag} is no build with files", hint="name a build such as b11434")
    if old is not None and old.repository != preferences.repository:
        raise UsageError(
            f"the pin of {release.tag} is of {old.repository}, not of {preferences.repository}",
            hint="forks make tags that look alike; correct preferences.toml, or remove the pin",
        )


def _pinned(
    release: ListedRelease,
    preferences: ReleasePreferences,
    evidence: Mapping[str, Evidence],
    levels: Mapping[str, TrustLevel],
    *,
    targets: Mapping[str, tuple[str, ...]],
    old: PinnedRelease | None,
    notes: tuple[str, ...],
) -> PinnedRelease:
    try:
        assets = [
            PinnedAsset(
                name=asset.name,
                urls=(asset.url,),
                size_bytes=asset.size_bytes,
                sha256=evidence[asset.name].sha256,
                level=levels[asset.name],
            )
            for asset in release.assets
        ]
        return PinnedRelease(
            schema_version=1,
            engine=preferences.engine,
            repository=preferences.repository,
            tag=release.tag,
            build_number=build_number(release.tag) or 0,
            commit=old.commit if old else None,
            published_at=release.published_at,
            assets=tuple(sorted(assets, key=lambda asset: asset.name)),
            targets=dict(targets),
            notes=notes,
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise IntegrityError(
            f"{release.tag} cannot be pinned: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            hint="the listing has a file that is empty or has a name that no pin may have",
        ) from error


def _changes(
    release: ListedRelease, evidence: Mapping[str, Evidence], known: Mapping[str, PinnedAsset]
) -> tuple[str, ...]:
    """Return what is otherwise than it was pinned, in words."""
    now = {asset.name: asset for asset in release.assets}
    found = []
    for name, asset in sorted(known.items()):
        if name not in now:
            found.append(f"{name} is gone")
        elif evidence[name].sha256 != asset.sha256 or now[name].size_bytes != asset.size_bytes:
            found.append(f"{name} has sha256 {evidence[name].sha256}, was {asset.sha256}")
    return tuple(found)


def _lower(levels: Mapping[str, TrustLevel], known: Mapping[str, PinnedAsset]) -> list[str]:
    """Return which levels are lower than they were, in words."""
    return [
        f"{name} from {known[name].level} to {level}"
        for name, level in levels.items()
        if name in known and _rank(level) < _rank(known[name].level)
    ]


def _additions(pinned: PinnedRelease, known: Mapping[str, PinnedAsset]) -> list[str]:
    """Return what a pin has that the one before had not, in words."""
    found = []
    for asset in pinned.assets:
        if asset.name not in known:
            found.append(f"{asset.name} is new")
        elif asset.level != known[asset.name].level:
            found.append(f"{asset.name} is now {asset.level}, was {known[asset.name].level}")
    return found


def _kept_level(old: PinnedAsset | None, now: Evidence) -> TrustLevel:
    same = old is not None and old.sha256 == now.sha256
    if (
        old is not None
        and same
        and old.level == "attested"
        and now.level == "digest"
        and not now.looked_for_attestation
    ):
        return "attested"
    return now.level


def _rank(level: TrustLevel) -> int:
    return TRUST_LEVELS.index(level)
