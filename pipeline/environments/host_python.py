"""A Python that the host has, for bundles of wheels alone: found, asked what it is, and given a prefix of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import HostError
from pipeline.names import UnknownNameError, platform_of
from pipeline.ports.commands import Command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.model.environment import EnvironmentCard
    from pipeline.ports import CommandRunner, Disk, HostProbe, Services

_TIMEOUT_SECONDS = 60.0
_MARK = "engine-pipeline: "
# What ``venv`` itself links: of a virtual environment the Python that it was made from, and links are not followed. A
# package manager moves a link (``opt/python@3.14``) to its next release and removes the folder that it led to. A Python
# that was moved after it was built finds no library from the folder of a link: there the file itself is taken.
_QUESTION = f"""
import json, os, platform, subprocess, sys, sysconfig, tempfile
def serves(path):
    with tempfile.TemporaryDirectory() as folder:
        python = os.path.join(folder, "bin", "python")
        os.mkdir(os.path.dirname(python))
        os.symlink(path, python)
        with open(os.path.join(folder, "pyvenv.cfg"), "w", encoding="utf-8") as settings:
            settings.write("home = " + os.path.dirname(path))
        asked = subprocess.run([python, "-I", "-c", "import os; print(os.__file__)"], capture_output=True)
        found = os.fsdecode(asked.stdout).strip()
        return asked.returncode == 0 and os.path.realpath(found) == os.path.realpath(os.__file__)
path = os.path.abspath(getattr(sys, "_base_executable", sys.executable))
said = lambda name: sysconfig.get_config_var(name)
print({_MARK!r} + json.dumps(dict(
    executable=path if not os.path.islink(path) or serves(path) else os.path.realpath(path),
    version=platform.python_version(),
    short="%d.%d" % sys.version_info[:2],
    implementation=sys.implementation.name,
    system=sys.platform,
    machine=platform.machine(),
    free_threaded=bool(said("Py_GIL_DISABLED")),
    musl="musl" in (said("SOABI") or "") + (said("MULTIARCH") or ""),
)))
"""


class HostPython(NamedTuple):
    """A Python of the host that fits an environment.

    Attributes:
        executable: absolute, of the installation itself and no virtual environment; a link, where that works.
        version: for example ``3.14.2``.
    """

    executable: Path
    version: str


def find_host_python(
    card: EnvironmentCard, platform: str, *, named: Path | None, services: Services, cwd: Path
) -> HostPython:
    """Return the Python that an environment of wheels alone is to use, after asking it what it is.

    Args:
        card: of the environment.
        platform: that it is for.
        named: which Python to take; None takes ``python<version>`` of the host's PATH.
        services: to look at the host and to start Python with.
        cwd: where it is started.

    Raises:
        HostError: there is none, or it is not exactly what the wheels are for.
    """
    path = _on_path(card, services.host) if named is None else named.absolute()
    if path is None:
        raise HostError(_absent(card), hint=f"install CPython {card.python}; or {_how_to_name(card)}")
    said = _ask(path, card, commands=services.commands, env=services.base_env, cwd=cwd)
    if fault := _misfit(said, card, platform):
        raise HostError(
            f"{path} is {fault}, and the bundle's wheels are for CPython {card.python} on {platform}",
            hint=_how_to_name(card, path),
        )
    return HostPython(Path(said["executable"]), said["version"])


def lacks_python(card: EnvironmentCard | None, host: HostProbe) -> str:
    """Return that a host's PATH lacks the Python that a bundle needs, and what to do; empty where it does not.

    Nothing is started: whether a Python that is there fits is seen when something is installed.
    """
    if card is None or card.base != "host" or _on_path(card, host) is not None:
        return ""
    return f"{_absent(card)}: install CPython {card.python}, or give `install` one with --python FILE"


def _absent(card: EnvironmentCard) -> str:
    return f"the bundle brings no Python, and this host has no python{card.python} on its PATH"


def _on_path(card: EnvironmentCard, host: HostProbe) -> Path | None:
    tool = host.tool(f"python{card.python}")
    return None if tool is None else Path(tool.path)


def _how_to_name(card: EnvironmentCard, refused: Path | None = None) -> str:
    """Return how a Python is named; ``refused`` was, and is no example."""
    program = f"python{card.python}"
    usual = Path("/usr/bin", program)
    example = "" if refused == usual else f", for example --python {usual}"
    return (
        f"name a CPython {card.python} by its path{example} (`command -v {program}` prints the path of the one that a "
        "shell would start)"
    )


def _ask(
    path: Path, card: EnvironmentCard, *, commands: CommandRunner, env: Mapping[str, str], cwd: Path
) -> dict[str, str]:
    command = Command((str(path), "-I", "-c", _QUESTION), cwd=cwd, env=env, timeout_seconds=_TIMEOUT_SECONDS)
    try:
        outcome = commands.run(command)
    except HostError as error:  # its hint is about programs that a build needs
        raise HostError(
            f"{path} cannot be started, and the bundle needs a CPython {card.python}: {error.message}",
            hint=_how_to_name(card, path),
        ) from error
    line = next((line for line in outcome.tail if line.startswith(_MARK)), None)
    if outcome.exit_code != 0 or line is None:
        last = f": {outcome.tail[-1]}" if outcome.tail else ""
        raise HostError(
            f"{path} is no Python that can be asked for its version (exit code {outcome.exit_code}){last}",
            hint=_how_to_name(card, path),
        )
    found = json.loads(line.removeprefix(_MARK))
    return {name: str(value) for name, value in found.items() if value is not False}


def _misfit(said: Mapping[str, str], card: EnvironmentCard, platform: str) -> str:
    try:
        found = platform_of(said["system"], said["machine"])
    except UnknownNameError:
        found = f"{said['system']} {said['machine']}"
    if said["implementation"] != "cpython" or said["short"] != card.python:
        return f"{said['implementation']} {said['version']}"
    if found != platform:
        return f"for {found}"
    if "free_threaded" in said:
        return "the free-threaded Python"
    return "for musl" if "musl" in said and platform.startswith("linux") else ""


def make_virtual_environment(card: EnvironmentCard, python: HostPython, prefix: Path, *, disk: Disk) -> None:
    """Make a prefix over a host's Python, as ``python -m venv --without-pip --symlinks`` lays it out (PEP 405)."""
    for folder in (prefix / "bin", prefix / card.site_packages):
        disk.make_dirs(folder, durable=False)
    disk.link_symbolic(str(python.executable), prefix / "bin" / "python")
    for name in ("python3", f"python{card.python}"):
        disk.link_symbolic("python", prefix / "bin" / name)
    settings = {
        "home": str(python.executable.parent),
        "include-system-site-packages": "false",
        "version": python.version,
        "executable": str(python.executable),
    }
    disk.write_file(prefix / "pyvenv.cfg", "".join(f"{n} = {v}\n" for n, v in settings.items()).encode())
