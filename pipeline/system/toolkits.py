"""Looks for toolkits of accelerators: which folders have one, of which version, and what is lacking in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.model.filling import fill
from pipeline.model.toolkit import ToolkitPlace
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.model.toolkit import Toolkit
    from pipeline.ports import CommandRunner

_PROBE_SECONDS = 20.0
_LONGEST_TEXT = 4 << 20
_LONGEST_LINE = 200


def find_toolkits(
    toolkit: Toolkit,
    version: str,
    *,
    commands: CommandRunner,
    environment: Mapping[str, str],
    variables: Mapping[str, str],
) -> tuple[ToolkitPlace, ...]:
    """Return the folders that have a toolkit's program or are named by a variable, each once, in the recipe's order.

    Args:
        toolkit: with the places to look into.
        version: that is looked for, for places whose name has it; empty for any.
        commands: to ask the program for its version with.
        environment: to start that program in.
        variables: of which the recipe's may name a folder.
    """
    found: dict[str, ToolkitPlace] = {}
    for folder, variable in _places(toolkit, version, variables):
        resolved = folder.resolve()
        if str(resolved) in found or not (variable or (resolved / toolkit.program).is_file()):
            continue
        found[str(resolved)] = look_into(resolved, toolkit, commands=commands, environment=environment).model_copy(
            update={"variable": variable}
        )
    return tuple(found.values())


def look_into(
    folder: Path, toolkit: Toolkit, *, commands: CommandRunner, environment: Mapping[str, str]
) -> ToolkitPlace:
    """Return what one folder has of a toolkit."""
    program = folder / toolkit.program
    lacking = [glob for glob in toolkit.files if next(folder.glob(glob), None) is None]
    if not program.is_file():
        return ToolkitPlace(path=str(folder), version=None, lacking=(toolkit.program, *lacking))
    asked = _said_by(program, toolkit.version_args or ("--version",), commands=commands, environment=environment)
    said = asked if toolkit.version_file is None else _beginning(folder / toolkit.version_file)
    match = re.search(toolkit.version_pattern, said)
    return ToolkitPlace(
        path=str(folder),
        version=match[1] if match else None,
        lacking=tuple(lacking),
        program="" if toolkit.version_file is None else asked.strip().partition("\n")[0][:_LONGEST_LINE],
    )


def _beginning(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LONGEST_TEXT)
    except OSError:
        return ""


def _said_by(
    program: Path, arguments: tuple[str, ...], *, commands: CommandRunner, environment: Mapping[str, str]
) -> str:
    env = {"PATH": environment.get("PATH", ""), "HOME": environment.get("HOME", "/"), "LC_ALL": "C"}
    command = Command((str(program), *arguments), cwd=Path("/"), env=env, timeout_seconds=_PROBE_SECONDS)
    try:
        return "\n".join(commands.run(command).tail)
    except HostError:  # no program of this machine
        return ""


def _places(toolkit: Toolkit, version: str, variables: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield folders with the variable that names them, those of variables first."""
    for variable in toolkit.variables:
        if value := variables.get(variable):
            yield Path(value), variable
    for place in toolkit.places:
        if version or "{version}" not in place:
            yield Path(fill(place, version=version)), ""
