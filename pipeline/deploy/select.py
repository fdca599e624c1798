"""Which variant of an engine fits a host best, and the reasons against every other one. Pure.

A GPU comes before the processor, a vendor's own interface before a general one, and the newest version of an
accelerator before older ones (ci/decisions/0016).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.accelerators.registry import kind_of
from pipeline.deploy.fitting import is_gpu, misfits
from pipeline.errors import NothingSelectedError, ProofError, UsageError
from pipeline.model.selection import Rejection, Selection, Variant
from pipeline.names import accel_version, family_of, version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Artifact
    from pipeline.model.revocation import Revocation

_NOTHING: Mapping[str, Revocation] = MappingProxyType({})


class NoAcceleratorError(ProofError):
    """An accelerator was required, and what would run computes on the processor."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``select`` found.

    Attributes:
        artifact: the chosen one, None when nothing fits.
        selection: the same and the reasons, for people and programs.
        platform: of the host.
    """

    artifact: Artifact | None
    selection: Selection
    platform: str

    def rejected_here(self) -> tuple[Rejection, ...]:
        """Return what was rejected of the host's platform; of all platforms when nothing is made for this one."""
        rejected = self.selection.rejected
        own = tuple(r for r in rejected if r.target.rpartition("/")[2].startswith(f"{self.platform}-"))
        return own or (() if self.artifact else rejected)

    def require(self, *, is_listed: bool = False) -> Artifact:
        """Return the chosen artifact.

        Args:
            is_listed: the rejected variants were shown already, and are not named again.

        Raises:
            NothingSelectedError: nothing fits; the variants are named with their reasons.
        """
        if self.artifact is None:
            listed = "\n".join(f"{r.target} {r.version}: {'; '.join(r.reasons)}" for r in self.rejected_here())
            raise NothingSelectedError(
                "no variant fits this host" if is_listed else f"no variant fits this host:\n{listed}",
                hint="install what is missing, or name a TARGET and add --no-check-host to install for another machine",
            )
        return self.artifact


def select(
    offered: Iterable[Artifact],
    facts: HostFacts,
    *,
    engine: str | None,
    version: str | None = None,
    revoked: Mapping[str, Revocation] = _NOTHING,
) -> Choice:
    """Choose among what is offered.

    Args:
        offered: of all manifests that come into question.
        facts: of the host, with its devices (``HostProbe.survey``).
        engine: None means the only one there is.
        version: None means the newest of each variant that fits, by number.
        revoked: what the publisher has withdrawn, by the bundle's sha256; it fits nowhere.

    Raises:
        UsageError: there are several engines and none was named.
        NothingSelectedError: nothing is offered, or not of that engine or version.
    """
    artifacts = _in_question(tuple(offered), engine, version)
    fitting, rejected = _judge(artifacts, facts, revoked)
    chosen = max(fitting, key=_preference, default=None)
    if chosen:
        better = f"it fits, and {chosen.accel} is preferred"
        others = (artifact for artifact in fitting if artifact is not chosen)
        rejected += [Rejection(target=a.target, version=a.version, fits=True, reasons=(better,)) for a in others]
    rejected.sort(key=lambda r: (r.target, version_key(r.version)))
    return Choice(chosen, _describe(chosen, fitting, rejected, artifacts, facts), facts.platform)


def describe_given(
    artifact: Artifact,
    offered: Iterable[Artifact],
    facts: HostFacts,
    *,
    why: str,
    revoked: Mapping[str, Revocation] = _NOTHING,
) -> Selection:
    """Describe an artifact that something else than the host has decided for, as ``select`` describes its choice.

    Args:
        artifact: that is taken; one for another platform has no warnings.
        offered: everything, also what did not come into question.
        facts: of the host, with its devices.
        why: what decided.
        revoked: as for ``select``.
    """
    own = [other for other in offered if other.engine == artifact.engine]
    fitting, rejected = _judge(own, facts, revoked)
    rejected = [r for r in rejected if (r.target, r.version) != (artifact.target, artifact.version)]
    reason = f"it fits, but {artifact.accel} is taken: {why}"
    others = (other for other in fitting if other.target != artifact.target)
    rejected += [Rejection(target=a.target, version=a.version, fits=True, reasons=(reason,)) for a in others]
    rejected.sort(key=lambda r: (r.target, version_key(r.version)))
    found = _describe(artifact, [], rejected, own, facts)
    return found.model_copy(
        update={"why": why, "warnings": found.warnings if artifact.platform == facts.platform else ()}
    )


def require_accelerator(artifact: Artifact, selection: Selection | None) -> None:
    """Refuse an artifact that computes on the processor.

    Raises:
        NoAcceleratorError: it does; what is known of GPUs and of their variants is named.
    """
    if is_gpu(artifact):
        return
    known = "; ".join(selection.warnings) if selection else ""
    if selection and not known:
        known = "this machine has no GPU that was found"
    raise NoAcceleratorError(
        f"{artifact.target} computes on the processor, and --require-accel was given" + (f": {known}" if known else ""),
        hint="`explain` shows what each variant lacks; without --require-accel the processor is used",
    )


