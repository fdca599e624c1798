"""Which jobs make a release: pure, from targets, the catalog and what is known of runners.

Targets of one platform that need no toolkit of their own are one job, because they are compiled from one core; each
toolkit is a job of its own, because its compilers take hours and its packages do not go together with another's
(ci/decisions/0050).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from pipeline.catalog.workflows import job_part, setup_key, system_of
from pipeline.errors import UsageError
from pipeline.model.workflows import AptRepository, RunnerSetup, SystemToolkit
from pipeline.names import accel_version, family_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pipeline.catalog import Catalog
    from pipeline.model.manifest import ProofLevel
    from pipeline.model.workflows import RunnerPackages, System
    from pipeline.names import Target
    from pipeline.workflows.runners import Runners

JobSource = Literal["auto", "build", "fetch"]


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
        prove: as ``--prove`` takes it; None for all that the runner can.
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
    prove: ProofLevel | None = None


class Crossed(NamedTuple):
    """What one machine builds and another one runs.

    Attributes:
        platform: that it is for.
        target: that it is.
        toolchain: that builds it.
    """

    platform: str
    target: str
    toolchain: str


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
    packages: RunnerPackages,
    runners: Runners,
) -> tuple[Job, ...]:
    """Return the jobs that make the targets, each target in one of them, sorted by name.

    Args:
        targets: to make.
        catalog: that they are of.
        packages: what runners need.
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
        setup = _setup(members, catalog, packages, system=system, runner=runner)
        jobs.append(
            Job(
                name=f"{group.engine}-{group.platform}-{group.what}",
                engine=group.engine,
                platform=group.platform,
                runner=runner,
                system=system,
                targets=_patterns(members, targets, catalog),
                source=group.source,
                apt=tuple(sorted({*setup.apt, *_emulators(members, catalog, runner=runner)})),
                apt_repository=setup.apt_repository,
                prove=_prove(group, members, catalog, runner=runner),
            )
        )
    return tuple(jobs)


def plan_proofs(targets: Sequence[Target], catalog: Catalog, *, runners: Runners) -> tuple[Job, ...]:
    """Return the jobs that fetch and prove what a new pin would bring, also where a release compiles it: by name.

    Args:
        targets: of a release.
        catalog: that they are of.
        runners: the machines there are.
    """
    pinned = {
        f"{engine}/{short}"
        for engine, releases in catalog.upstream.items()
        for release in releases.values()
        for short in release.targets
    }
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        if str(target) in pinned:
            groups.setdefault((target.engine, target.platform), []).append(target)
    found = []
    for (engine, platform), members in sorted(groups.items()):
        runner = runners.made_on.get(platform, platform)
        found.append(
            Job(
                name=f"{engine}-{platform}-fetched",
                engine=engine,
                platform=platform,
                runner=runner,
                system=system_of(runner, runners.label(runner)),
                targets=_patterns(members, targets, catalog),
                source="fetch",
            )
        )
    return tuple(found)


def kept_elsewhere(jobs: Iterable[Job], asked: Collection[str]) -> tuple[Job, ...]:
    """Return the jobs that a runner which was asked for does not make: a toolchain cross builds them elsewhere."""
    return tuple(job for job in jobs if job.platform in asked and job.runner != job.platform)


def crossed_for_macs(targets: Iterable[Target], catalog: Catalog, *, host: str) -> tuple[Crossed, ...]:
    """Return what a machine builds for Macs and cannot run, so that a Mac is asked to (``ci/verify_on_macos``).

    Args:
        targets: of a release.
        catalog: that they are of.
        host: platform of the machine that builds.
    """
    return tuple(
        Crossed(target.platform, str(target), chain.name)
        for target in targets
        for chain in catalog.toolchains.values()
        if system_of(target.platform) == "macos"
        and host in chain.hosts
        and chain.builds(target.engine, target.platform, target.accel)
    )


def _group(target: Target, catalog: Catalog) -> _Group:
    source: JobSource = "build"
    if target.engine in catalog.environments:
        source = "auto"
    elif setup_key(target, catalog) is None:
        source = "fetch"
    return _Group(target.engine, target.platform, job_part(target, catalog), source)


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


def _prove(group: _Group, members: Iterable[Target], catalog: Catalog, *, runner: str) -> ProofLevel | None:
    """Return ``run`` where a device that computes on the processor will do: it is taken only when it is asked for."""
    if group.source != "build" or runner != group.platform:
        return None
    return "run" if all(catalog.accelerator(target.accel).software_environment for target in members) else None


def _emulators(members: Iterable[Target], catalog: Catalog, *, runner: str) -> Iterator[str]:
    """Yield the packages of what runs the programs of another platform on the machine that cross builds them."""
    for target in members:
        for chain in catalog.toolchains.values():
            cross = chain.target(target.platform)
            if cross is None or cross.runner is None or not cross.builds(target.engine, target.accel):
                continue
            if runner != target.platform and runner in cross.runner.hosts:
                yield from cross.runner.apt


def _setup(
    members: Sequence[Target], catalog: Catalog, packages: RunnerPackages, *, system: System, runner: str
) -> RunnerSetup:
    """Return what the targets of a job need together."""
    kinds = sorted({kind for target in members if (kind := setup_key(target, catalog)) is not None})
    if not kinds:
        return RunnerSetup()
    parts = [packages.compiler.get(system), *(packages.kinds.get(kind, {}).get(system) for kind in kinds)]
    known = [part for part in parts if part is not None]
    if known != parts:
        tables = " and ".join((f"[compiler.{system}]", *(f"[kinds.{kind}.{system}]" for kind in kinds)))
        raise UsageError(
            f"nothing says what a {system} runner needs to build {', '.join(map(str, members))}",
            hint=f"recipes/ci/runner_packages.toml must have {tables}; or choose a runner of another system",
        )
    version = accel_version(members[0].accel)  # the targets are one where there is one
    toolkits = [toolkit for part in known if (toolkit := part.toolkit_for(version, runner)) is not None]
    whole: list[RunnerSetup | SystemToolkit] = [*known, *toolkits]
    return RunnerSetup(
        apt=tuple(sorted({package for part in whole for package in part.apt})),
        apt_repository=next((_filled(part.apt_repository, version) for part in whole if part.apt_repository), None),
    )


def _filled(repository: AptRepository, version: str) -> AptRepository:
    """Return a repository with the version of the accelerator in its url."""
    url = repository.url.replace("{version}", version)
    return repository.model_copy(update={"url": url})
