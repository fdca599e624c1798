"""The list of benchmarks, which is data (tests/benchmarks/programs.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LIST = "programs.toml"


@dataclass(frozen=True)
class Program:
    """One benchmark.

    Attributes:
        name: of its file, without ``.py``.
        title: what it measures.
        arguments: of a full run; ``{output}`` is the folder of results.
        quick: of a quick one; None where it is left out of those.
        slow: why it is left out of quick runs.
        needs: programs without which it cannot run.
        peers: programs that it compares with where they are.
        pictures: files that it writes to the folder of results.
    """

    name: str
    title: str
    arguments: tuple[str, ...]
    quick: tuple[str, ...] | None = None
    slow: str = ""
    needs: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Hold that a program has a quick form or the reason why not."""
        if (self.quick is None) != bool(self.slow):
            raise ValueError(f"{self.name}: give it `quick`, or say in `slow` why it has none")

    def argv(self, output: Path, *, quick: bool) -> list[str]:
        """Return its arguments."""
        chosen = self.quick or () if quick else self.arguments
        return [argument.replace("{output}", str(output)) for argument in chosen]


def read_programs(folder: Path) -> tuple[Program, ...]:
    """Return the list of a folder.

    Raises:
        ValueError: an entry has an unknown key or lacks one.
    """
    listed = tomllib.loads((folder / LIST).read_text(encoding="utf-8"))["programs"]
    programs = []
    for entry in listed:
        fields = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
        try:
            programs.append(Program(**fields))
        except TypeError as error:
            raise ValueError(f"{LIST}, {entry.get('name', 'an entry without a name')}: {error}") from error
    return tuple(programs)


def chosen_programs(programs: tuple[Program, ...], names: list[str] | None) -> tuple[Program, ...]:
    """Return the named ones in the order of the list; all without names.

    Raises:
        ValueError: a name is not in the list.
    """
    known = {program.name for program in programs}
    if unknown := [name for name in names or () if name not in known]:
        raise ValueError(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return tuple(program for program in programs if names is None or program.name in names)
