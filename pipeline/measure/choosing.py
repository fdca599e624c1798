"""Which bundles a report is about, and which it compares them with. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.counts import listed
from pipeline.names import AmbiguousNameError, Target, UnknownNameError, version_key
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.manifest import Artifact


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a report is about.

    Attributes:
        bundles: one a target, sorted by target.
        baselines: target to what it is compared with; a target that has nothing earlier is not in it.
        releases: target to all its versions, the oldest first.
    """

    bundles: tuple[Artifact, ...]
    baselines: Mapping[str, Artifact]
    releases: Mapping[str, tuple[Artifact, ...]]


def choose(
    offered: Iterable[Artifact],
    *,
    patterns: Sequence[str] = (),
    release: str | None = None,
    baseline: str | None = None,
    elsewhere: Iterable[Artifact] | None = None,
) -> Chosen:
    """Choose bundles, and what each is compared with.

    Args:
        offered: everything that is there.
        patterns: targets as on the command line; none means all.
        release: version of the bundles; None means the newest of each target.
        baseline: version that they are compared with; None means the one before, or the newest of ``elsewhere``.
        elsewhere: where the baseline is; None where it is among what is offered.

    Raises:
        NothingSelectedError: there is nothing, or nothing of that target or release; or no target has the baseline.
        UsageError: a target's name is several, or the baseline is the release itself.
    """
    by_target = _by_target(offered)
    if not by_target:
        raise NothingSelectedError("there is no bundle to report about", hint="`build` or `publish` puts some there")
    if baseline is not None and baseline == release and elsewhere is None:
        raise UsageError(f"{baseline} cannot be compared with itself", hint="name an earlier version with --baseline")
    names = _named(patterns, by_target)
    bundles = {}
    for name in names:
        versions = [artifact for artifact in by_target[name] if release in {None, artifact.version}]
        if versions:
            bundles[name] = versions[-1]
    if not bundles:
        raise NothingSelectedError(f"none of these targets has the version {release}", hint=_versions(by_target, names))
    known = by_target if elsewhere is None else _by_target(elsewhere)
    baselines = {
        name: found
        for name, artifact in bundles.items()
        if (found := _baseline(artifact, known.get(name, ()), baseline, is_elsewhere=elsewhere is not None))
    }
    if baseline is not None and not baselines:
        raise NothingSelectedError(
            f"there is no {baseline} to compare with, for none of these targets", hint=_versions(known, bundles)
        )
    return Chosen(
        tuple(bundles.values()), baselines, {name: _with(by_target[name], baselines.get(name)) for name in bundles}
    )


def _by_target(artifacts: Iterable[Artifact]) -> dict[str, tuple[Artifact, ...]]:
    """Return every target's versions, the oldest first."""
    found: dict[str, list[Artifact]] = {}
    for artifact in sorted(artifacts, key=lambda one: (one.target, version_key(one.version), one.version)):
        found.setdefault(artifact.target, []).append(artifact)
    return {name: tuple(versions) for name, versions in found.items()}


def _named(patterns: Sequence[str], by_target: Mapping[str, tuple[Artifact, ...]]) -> list[str]:
    if not patterns:
        return list(by_target)
    known = [Target(one.engine, one.platform, one.accel) for one, *_ in by_target.values()]
    try:
        return [
            str(target) for target in select_targets(patterns, known, otherwise=f"there are {listed(list(by_target))}")
        ]
    except AmbiguousNameError:
        raise
    except UnknownNameError as error:
        raise NothingSelectedError(error.message, hint=error.hint) from error


def _baseline(
    artifact: Artifact, versions: Sequence[Artifact], wanted: str | None, *, is_elsewhere: bool
) -> Artifact | None:
    if wanted is not None and is_elsewhere:  # it may be the very same bundle: nothing changed
        return next((one for one in versions if one.version == wanted), None)
    if wanted is not None:
        found = [one for one in versions if one.version == wanted]
    elif is_elsewhere:
        found = list(versions)
    else:
        found = [one for one in versions if version_key(one.version) < version_key(artifact.version)]
    return next((one for one in reversed(found) if one.sha256 != artifact.sha256), None)


def _with(versions: tuple[Artifact, ...], baseline: Artifact | None) -> tuple[Artifact, ...]:
    """Return a target's versions with a baseline from elsewhere among them."""
    if baseline is None or any(one.version == baseline.version for one in versions):
        return versions
    return tuple(sorted((*versions, baseline), key=lambda one: version_key(one.version)))


def _versions(by_target: Mapping[str, Sequence[Artifact]], names: Iterable[str]) -> str:
    """Return which versions there are, the newest first."""
    found = {artifact.version for name in names for artifact in by_target.get(name, ())}
    there = sorted(found, key=version_key, reverse=True)
    return f"there are {listed(there)}" if there else "there are none of these targets"
