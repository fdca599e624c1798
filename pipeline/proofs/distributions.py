"""What installed Python distributions say of themselves, and whether a set of them is complete and consistent. Pure.

The rules are those of "Core metadata" and "Dependency specifiers" (packaging.python.org), read by ``packaging``;
markers are evaluated for the target, never for this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from packaging.markers import UndefinedEnvironmentName
from packaging.metadata import parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SYSTEMS = {"linux": ("linux", "Linux"), "macos": ("darwin", "Darwin")}
_LINUX_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}


class Distribution(NamedTuple):
    """One installed distribution.

    Attributes:
        project: normalized name.
        version: as its metadata says it.
        brought_by: what brought it, for messages: a wheel's layer or a conda package.
        requires: requirements as written.
        requires_python: as written; empty when there is none.
        is_wheel: whether a locked wheel brought it; False for conda.
    """

    project: str
    version: str
    brought_by: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    is_wheel: bool = True


def read_distribution(metadata: str, *, brought_by: str, is_wheel: bool = True) -> Distribution | None:
    """Return what a METADATA or PKG-INFO file says, None when it names no project and version."""
    raw, _ = parse_email(metadata)
    name, version = raw.get("name"), raw.get("version")
    if not name or not version:
        return None
    return Distribution(
        project=canonicalize_name(name),
        version=version,
        brought_by=brought_by,
        requires=tuple(raw.get("requires_dist", ())),
        requires_python=raw.get("requires_python", ""),
        is_wheel=is_wheel,
    )


def target_markers(platform: str, python: str) -> dict[str, str]:
    """Return the marker variables of a target's Python.

    Args:
        platform: of the contract's names.
        python: with or without the third number: ``3.14`` or ``3.14.9``.
    """
    system, _, machine = platform.partition("-")
    sys_platform, platform_system = _SYSTEMS[system]
    full = python if python.count(".") > 1 else f"{python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": full,
        "os_name": "posix",
        "platform_machine": _LINUX_MACHINES[machine] if system == "linux" else machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": platform_system,
        "platform_version": "",
        "python_full_version": full,
        "python_version": ".".join(full.split(".")[:2]),
        "sys_platform": sys_platform,
    }


def set_problems(
    distributions: Sequence[Distribution], markers: Mapping[str, str], *, others: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return what is wrong with a set of distributions, as ``pip check`` would: what is missing, twice or at odds.

    Args:
        distributions: all that are installed.
        markers: of the target; see ``target_markers``.
        others: normalized name to version of what is there without metadata, such as conda packages.
    """
    first: dict[str, Distribution] = {}
    problems = []
    for each in distributions:
        known = first.setdefault(each.project, each)
        if known is not each:
            both = f"{known.version} by {known.brought_by}, {each.version} by {each.brought_by}"
            problems.append(f"{each.project} is there twice: {both}")
    for each in distributions:
        if each.is_wheel:
            problems += _python_problems(each, markers["python_full_version"])
    versions = {**(others or {}), **{project: each.version for project, each in first.items()}}
    return (*problems, *_requirement_problems(first, versions, markers))


def _python_problems(each: Distribution, python: str) -> Iterator[str]:
    try:
        fits = SpecifierSet(each.requires_python).contains(python, prereleases=True)
    except InvalidSpecifier:
        yield f"{each.project} {each.version} asks for a Python that makes no sense: {each.requires_python!r}"
        return
    if not fits:
        yield f"{each.project} {each.version} needs Python {each.requires_python}, the environment has {python}"


def _requirement_problems(
    first: Mapping[str, Distribution], versions: Mapping[str, str], markers: Mapping[str, str]
) -> Iterator[str]:
    """Follow every wheel's requirements, and those of the extras that are asked for, each once."""
    waiting = [(project, "") for project, each in first.items() if each.is_wheel]
    seen = set(waiting)
    told = set()
    while waiting:
        project, extra = waiting.pop(0)
        for wanted in _required(first[project], extra, markers):
            problem = wanted if isinstance(wanted, str) else _unmet(first[project], wanted, versions)
            if problem and problem not in told:
                told.add(problem)
                yield problem
            if isinstance(wanted, str):
                continue
            needed = canonicalize_name(wanted.name)
            more = {(needed, canonicalize_name(name)) for name in wanted.extras if needed in first} - seen
            seen |= more
            waiting += sorted(more)


def _required(each: Distribution, extra: str, markers: Mapping[str, str]) -> Iterator[Requirement | str]:
    """Yield what a distribution requires for one extra (empty: always); a text is what cannot be read."""
    for text in each.requires:
        try:
            found = Requirement(text)
            applies = found.marker is None or found.marker.evaluate({**markers, "extra": extra})
        except (InvalidRequirement, UndefinedEnvironmentName):
            yield f"{each.project} {each.version} requires {text!r}, which cannot be read"
            continue
        if applies and (not extra or _is_of_extra(found, markers)):
            yield found


def _is_of_extra(requirement: Requirement, markers: Mapping[str, str]) -> bool:
    """Tell whether a requirement holds only with an extra; the others were followed already."""
    return requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": ""})


def _unmet(each: Distribution, wanted: Requirement, versions: Mapping[str, str]) -> str:
    found = versions.get(canonicalize_name(wanted.name))
    what = f"{each.project} {each.version} requires {wanted.name}{wanted.specifier}"
    if found is None:
        return f"{what}, which is not in the environment"
    try:
        fits = not wanted.specifier or wanted.specifier.contains(Version(found), prereleases=True)
    except InvalidVersion:  # conda's versions need not be Python's
        fits = False
    return "" if fits else f"{what}, the environment has {found}"
