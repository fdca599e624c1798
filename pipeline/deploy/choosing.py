"""Which of the artifacts that a repository offers is installed: the named one, or the one that fits best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.deploy.fitting import is_gpu
from pipeline.deploy.requirements import check_host
from pipeline.deploy.revoked import refusal
from pipeline.deploy.select import describe_given, require_accelerator, select
from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.counts import listed
from pipeline.names import Target, version_key
from pipeline.target_names import select_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import Revocation
    from pipeline.model.selection import Selection
    from pipeline.ports import HostProbe

_SHOWN_VERSIONS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Attributes:
        target: full or without its engine; None takes what fits the host best.
        from_files: ``target`` was not said, it is what the given files are of.
        narrowed: the given files leave only some of what is listed.
        version: None takes the newest, by number.
        engine: None means the only one; a full target says it too.
        check_host: refuse what cannot run here; without it and without ``target`` the platform's only one is taken.
        require_accel: refuse what computes on the processor.
    """

    target: str | None = None
    version: str | None = None
    engine: str | None = None
    check_host: bool = True
    require_accel: bool = False
    from_files: bool = False
    narrowed: bool = False


def pick(
    offered: Sequence[Artifact],
    wish: Wish,
    host: HostProbe,
    *,
    listed: Sequence[Artifact],
    revoked: Mapping[str, Revocation],
) -> tuple[Artifact, Selection | None]:
    """Return the artifact to install, and how it was chosen where that was not said.

    The host's devices are looked for only where something depends on them.

    Args:
        offered: of all signed manifests that come into question.
        wish: what is asked for.
        host: to look at.
        listed: everything that the repository has, for the warning about a GPU that will not be used.
        revoked: what the publisher has withdrawn, by the bundle's sha256.

    Raises:
        RevokedError: nothing else is meant than what is withdrawn.
        UsageError: the target names none or several, or several engines are offered and none is named.
        NothingSelectedError: nothing is offered, or nothing fits.
        HostError: what was named does not run here.
        NoAcceleratorError: it computes on the processor and an accelerator was required.
    """
    facts, selection = host.facts(), None
    artifacts = _in_question(offered, wish)
    if wish.target is None and wish.check_host:
        choice = select(offered, host.survey(), engine=wish.engine, version=wish.version, revoked=revoked)
        if choice.artifact is None:
            _refuse_revoked(artifacts, wish.version, facts.platform, revoked)
        artifact, selection = choice.require(), choice.selection
    else:
        artifact = choose(artifacts, target=wish.target, version=wish.version, platform=facts.platform, revoked=revoked)
        if wish.check_host:
            check_host(artifact, host.survey() if is_gpu(artifact) else facts)
    if (wish.target is None or wish.from_files) and (selection is None or wish.narrowed):
        why = "it is what the given files are of" if wish.narrowed else "it alone is offered for this platform"
        selection = describe_given(artifact, listed, host.survey(), why=why, revoked=revoked)
    if wish.require_accel:
        require_accelerator(artifact, selection)
    return artifact, selection


def _in_question(offered: Sequence[Artifact], wish: Wish) -> list[Artifact]:
    """Return what is of the engine that is meant, if one is."""
    said = (wish.target or "").rpartition("/")[0]
    if said and wish.engine and said != wish.engine and not wish.from_files:
        raise UsageError(
            f"{wish.target} is of {said}, not of {wish.engine}", hint="leave --engine out, or correct one of them"
        )
    artifacts = [a for a in offered if wish.engine in {None, a.engine}]
    if offered and not artifacts:
        there = ", ".join(sorted({a.engine for a in offered}))
        raise NothingSelectedError(f"there is no engine {wish.engine!r}", hint=f"there is {there}")
    return artifacts


def choose(
    offered: Iterable[Artifact],
    *,
    target: str | None,
    version: str | None,
    platform: str,
    revoked: Mapping[str, Revocation],
) -> Artifact:
    """Return the one artifact of a target and version.

    Args:
        offered: of all signed manifests that come into question.
        target: full or without its engine; None means the only one for ``platform``.
        version: None means the newest, by number, of those that are not revoked.
        platform: of this host.
        revoked: what the publisher has withdrawn, by the bundle's sha256.

    Raises:
        RevokedError: the version is withdrawn, or every one is.
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
    standing = [known for known in ordered if versions[known].sha256 not in revoked]
    if version is None:
        if not standing:
            raise refusal(revoked[versions[ordered[0]].sha256])
        return versions[standing[0]]
    if version not in versions:
        shown = ", ".join(ordered[:_SHOWN_VERSIONS]) + (" ..." if len(ordered) > _SHOWN_VERSIONS else "")
        raise NothingSelectedError(f"the repository has no {chosen} {version}", hint=f"it has {shown}")
    if version not in standing:
        raise refusal(revoked[versions[version].sha256], standing[:_SHOWN_VERSIONS])
    return versions[version]


def _refuse_revoked(
    offered: Iterable[Artifact], version: str | None, platform: str, revoked: Mapping[str, Revocation]
) -> None:
    """Say that what could be meant is withdrawn, rather than that nothing fits."""
    meant = [a for a in offered if a.platform == platform and version in {None, a.version}]
    if meant and all(artifact.sha256 in revoked for artifact in meant):
        raise refusal(revoked[max(meant, key=lambda a: version_key(a.version)).sha256])


def _target(offered: set[Target], named: str | None, platform: str) -> Target:
    known = sorted(offered)
    if not known:
        raise NothingSelectedError("the repository offers nothing", hint="publish bundles to it first")
    if named is not None:
        has = f"the repository has {listed(list(map(str, known)))}; `explain` with the same --from says what fits here"
        matches = list(select_targets([named], known, otherwise=has))
    else:
        matches = [target for target in known if target.platform == platform]
        if not matches:
            raise NothingSelectedError(
                f"the repository has nothing for {platform}", hint=f"it has {', '.join(map(str, known))}"
            )
    if len(matches) > 1:
        raise UsageError("one target at a time is installed", hint=f"name one of {', '.join(map(str, matches))}")
    return matches[0]
