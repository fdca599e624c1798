"""What changed upstream against our pins. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.upstream.archive_choice import choose_archives

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.model.archives import ArchiveParts
    from pipeline.model.release_listing import ListedAsset, ListedRelease
    from pipeline.model.release_preferences import ReleasePreferences
    from pipeline.model.upstream import PinnedAsset, PinnedRelease

DriftKind = Literal[
    "vanished", "new", "renamed", "changed", "target gone", "target renamed", "target new", "unknown name"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is otherwise than it was pinned.

    Attributes:
        kind: ``vanished``, ``new``, ``renamed`` and ``changed`` are about a pinned release and its files; the others
            compare the newest whole release with the newest pin.
        tag: of the release.
        name: of the file or target.
        detail: in words.
    """

    kind: DriftKind
    tag: str
    name: str
    detail: str


def pin_drift(pin: PinnedRelease, listed: ListedRelease | None) -> tuple[Finding, ...]:
    """Compare a pinned release with what is listed under its tag now; None for nothing.

    A file that is gone while another one has its digest was renamed.
    """
    if listed is None:
        return (Finding("vanished", pin.tag, pin.tag, "the release is gone"),)
    pinned = {asset.name: asset for asset in pin.assets}
    now = {asset.name: asset for asset in listed.assets}
    fresh = {name: asset for name, asset in now.items() if name not in pinned}
    findings: list[Finding] = []
    for name, asset in pinned.items():
        if name in now:
            findings += _changed(pin.tag, asset, now[name])
            continue
        twin = next((each for each in fresh.values() if each.sha256 == asset.sha256), None)
        if twin is None:
            findings.append(Finding("vanished", pin.tag, name, "the file is gone"))
        else:
            del fresh[twin.name]
            findings.append(Finding("renamed", pin.tag, name, f"is now called {twin.name}; the digest is the same"))
    findings += [Finding("new", pin.tag, name, "the file was added after the release was pinned") for name in fresh]
    return tuple(findings)


def newest_drift(
    pin: PinnedRelease, newest: ListedRelease, preferences: ReleasePreferences, parts: Mapping[str, ArchiveParts]
) -> tuple[Finding, ...]:
    """Compare what can be made of the newest whole release with what is made of the newest pin."""
    choice = choose_archives((asset.name for asset in newest.assets), preferences, parts)
    before, now = set(pin.targets), set(choice.targets)
    findings: list[Finding] = []
    successors: set[str] = set()
    for target in sorted(before - now):
        others = sorted(other for other in now - before if _family(other) == _family(target))
        if target in choice.left_out:
            findings.append(Finding("target gone", newest.tag, target, choice.left_out[target]))
        elif others:
            successors.update(others)
            findings.append(Finding("target renamed", newest.tag, target, f"there is {', '.join(others)} instead"))
        else:
            findings.append(Finding("target gone", newest.tag, target, f"{pin.tag} has it, {newest.tag} does not"))
    findings += [
        Finding("target new", newest.tag, target, f"made of {', '.join(choice.targets[target])}")
        for target in sorted(now - before - successors)
    ]
    findings += [Finding("unknown name", newest.tag, error.name, error.why) for error in choice.unknown]
    return tuple(findings)


def _changed(tag: str, pinned: PinnedAsset, now: ListedAsset) -> Iterator[Finding]:
    if now.size_bytes != pinned.size_bytes:
        detail = f"has {now.size_bytes} bytes, was pinned with {pinned.size_bytes}"
        yield Finding("changed", tag, pinned.name, detail)
    if now.sha256 is not None and now.sha256 != pinned.sha256:
        yield Finding("changed", tag, pinned.name, f"has sha256 {now.sha256}, was pinned with {pinned.sha256}")
    if now.sha256 is None and pinned.level != "pinned":
        yield Finding("changed", tag, pinned.name, "the listing gives no digest any more")


def _family(target: str) -> str:
    """Return a target without its accelerator's version: ``windows-x86_64-cuda``."""
    head, _, last = target.rpartition("-")
    return head if last[:1].isdigit() else target
