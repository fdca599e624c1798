"""Locks the wheels of an environment for one platform, with uv."""

from __future__ import annotations

import re
import shlex
import tomllib
from typing import TYPE_CHECKING

from pipeline.catalog.pylock import pylock_filename
from pipeline.errors import NetworkError, OfflineError, UsageError
from pipeline.events import Notice
from pipeline.lock.generated import REQUIREMENTS, WHEEL_INPUTS, Generated, input_digests
from pipeline.lock.pylock import chosen_wheels
from pipeline.lock.refusals import UnsatisfiableError, YankedError
from pipeline.lock.tools import require_module
from pipeline.model.pylock_text import pylock_body
from pipeline.ports import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.catalog.environments import EnvironmentSpec
    from pipeline.lock.tools import LockTools
    from pipeline.ports import Services

_UV_PLATFORMS = {
    "macos-arm64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
    "linux-x86_64": "x86_64-manylinux_{glibc}",
    "linux-arm64": "aarch64-manylinux_{glibc}",
    "windows-x86_64": "x86_64-pc-windows-msvc",
    "windows-arm64": "aarch64-pc-windows-msvc",
}
_DISABLED = ("network was disabled", "network connectivity is disabled", "Network connectivity is disabled")
_UNSATISFIABLE = "No solution found"
_NETWORK = re.compile(
    r"Failed to fetch|Request failed|error sending request|Could not connect|client error|dns error|HTTP status server"
)
_CROSS = "\N{MULTIPLICATION SIGN}"  # before uv's reason
_YANKED = re.compile(r"warning: .*\byanked\b.*")


def resolve_wheels(
    folder: Path, spec: EnvironmentSpec, tools: LockTools, services: Services, *, work: Path
) -> Generated:
    """Return the pylock file of one platform, resolved anew.

    The indexes are those of ``tools.environment``, which a build asks too; the file says none of them.

    Raises:
        UnsatisfiableError: uv found no solution; its words are in the message.
        YankedError: a requirement names a withdrawn release.
        UncheckableError: wheels without sha256 or size; all are named.
        NetworkError: the index did not answer.
        OfflineError: something is not in uv's cache, and the network is forbidden.
        UsageError: requirements.in makes no sense to uv, or it is missing.
        HostError: uv is not installed.
    """
    output = work / "pylock.toml"  # uv takes no other name with a further dot
    if not (folder / REQUIREMENTS).is_file():
        raise UsageError(f"{folder / REQUIREMENTS}: is missing", hint="it lists the wheels, one requirement a line")
    argv = _argv(folder / REQUIREMENTS, spec, output, tools)
    argv += ["--offline"] if services.offline else []
    environment = dict(tools.environment)
    if spec.floors.macos:
        environment["MACOSX_DEPLOYMENT_TARGET"] = spec.floors.macos
    services.events.emit(Notice(shlex.join(argv), "debug"))
    said: list[str] = []
    outcome = services.commands.run(Command(tuple(argv), work, environment), on_line=said.append)
    if outcome.exit_code:
        require_module(outcome.tail, "uv")
        raise _failure(spec.platform, [line for line in said if line.strip()])
    if yanked := [line for line in said if _YANKED.match(line)]:
        raise YankedError(
            f"{spec.platform}: " + "\n".join(line.removeprefix("warning: ") for line in yanked),
            hint=f"name another version in {REQUIREMENTS}",
        )
    document = tomllib.loads(output.read_text(encoding="utf-8"))
    wheels = chosen_wheels(document, spec)
    body = pylock_body(wheels, python=spec.python, platform=spec.platform)
    return Generated(pylock_filename(spec.platform), input_digests(folder, WHEEL_INPUTS), body)


def _argv(requirements: Path, spec: EnvironmentSpec, output: Path, tools: LockTools) -> list[str]:
    platform = _UV_PLATFORMS[spec.platform].format(glibc=(spec.floors.glibc or "2.17").replace(".", "_"))
    argv = [*tools.python, "-m", "uv", "pip", "compile", str(requirements), "--output-file", str(output)]
    argv += ["--format", "pylock.toml", "--python-version", spec.python, "--python-platform", platform]
    argv += ["--only-binary", ":all:", "--no-python-downloads", "--no-header", "--no-annotate"]
    return [*argv, "--no-progress", "--color", "never"]


def _failure(platform: str, said: Sequence[str]) -> Exception:
    text = "\n".join(said)
    starts = [at for at, line in enumerate(said) if line.lstrip().startswith(("error:", _CROSS, "x "))]
    message = f"{platform}: uv: " + "\n".join(said[starts[0] :] if starts else said[-20:])
    if any(words in text for words in _DISABLED):
        return OfflineError(message, hint="lock once with the network; uv keeps what it fetched")
    if _UNSATISFIABLE in text:
        return UnsatisfiableError(message, hint=f"change {REQUIREMENTS}, or the floors in virtual-packages.yml")
    if _NETWORK.search(text):
        return NetworkError(message, hint="try again later, or name another index with UV_DEFAULT_INDEX")
    return UsageError(message, hint=f"correct {REQUIREMENTS}")
