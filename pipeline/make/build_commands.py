"""Runs CMake and Ninja: shows how far they are, counts warnings, and explains what fails."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from pipeline.builders import cmake
from pipeline.errors import BuildError, NoSpaceError
from pipeline.events import StepProgress
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.ports import Services

_WARNING = "warning:"
_OUT_OF_MEMORY = re.compile(r"Killed signal|virtual memory exhausted|out of memory allocating")
_DISK_FULL = "No space left on device"


class BuildCommands:
    """Runs the commands of one build.

    Attributes:
        warnings: of compilers so far.
        objects: that the build has in all, as Ninja says it.
        on_each_line: called at every line that a command says.
    """

    def __init__(self, services: Services, step: str, env: Mapping[str, str], log_path: Path, work: Path) -> None:
        self._services = services
        self._step = step
        self._env = env
        self._log_path = log_path
        self._work = work
        self.warnings = 0
        self.objects = 0
        self.on_each_line: Callable[[], None] = lambda: None

    def to_the_end(self, argv: tuple[str, ...], what: str) -> None:
        """Run one command.

        Raises:
            BuildError: it failed.
            NoSpaceError: it failed because the disk is full.
        """
        errors: list[str] = []

        def on_line(line: str) -> None:
            self.on_each_line()
            progress = cmake.parse_progress(line)
            if progress:
                done, total, detail = progress
                self.objects = total
                self._services.events.emit(StepProgress(self._step, done, total, "objects", detail))
            elif _WARNING in line:
                self.warnings += 1
            if not errors and (error := cmake.first_error([line])):
                errors.append(error)

        command = Command(argv, cwd=self._work, env=self._env)
        outcome = self._services.commands.run(command, log_path=self._log_path, on_line=on_line)
        if outcome.exit_code != 0:
            if any(_DISK_FULL in line for line in outcome.tail):
                raise NoSpaceError(
                    f"the disk filled up while compiling below {self._work}",
                    hint="free some space and run again: it goes on where it stopped",
                )
            kept = self._keep_compile_commands()
            if any(_OUT_OF_MEMORY.search(line) for line in outcome.tail):
                errors.append("the compiler ran out of memory (run again with --jobs 1)")
            first = errors[-1] if errors else (outcome.tail[-1] if outcome.tail else "it said nothing")
            raise BuildError(
                f"{what} failed with exit code {outcome.exit_code}: {first}",
                hint=f"the whole log is {self._log_path}" + (f"; compile commands: {kept}" if kept else ""),
            )

    def _keep_compile_commands(self) -> Path | None:
        commands = self._work / "build" / "compile_commands.json"
        if not commands.is_file():
            return None
        kept = self._log_path.with_name(f"{self._log_path.stem}.compile_commands.json")
        shutil.copyfile(commands, kept)
        return kept
