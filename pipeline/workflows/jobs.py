"""Which jobs make a release: pure, from targets, the catalog and what is known of runners.

Targets of one platform that need no toolkit of their own are one job, because they are compiled from one core; each
toolkit is a job of its own, because its compilers take hours and its packages do not go together with another's
(ci/decisions/0050).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.catalog.workflows import system_of, toolchain_key
from pipeline.errors import UsageError
from pipeline.model.workflows import AptRepository, Toolchain
from pipeline.names import accel_version, family_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.catalog import Catalog
    from pipeline.model.workflows import System, Toolchains
    from pipeline.names import Target
    from pipeline.workflows.runners import Runners

JobSource = Literal["auto", "build", "fetch"]
_NO_TOOLKIT = "cpu"


@dataclass(frozen=True, slots=True)
class Job:
    """One job: targets that one machine makes together.

    Attributes:
        name: unique among the jobs, and a part of the name of what it uploads.
        engine: of its targets.
        platform: of its targets.
        runner: platform whose runner makes them.
        system: of that runner.
        targets: as ``--target`` takes them; a glob where a pin brings other versions of the same accelerator.
        source: as ``--source`` takes it.
        apt: Debian packages that it installs first.
        apt_repository: where some of them are.
    """

    name: str
    engine: str
    platform: str
    runner: str
    system: System
    targets: tuple[str, ...]
    source: JobSource
    apt: tuple[str, ...] = ()
    apt_repository: AptRepository | None = None


class _Group(NamedTuple):
    """What the targets of one job have in common; its words are the job's name."""

    engine: str
    platform: str
    what: str
    source: JobSource


def plan_jobs(
    targets: Sequence[Target],
    catalog: Catalog,
    *,
    toolchains: Toolchains,
    runners: Runners,
) -> tuple[Job, ...]:
    """Return the jobs that make the targets, each target in one of them, sorted by name.

    Args:
        targets: to make.
        catalog: that they are of.
        toolchains: what runners need.
        runners: the machines there are; the label of one says its system.

    Raises:
        UsageError: a target is built on a system of which nothing says what it needs.
    """
    groups: dict[_Group, list[Target]] = {}
    for target in targets:
        groups.setdefault(_group(target, catalog), []).append(target)
    jobs = []
    for group, members in sorted(groups.items()):
        machine = catalog.machine_of(members[0])
        runner = runners.made_on.get(machine, machine)
        system = system_of(runner, runners.label(runner))
        toolchain = _toolchain(members, catalog, toolchains, system)
        jobs.append(
            Job(
                name=f"{group.engine}-{group.platform}-{group.what}",
                engine=group.engine,
                platform=group.platform,
                runner=runner,
                system=system,
                targets=_patterns(members, targets, catalog),
                source=group.source,
                apt=toolchain.apt,
                apt_repository=toolchain.apt_repository,
            )
        )
    return tuple(jobs)


def _group(target: Target, catalog: Catalog) -> _Group:
    if target.engine in catalog.environments:
        return _Group(target.engine, target.platform, target.accel, "auto")
    kind = toolchain_key(target, catalog)
    if kind is None:
        return _Group(target.engine, target.platform, "fetched", "fetch")
    return _Group(target.engine, target.platform, _NO_TOOLKIT if kind == _NO_TOOLKIT else target.accel, "build")


def _patterns(members: Iterable[Target], targets: Sequence[Target], catalog: Catalog) -> tuple[str, ...]:
    """Return what a job asks for: a new pin of archives with another CUDA must not make the workflows stale.

    A glob stands only where everything that it takes is fetched by this job.
    """
    found = []
    for target in members:
        name = str(target)
        if accel_version(target.accel) and not catalog.can_build(target):
            glob = f"{target.engine}/{target.platform}-{family_of(target.accel)}-*"
            taken = [other for other in catalog.targets() if other.is_named(glob)]
            if all(other in targets and not catalog.can_build(other) for other in taken):
                name = glob
        found.append(name)
    return tuple(dict.fromkeys(found))


def _toolchain(members: Sequence[Target], catalog: Catalog, toolchains: Toolchains, system: System) -> Toolchain:
    """Return what the targets of a job need together."""
    kinds = sorted({kind for target in members if (kind := toolchain_key(target, catalog)) is not None})
    if not kinds:
        return Toolchain()
    parts = [toolchains.compiler.get(system), *(toolchains.kinds.get(kind, {}).get(system) for kind in kinds)]
    known = [part for part in parts if part is not None]
    if known != parts:
        tables = " and ".join((f"[compiler.{system}]", *(f"[kinds.{kind}.{system}]" for kind in kinds)))
        raise UsageError(
            f"nothing says what a {system} runner needs to build {', '.join(map(str, members))}",
            hint=f"recipes/ci/toolchains.toml must have {tables}; or choose a runner of another system",
        )
    return Toolchain(
        apt=tuple(sorted({package for part in known for package in part.apt})),
        apt_repository=next((_filled(part.apt_repository, members) for part in known if part.apt_repository), None),
    )


def _filled(repository: AptRepository, members: Sequence[Target]) -> AptRepository:
    """Return a repository with the version of the accelerator in its url; the targets are one where there is one."""
    url = repository.url.replace("{version}", accel_version(members[0].accel))
    return repository.model_copy(update={"url": url})
