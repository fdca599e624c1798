"""A bundle's programs, started: what they say of themselves, and which devices they see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline.errors import ProofError
from pipeline.model.filling import fill
from pipeline.ports.commands import Command
from pipeline.proofs.devices import read_devices
from pipeline.proofs.exits import in_words, next_step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.model.manifest import HealthCheck
    from pipeline.ports import CommandRunner

PROGRAM_TIMEOUT_SECONDS = 60
_SHOWN_LINES = 8
_PASSED_ON = ("PATH", "SYSTEMROOT")


class LoadCheck(Protocol):
    """What is expected of a bundle's programs: the part of ``model.manifest.HealthCheck`` that needs no model."""

    @property
    def program(self) -> str:
        """Path within the bundle of the program that says its version."""
        ...

    @property
    def version_args(self) -> tuple[str, ...]:
        """Arguments that make it print its version."""
        ...

    @property
    def version_pattern(self) -> str:
        """Regular expression that a line of it must match."""
        ...

    @property
    def device_program(self) -> str:
        """Path within the bundle of the program that lists compute devices."""
        ...

    @property
    def device_args(self) -> tuple[str, ...]:
        """Its arguments."""
        ...

    @property
    def expect_devices(self) -> tuple[str, ...]:
        """Regular expressions; each must match a device that is listed."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that are set for all of them; ``{tree}`` is the bundle's folder."""
        ...


class Loaded(NamedTuple):
    """What the programs said.

    Attributes:
        version: the line that matched.
        devices: that were listed, the backends that were loaded included.
    """

    version: str
    devices: tuple[str, ...]


def clean_environment(home: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a bundle's programs: nothing of the user's but where the system's programs are.

    Args:
        home: an empty folder, for whatever they keep beside their work.
        inherited: to take the few names from that a system cannot do without.
    """
    kept = {name: inherited[name] for name in _PASSED_ON if name in inherited}
    return {"HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8", **kept}


def check_loads(check: LoadCheck, root: Path, *, commands: CommandRunner, env: Mapping[str, str], cwd: Path) -> Loaded:
    """Start the programs: every library resolves, the version is the right one, the promised devices are seen.

    Args:
        check: what is expected.
        root: folder of the bundle's files.
        commands: what runs programs; each has a minute.
        env: the environment, without what the check sets.
        cwd: a folder outside the bundle, where a program may leave something.

    Raises:
        ProofError: a program is missing or fails, says another version, or lacks a device (an unexpected fall-back to
            the processor); the message has its last lines.
        HostError: a program may not be run, or is none of this machine's.
    """
    env = own_environment(check, root, env)
    said = _run(find_program(root, check.program), check.version_args, commands=commands, env=env, cwd=cwd)
    version = next((line.strip() for line in said if re.search(check.version_pattern, line)), None)
    if version is None:
        raise ProofError(
            f"{check.program} does not say the version that it must (a line like {check.version_pattern!r}):"
            f"{_last(said)}",
            hint="the program is of another build than its bundle says",
        )
    said = _run(find_program(root, check.device_program), check.device_args, commands=commands, env=env, cwd=cwd)
    devices = read_devices(said)
    for pattern in check.expect_devices:
        if not any(re.search(pattern, device) for device in devices):
            raise ProofError(
                f"a device like {pattern!r} is promised, but the engine sees {', '.join(devices) or 'none'}; "
                f"{check.device_program} said:{_last(said)}",
                hint="the backend library is missing or does not load, or its driver does not work; the processor would"
                " be used",
            )
    return Loaded(version, devices)


def own_environment(check: LoadCheck, root: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with what a check sets, which counts more."""
    return {**env, **{name: fill(value, tree=str(root)) for name, value in check.environment.items()}}


def make_model(
    check: HealthCheck, root: Path, folder: Path, *, commands: CommandRunner, env: Mapping[str, str], cwd: Path
) -> Path:
    """Make a small model with random weights, as the check says, and return its folder.

    Args:
        check: how.
        root: folder of the bundle's files.
        folder: that does not exist yet.
        commands: what runs programs.
        env: the whole environment.
        cwd: a folder outside the bundle.

    Raises:
        ProofError: the check does not say how, or what it says makes none.
    """
    if not check.model_args:
        raise ProofError("a run needs a model, and the bundle does not say how to make one", hint="give a model")
    arguments = tuple(fill(argument, tree=str(root), model=str(folder)) for argument in check.model_args)
    said = _run(find_program(root, check.program), arguments, commands=commands, env=env, cwd=cwd)
    if not folder.is_dir() or not any(folder.iterdir()):
        raise ProofError(f"{check.program} should have made a model and wrote none; it said:{_last(said)}")
    return folder


def find_program(root: Path, path: str) -> Path:
    """Return a program of a bundle.

    Raises:
        ProofError: it is not there.
    """
    program = root / path
    if not program.is_file():
        raise ProofError(f"the bundle has no {path}", hint="its recipe promises a program that its files lack")
    return program


def _run(
    program: Path, arguments: tuple[str, ...], *, commands: CommandRunner, env: Mapping[str, str], cwd: Path
) -> tuple[str, ...]:
    argv = (str(program), *arguments)
    outcome = commands.run(Command(argv, cwd=cwd, env=env, timeout_seconds=PROGRAM_TIMEOUT_SECONDS))
    if outcome.exit_code != 0:
        raise ProofError(
            f"{program.name} {' '.join(arguments)} ended with {in_words(outcome.exit_code)}:{_last(outcome.tail)}",
            hint=next_step(
                outcome.exit_code,
                "a missing library, or a processor or driver that it does not run on, shows in its last lines",
            ),
        )
    return outcome.tail


def _last(lines: tuple[str, ...]) -> str:
    return "".join(f"\n  {line}" for line in lines[-_SHOWN_LINES:]) or " nothing"
