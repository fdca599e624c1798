"""The folders and programs of one build, the options that name them, and how many compilers it may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.builders import cmake
from pipeline.errors import BuildError, HostError, UsageError
from pipeline.make.outputs import verified_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.make.outputs import Results
    from pipeline.make.toolchain import LaidToolchain
    from pipeline.model.actions import Compile
    from pipeline.ports import Services

_SDK = "{sdk}"
_BYTES_PER_COMPILER = 2 << 30  # unity files of b11434 took 0.7 to 2.5 GB with gcc 12


def paths_of(services: Services, work: Path, action: Compile, results: Results) -> cmake.Paths:
    """Return the places of a build; the source's is filled in when it is there."""
    toolkit = action.toolkit_dir or ""
    if action.toolkit is not None:
        toolkit = str(verified_tree(results[action.toolkit].trees["toolkit"], services))

    def tool(name: str) -> str:
        wrapper = {"cc": "cc", "cxx": "c++"}.get(name)
        if action.cross is not None and wrapper is not None:
            return str(work / "wrappers" / wrapper)
        found = services.host.tool(name)
        if found is None:
            raise HostError(f"{name} was there when the plan was made and is gone now", hint="install it and run again")
        return found.path

    return cmake.Paths(
        source="",
        build=str(work / "build"),
        unity=str(work / "unity.cmake"),
        cmake=tool("cmake"),
        ninja=tool("ninja"),
        cc=f"{toolkit}/{action.compilers['cc']}" if "cc" in action.compilers else tool("cc"),
        cxx=f"{toolkit}/{action.compilers['cxx']}" if "cxx" in action.compilers else tool("cxx"),
        toolkit=toolkit,
        sdk=tool("sdk") if any(_SDK in value for value in options_of_the_source(action).values()) else "",
    )


def options_of(action: Compile, paths: cmake.Paths, toolchain: LaidToolchain) -> dict[str, str]:
    """Return all options with this machine's places filled in."""
    places = {
        "{toolkit}": paths.toolkit,
        "{cxx}": paths.cxx,
        "{wrappers}": toolchain.wrappers,
        _SDK: paths.sdk,
    }
    options = {**options_of_the_source(action), **action.pin_options}
    for word, place in places.items():
        options = {name: value.replace(word, place) for name, value in options.items()}
    return options


def options_of_the_source(action: Compile) -> dict[str, str]:
    """Return the options that the source must know; a toolchain's count more than the recipes'."""
    return {**action.component.options, **(action.cross.options if action.cross else {})}


def vendor_of_compilers(services: Services) -> str:
    """Return who makes both of the machine's compilers, empty when they are of two makers."""
    found = {tool.vendor for name in ("cc", "cxx") if (tool := services.host.tool(name))}
    return found.pop() if len(found) == 1 else ""


def compilers_at_once(services: Services) -> int:
    """Return how many compilers may run at once: as asked for, but no more than there is memory for."""
    memory = services.host.facts().memory_bytes
    return max(1, min(services.jobs, memory // _BYTES_PER_COMPILER)) if memory else services.jobs


def refuse_changed(who: str, options: Mapping[str, str], cache: Mapping[str, tuple[str, str]], *, hint: str) -> None:
    """Refuse what was not taken as it was told, for example because the source forces another value.

    Args:
        who: took it, for the message.
        options: as they were told.
        cache: of CMake, as ``cmake.parse_cache`` reads it; what is not in it was not changed.
        hint: what to do.

    Raises:
        BuildError: there is one.
    """
    for name, value in options.items():
        taken = cache.get(name, ("", value))[1]
        if taken != value:
            raise BuildError(f"{who} {name}={taken}, not {value} as it was told", hint=hint)


def refuse_unknown(what: str, unknown: Mapping[str, Sequence[str]], *, hint: str) -> None:
    """Refuse options that the source of ``what`` does not know, with those that they may be called now.

    Raises:
        UsageError: there is one.
    """
    if not unknown:
        return
    listed = "; ".join(f"{name} (now {' or '.join(near)}?)" if near else name for name, near in sorted(unknown.items()))
    raise UsageError(f"the source of {what} knows no option {listed}", hint=hint)
