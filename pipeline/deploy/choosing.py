"""Which of the artifacts that a repository offers is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError, UsageError
from pipeline.names import Target, select_targets, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.model.manifest import Artifact

_SHOWN_VERSIONS = 8


def choose(offered: Iterable[Artifact], *, target: str | None, version: str | None, platform: str) -> Artifact:
    """Return the one artifact of a target and version.

    Args:
        offered: of all signed manifests that come into question.
        target: full or without its engine; None means the only one for ``platform``.
        version: None means the newest, by number.
        platform: of this host.

    Raises:
        UsageError: ``target`` names none or several.
        NothingSelectedError: nothing is offered for it, or not in that version.
    """
    artifacts = tuple(offered)
    chosen = _target({Target(a.engine, a.platform, a.accel) for a in artifacts}, target, platform)
    versions = {
        a.version: a
        for a in artifacts
        if (a.engine, a.platform, a.accel) == (chosen.engine, chosen.platform, chosen.accel)
    }
    ordered = sorted(versions, key=version_key, reverse=True)
    if version is None:
        return versions[ordered[0]]
    if version not in versions:
        shown = ", ".join(ordered[:_SHOWN_VERSIONS]) + (" ..." if len(ordered) > _SHOWN_VERSIONS else "")
        raise NothingSelectedError(f"the repository has no {chosen} {version}", hint=f"it has {shown}")
    return versions[version]


def _target(offered: set[Target], named: str | None, platform: str) -> Target:
    known = sorted(offered)
    if not known:
        raise NothingSelectedError("the repository offers nothing", hint="publish bundles to it first")
    if named is not None:
        matches = list(select_targets([named], known))
    else:
        matches = [target for target in known if target.platform == platform]
        if not matches:
            raise NothingSelectedError(
                f"the repository has nothing for {platform}", hint=f"it has {', '.join(map(str, known))}"
            )
    if len(matches) > 1:
        raise UsageError("one target at a time is installed", hint=f"name one of {', '.join(map(str, matches))}")
    return matches[0]
