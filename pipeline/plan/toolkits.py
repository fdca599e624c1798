"""Chooses the toolkit that a backend is compiled with: the system's where it is whole, packages else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError, UsageError
from pipeline.model.toolkit import FoundToolkit
from pipeline.names import accel_version, is_older, version_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.model.recipe import AcceleratorRecipe
    from pipeline.model.toolkit import Toolkit, ToolkitPlace
    from pipeline.names import Target

TOOLKIT_CHOICES = ("auto", "system", "packaged")
"""What ``--toolkit`` may be beside a folder."""


def choose_toolkit(
    target: Target, toolkit: Toolkit, places: Sequence[ToolkitPlace], *, platform: str, asked: str
) -> FoundToolkit:
    """Return the toolkit that a target is built with.

    A folder that a variable or ``--toolkit`` names is meant: what is wrong with it is an error. One of the usual places
    is passed over when it is of another version or not whole, and that is said.

    Args:
        target: with the version in its accelerator's name, where it has one.
        toolkit: the recipe.
        places: what was found, those that a variable names first.
        platform: of this machine.
        asked: ``auto``, ``system``, ``packaged``, or the folder that ``places`` has alone.

    Raises:
        HostError: there is none, or the one that is named is not whole, too old, too new or of another version.
        UsageError: several of that version were found and none was named.
    """
    wanted = accel_version(target.accel)
    packaged = toolkit.packages_for(wanted, platform) if wanted else next(iter(toolkit.packaged), None)
    if asked == "packaged":
        if packaged is None:
            raise HostError(
                f"{target}: no packages of {toolkit.title} {wanted} for {platform} are pinned".replace("  ", " "),
                hint=f"leave `--toolkit packaged` out; {toolkit.install}",
            )
        return FoundToolkit(origin="packaged", version=packaged.version)
    passed_over: list[str] = []
    whole: list[ToolkitPlace] = []
    for place in places:
        fault = _fault(place, toolkit, wanted)
        if fault is None:
            whole.append(place)
        elif place.variable or asked not in {"auto", "system"}:
            raise _named_is_wrong(target, place, fault, has_packages=packaged is not None)
        else:
            passed_over.append(f"{place.path} {fault}")
    if whole:
        return _system(target, toolkit, whole, passed_over)
    why = "; ".join(passed_over)
    if asked == "auto" and packaged is not None:
        return FoundToolkit(origin="packaged", version=packaged.version, why=why)
    raise HostError(
        f"{target} needs {toolkit.title}{f' {wanted}' if wanted else ''} to be built, and "
        + (f"none is whole here: {why}" if why else "none was found"),
        hint=_instead(toolkit, wanted, platform=platform, asked=asked),
    )


def architectures_of(
    accelerator: AcceleratorRecipe, asked: Sequence[str], *, accel: str, version: str
) -> tuple[str, ...]:
    """Return the GPUs that a backend is compiled for.

    Args:
        accelerator: the recipe.
        asked: ``release`` for all that the toolkit compiles for, ``short`` for a build that is only to be tried, or
            names.
        accel: for messages.
        version: of the toolkit.

    Raises:
        UsageError: a name is none of the recipe's, or the toolkit does not compile for it.
    """
    architectures = accelerator.architectures
    if architectures is None:
        return ()
    compiled = architectures.compiled_by(version)
    if list(asked) == ["release"]:
        return compiled
    names = architectures.short if list(asked) == ["short"] else tuple(dict.fromkeys(asked))
    for name in names:
        if name not in architectures.known:
            raise UsageError(
                f"{name!r} is no architecture of {accelerator.name}",
                hint=f"there are {', '.join(compiled)}; or release, or short",
            )
        if name not in compiled:
            raise UsageError(
                f"{accel}: version {version} of the toolkit does not compile for {name}"
                f" (it takes {architectures.known[name]})",
                hint=f"it compiles for {', '.join(compiled)}; or take another version of the accelerator",
            )
    return tuple(name for name in architectures.known if name in names)


def _fault(place: ToolkitPlace, toolkit: Toolkit, wanted: str) -> str | None:
    """Return why a folder cannot be taken, as it goes on after its path; None when it can."""
    if place.version is None:
        return f"has no {place.lacking[0]}" if place.lacking else "does not say its version"
    if wanted and version_key(place.version)[: len(version_key(wanted))] != version_key(wanted):
        return f"is version {place.version}, not {wanted}"
    if toolkit.minimum and is_older(place.version, toolkit.minimum):
        return f"is version {place.version}, older than {toolkit.minimum}"
    if toolkit.below and not is_older(place.version, toolkit.below):
        return f"is version {place.version}; only versions before {toolkit.below} are known to work"
    if place.lacking:
        return f"is not whole: it lacks {', '.join(place.lacking)}"
    return None


def _named_is_wrong(target: Target, place: ToolkitPlace, fault: str, *, has_packages: bool) -> HostError:
    who = f"{place.variable} names" if place.variable else "--toolkit names"
    other = f"unset {place.variable}, or correct it" if place.variable else "name another folder"
    return HostError(
        f"{target}: {who} {place.path}, which {fault}",
        hint=f"{other}; or build with packages: --toolkit packaged" if has_packages else other,
    )


def _system(
    target: Target, toolkit: Toolkit, whole: Sequence[ToolkitPlace], passed_over: Sequence[str]
) -> FoundToolkit:
    named = [place for place in whole if place.variable]
    taken, *others = named or whole
    if others and not named:
        found = " and ".join(f"{each.path} ({each.version})" for each in whole)
        raise UsageError(
            f"{target}: {toolkit.title} is here more than once: {found}",
            hint="name the one that is meant with --toolkit FOLDER"
            + (f" or {toolkit.variables[0]}" if toolkit.variables else ""),
        )
    if taken.version is None:
        raise AssertionError("a folder without a version is not whole")
    why = "; ".join(passed_over)
    return FoundToolkit(origin="system", version=taken.version, path=taken.path, why=why, program=taken.program)


def _instead(toolkit: Toolkit, wanted: str, *, platform: str, asked: str) -> str:
    """Return what to do: install it, allow packages, or take a version that is pinned."""
    if asked != "auto" and toolkit.packages_for(wanted, platform) is not None:
        return f"{toolkit.install}; or leave --toolkit out: packages of {wanted} are pinned"
    versions = [packaged.version for packaged in toolkit.packaged if packaged.platform == platform]
    other = f"; or take version {' or '.join(versions)}, of which packages are pinned" if versions else ""
    return f"{toolkit.install}{other}"
