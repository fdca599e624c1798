"""Whether lock files are those of what is written by hand, and why not; it needs no network and no solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.catalog.environments import EnvironmentSpec, read_environment, read_spec
from pipeline.catalog.lock_files import LockError
from pipeline.catalog.locked import CONDA_PROBLEM
from pipeline.catalog.pylock import pylock_filename
from pipeline.errors import PipelineError
from pipeline.lock.generated import (
    CONDA_INPUTS,
    CONDA_LOCK,
    CONDA_RECORDS,
    REQUIREMENTS,
    WHEEL_INPUTS,
    Generated,
    Head,
    generated_names,
    input_digests,
    parse,
    together,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.model.environment import LockedEnvironment

_FLOORS = ("__osx", "__glibc")


class StaleLockError(PipelineError):
    """Lock files are not those of what is written by hand."""


def stale(folder: Path, platforms: Sequence[str]) -> tuple[str, ...]:
    """Return why an environment must be locked again, empty when it need not; each reason names the file.

    What is pinned of Miniforge is no reason: see ``miniforge.pin_problems``.

    Args:
        folder: of the environment, below envs/.
        platforms: of the contract's names, all that it is for.

    Raises:
        LockError: a hand-written file makes no sense.
    """
    specs = [read_spec(folder, platform) for platform in platforms]
    wanted: dict[str, tuple[str, ...]] = dict.fromkeys(
        (pylock_filename(platform) for platform in platforms), WHEEL_INPUTS
    )
    if not (folder / CONDA_PROBLEM).is_file():
        wanted |= {CONDA_LOCK: CONDA_INPUTS, CONDA_RECORDS: CONDA_INPUTS}
    reasons = []
    found: dict[str, tuple[Generated, Head]] = {}
    for name in sorted(wanted):
        path = folder / name
        try:
            found[name] = parse(name, path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            reasons.append(f"{path}: is missing")
        except (OSError, ValueError) as error:
            reasons.append(f"{path}: cannot be read: {error}")
    reasons += [f"{folder / name}: is of a platform that is no more asked for" for name in _left_over(folder, wanted)]
    for name, (_, head) in found.items():
        reasons += _changed_inputs(folder, name, head, wanted[name])
    if not reasons:
        reasons += _torn(folder, found)
        for spec in specs:
            reasons += _contradictions(folder, spec)
    return tuple(dict.fromkeys(reasons))


def _left_over(folder: Path, wanted: dict[str, tuple[str, ...]]) -> list[str]:
    return [name for name in generated_names(folder) if name.startswith("pylock.") and name not in wanted]


def _changed_inputs(folder: Path, name: str, head: Head, inputs: Sequence[str]) -> Iterator[str]:
    now = input_digests(folder, inputs)
    if not head.inputs:
        yield f"{folder / name}: does not say what it was made from"
        return
    for source in inputs:
        if source not in now:
            yield f"{folder / source}: is missing"
        elif head.inputs.get(source) != now[source]:
            yield f"{folder / name}: {source} changed since it was made"


def _torn(folder: Path, found: dict[str, tuple[Generated, Head]]) -> Iterator[str]:
    digest = together(file for file, _ in found.values())
    for name, (_, head) in found.items():
        if name != CONDA_RECORDS and head.together != digest:
            yield f"{folder / name}: it or another generated file was edited, or they were not made together"


def _contradictions(folder: Path, spec: EnvironmentSpec) -> Iterator[str]:
    try:
        locked = read_environment(folder, spec.platform)
    except LockError as error:
        yield from error.message.splitlines()
        return
    names = {package.name for package in locked.conda}
    for asked in spec.specs if locked.conda else ():
        if (
            name := asked.split("::")[-1].split("[")[0].split("=")[0].split(" ")[0].split(">")[0].split("<")[0]
        ) not in names:
            yield f"{folder / CONDA_LOCK}: has no {name} for {spec.platform}, which environment.yml asks for"
    yield from _below_floor(folder, locked)
    yield from _unmet(folder, locked)


def _below_floor(folder: Path, locked: LockedEnvironment) -> Iterator[str]:
    """Say which conda packages need a newer system than is promised."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - of the extra `lock`

    for package in locked.conda:
        for need in package.depends:
            name, _, version = need.partition(" ")
            if name not in _FLOORS or not version:
                continue
            floor = locked.virtual_packages.get(name, "0")
            try:
                fits = SpecifierSet(version.replace(".a0", "a0")).contains(floor, prereleases=True)
            except InvalidSpecifier:
                continue  # conda's own language has more than this; the solver has read it
            if not fits:
                yield (
                    f"{folder / CONDA_LOCK}: {package.name} {package.version} needs {need}, "
                    f"and virtual-packages.yml promises {floor}"
                )


def _unmet(folder: Path, locked: LockedEnvironment) -> Iterator[str]:
    """Say which lines of requirements.in the locked wheels do not satisfy."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415 - of the extra `lock`
    from packaging.utils import canonicalize_name  # noqa: PLC0415 - of the extra `lock`

    from pipeline.proofs.distributions import target_markers  # noqa: PLC0415 - as above

    markers = target_markers(locked.platform, locked.python)
    pylock = folder / pylock_filename(locked.platform)
    for line in (folder / REQUIREMENTS).read_text(encoding="utf-8").splitlines():
        text = line.split(" #")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        try:
            asked = Requirement(text.split(" --")[0])
        except InvalidRequirement:
            continue  # a path or a url: uv has read it
        if asked.marker and not asked.marker.evaluate(markers):
            continue
        wheel = locked.wheel(str(canonicalize_name(asked.name)))
        if wheel is None or not asked.specifier.contains(wheel.version, prereleases=True):
            has = f"{wheel.project} {wheel.version}" if wheel else "nothing of it"
            yield f"{pylock}: has {has}, and {REQUIREMENTS} asks for {asked}"
