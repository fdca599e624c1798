"""Which artifacts of a repository a mirror holds."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError
from pipeline.names import AmbiguousNameError, Target, UnknownNameError, version_key
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.model.manifest import Artifact
    from pipeline.model.mirror import MirrorSelection


def choose(offered: Iterable[Artifact], selection: MirrorSelection) -> tuple[Artifact, ...]:
    """Return the artifacts that are wanted, in their order: of each target the newest, and the releases by name.

    Raises:
        NothingSelectedError: nothing is offered, a pattern matches no target, or no chosen target has a release.
        AmbiguousNameError: a target without its engine is one of several engines.
    """
    artifacts = tuple(offered)
    if not artifacts:
        raise NothingSelectedError("the repository offers nothing", hint="publish something first")
    wanted = set(_targets(artifacts, selection.targets))
    chosen = [artifact for artifact in artifacts if artifact.target in wanted]
    _require_releases(chosen, selection.releases)
    kept = set(selection.releases)
    newest = _newest(chosen, selection.newest)
    return tuple(a for a in chosen if a.version in kept or (a.target, a.version) in newest)


def _targets(artifacts: Sequence[Artifact], patterns: Sequence[str]) -> tuple[str, ...]:
    known = tuple(dict.fromkeys(Target(a.engine, a.platform, a.accel) for a in artifacts))
    if not patterns:
        return tuple(map(str, known))
    try:
        return tuple(map(str, select_targets(patterns, known, otherwise=f"it has: {', '.join(map(str, known))}")))
    except AmbiguousNameError:
        raise
    except UnknownNameError as error:
        raise NothingSelectedError(f"{error.message} in the repository", hint=error.hint) from error


def _require_releases(artifacts: Sequence[Artifact], releases: Sequence[str]) -> None:
    versions = sorted({artifact.version for artifact in artifacts}, key=version_key, reverse=True)
    for release in releases:
        if release not in versions:
            near = difflib.get_close_matches(release, versions, n=4, cutoff=0.6) or versions[:4]
            raise NothingSelectedError(
                f"none of the chosen targets has a release {release!r}", hint=f"there are {', '.join(near)}"
            )


def _newest(artifacts: Sequence[Artifact], keep: int) -> set[tuple[str, str]]:
    versions: dict[str, set[str]] = {}
    for artifact in artifacts:
        versions.setdefault(artifact.target, set()).add(artifact.version)
    return {
        (target, version)
        for target, found in versions.items()
        for version in sorted(found, key=version_key, reverse=True)[:keep]
    }