def _in_question(offered: Sequence[Artifact], engine: str | None, version: str | None) -> list[Artifact]:
    engines = sorted({artifact.engine for artifact in offered})
    if not engines:
        raise NothingSelectedError("nothing is offered", hint="publish bundles first")
    if engine is None and len(engines) > 1:
        raise UsageError("there are several engines", hint=f"name one with --engine: {', '.join(engines)}")
    named = engine or engines[0]
    if named not in engines:
        raise NothingSelectedError(f"there is no engine {named!r}", hint=f"there is {', '.join(engines)}")
    own = [artifact for artifact in offered if artifact.engine == named]
    found = [artifact for artifact in own if version in {None, artifact.version}]
    if not found:
        known = sorted({artifact.version for artifact in own}, key=version_key, reverse=True)
        raise NothingSelectedError(f"there is no {named} {version}", hint=f"there is {', '.join(known[:8])}")
    return found


def _judge(
    artifacts: Iterable[Artifact], facts: HostFacts, revoked: Mapping[str, Revocation]
) -> tuple[list[Artifact], list[Rejection]]:
    """Return what fits, one version of each variant, and why the others do not."""
    by_target: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        by_target.setdefault(artifact.target, []).append(artifact)
    fitting: list[Artifact] = []
    rejected: list[Rejection] = []
    for versions in by_target.values():
        found, refused = _newest_that_fits(versions, facts, revoked)
        rejected += refused
        if found:
            fitting.append(found)
    return fitting, rejected


def _newest_that_fits(
    versions: list[Artifact], facts: HostFacts, revoked: Mapping[str, Revocation]
) -> tuple[Artifact | None, list[Rejection]]:
    """Return the newest version of one variant that fits, and why newer ones do not: the newest alone if none does."""
    refused: list[Rejection] = []
    for artifact in sorted(versions, key=lambda a: version_key(a.version), reverse=True):
        reasons = misfits(artifact, facts)
        if (said := revoked.get(artifact.sha256)) is not None:
            reasons = (f"it was revoked at {said.revoked_at}: {said.reason}", *reasons)
        if not reasons:
            return artifact, refused
        refused.append(Rejection(target=artifact.target, version=artifact.version, fits=False, reasons=reasons))
    return None, refused[:1]


def _preference(artifact: Artifact) -> tuple[int, int, tuple[tuple[int, str], ...], tuple[tuple[int, str], ...]]:
    kind = kind_of(artifact.accel)
    if kind is None:
        return (-1, 0, (), ())
    within = -kind.families.index(family_of(artifact.accel))
    return (kind.preference, within, version_key(accel_version(artifact.accel)), version_key(artifact.version))


def _describe(
    chosen: Artifact | None,
    fitting: list[Artifact],
    rejected: list[Rejection],
    artifacts: list[Artifact],
    facts: HostFacts,
) -> Selection:
    gpus = facts.gpus()
    if chosen is None:
        return Selection(chosen=None, why="nothing fits", rejected=tuple(rejected), gpus=gpus)
    others = sorted(a.accel for a in fitting if a is not chosen)
    why = f"it fits, and is preferred over {', '.join(others)}" if others else "it alone fits"
    variant = Variant(
        target=chosen.target,
        version=chosen.version,
        accel=chosen.accel,
        family=family_of(chosen.accel),
        is_gpu=is_gpu(chosen),
    )
    warnings = () if variant.is_gpu else _unused(gpus, rejected, artifacts, facts)
    return Selection(chosen=variant, why=why, rejected=tuple(rejected), gpus=gpus, warnings=warnings)


def _unused(
    gpus: tuple[str, ...], rejected: list[Rejection], artifacts: list[Artifact], facts: HostFacts
) -> tuple[str, ...]:
    """Return the warning about a GPU that will not be used, or that may be there, with what each variant for it lacks.

    Every probe looks for GPUs, so that after one that failed their absence is not known.
    """
    faults = "; ".join(dict.fromkeys(f"{fault.probe}: {fault.reason}" for fault in facts.probe_faults))
    if not gpus and not faults:
        return ()
    accels = {a.target: a.accel for a in artifacts if a.platform == facts.platform and is_gpu(a)}
    reasons = [f"{accels[r.target]} {r.version}: {'; '.join(r.reasons)}" for r in rejected if r.target in accels]
    listed = "\n".join(reasons) or f"no variant for a GPU of {facts.platform} is offered"
    if gpus:
        return (f"this machine has {', '.join(gpus)}, which will NOT be used:\n{listed}",)
    return (f"whether there is a GPU is not known: {faults}; the processor will be used:\n{listed}",)
