"""Which package indexes this user has configured, for pip and for uv: locking and building ask the same ones.

No index host stands in this project: variables and files of uv and pip say which one it is, and pip itself says what
its default is.
"""

from __future__ import annotations

import json
import sys
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError
from pipeline.ports import Command
from pipeline.system.index_variables import EXTRA_INDEXES, FIRST_INDEXES, PRIMARY_INDEXES
from pipeline.system.uv_files import UvFiles, read_uv_files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.ports import CommandRunner

_PIP_SECONDS = 60.0
# What pip finds its files and its Python by, and what it is told itself: not tokens of other programs, and no
# PYTHONVERBOSE or PYTHONINSPECT, which would change what it says or whether it ends.
_FOR_PIP = (
    "PIP_", "PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "PYTHONUTF8", "PATH", "HOME",
    "XDG_CONFIG_", "APPDATA", "PROGRAMDATA", "USERPROFILE", "SYSTEMROOT", "VIRTUAL_ENV", "LANG", "LC_",
)  # fmt: skip
_MARK = "engine-pipeline: "  # what else Python and what it loads may print is not ours to read, nor to show
_ASK_PIP = f"""
import json
def indexes():
    try:
        import pip
    except ModuleNotFoundError as error:
        if error.name == "pip":
            return {{}}
        raise
    from pip._internal.configuration import Configuration
    from pip._internal.models.index import PyPI
    settings = Configuration(isolated=False)
    settings.load()
    found = dict(settings.items())
    # From pip 25 on, items are grouped by file.
    flat = {{k: v for n, x in found.items() for k, v in (x.items() if isinstance(x, dict) else [(n, x)])}}
    return {{"default": PyPI.simple_url, **{{k: v for k, v in flat.items() if k.endswith("index-url")}}}}
try:
    answer = {{"indexes": indexes()}}
except Exception as error:
    answer = {{"failed": type(error).__name__ + ": " + str(error)}}
print("\\n" + {_MARK!r} + json.dumps(answer))
"""
_FILE_LINE = ("'", '"', "\t")  # how configparser starts the lines that repeat what stands in the file


class PipAbsentError(HostError):
    """There is no pip to say which package index is the default one."""

    def __init__(self) -> None:
        """Name the variables that need no pip."""
        super().__init__(
            "no package index is named, and there is no pip beside Python to say which one is meant",
            hint="set PIP_INDEX_URL (and PIP_EXTRA_INDEX_URL), or install pip beside Python",
        )


class IndexSettings:
    """The indexes of this user, each as ``url`` or, in uv's words, ``name=url``.

    The environment wins over uv's files, and those over pip's.
    """

    def __init__(self, environment: Mapping[str, str], commands: CommandRunner) -> None:
        """Ask nothing yet; ``commands`` start pip, with what it reads of the environment."""
        self._environment = environment
        self._commands = commands
        self._asked: dict[str, str] | None = None
        self._files: UvFiles | None = None

    def first(self) -> list[str]:
        """Return what is asked before the default index: UV_INDEX, and ``[[index]]`` of uv's files.

        Raises:
            UsageError: a file of uv's cannot be read.
        """
        return [*self._named(*FIRST_INDEXES), *self.uv_files().first]

    def default(self) -> list[str]:
        """Return the default index; pip is asked (half a second) only where nothing else names one.

        Raises:
            UsageError: a file of uv's cannot be read.
            PipAbsentError: there is no pip to ask.
            HostError: pip is there and does not answer; most likely a file of its is damaged.
        """
        named = self._named(*PRIMARY_INDEXES) or list(self.uv_files().default)
        if found := named or self._of_pip("global.index-url", "install.index-url", "default"):
            return found
        raise PipAbsentError

    def extra(self) -> list[str]:
        """Return the further indexes; where no variable names one and there is no pip to ask, there are none.

        Raises:
            HostError: pip is there and does not answer; most likely a file of its is damaged.
        """
        return self._named(*EXTRA_INDEXES) or self._of_pip("global.extra-index-url", "install.extra-index-url")

    def uv_files(self) -> UvFiles:
        """Return what uv's files say, read once.

        Raises:
            UsageError: one of them cannot be read.
        """
        if self._files is None:
            self._files = read_uv_files(self._environment)
        return self._files

    def _named(self, *variables: str) -> list[str]:
        return next((words for name in variables if (words := self._environment.get(name, "").split())), [])

    def _of_pip(self, *settings: str) -> list[str]:
        """Return the urls of the first of these settings that pip knows; none where there is no pip."""
        if self._asked is None:
            self._asked = self._ask_pip()
        asked = self._asked
        return next((urls for name in settings if (urls := asked.get(name, "").split())), [])

    def _ask_pip(self) -> dict[str, str]:
        argv = (sys.executable, "-c", _ASK_PIP)
        env = {name: value for name, value in self._environment.items() if name.startswith(_FOR_PIP)}
        outcome = self._commands.run(Command(argv, cwd=Path("/"), env=env, timeout_seconds=_PIP_SECONDS))
        line = next((line for line in outcome.tail if line.startswith(_MARK)), None)
        if line is None:
            raise _no_answer(f"it ended with {outcome.exit_code}")
        try:
            answer = json.loads(line.removeprefix(_MARK))
        except ValueError:  # a line is cut at 64 KiB; not shown, nor chained: an index url may hold a password
            raise _no_answer("its answer is too long") from None
        if "failed" in answer:
            raise _no_answer(_without_settings(answer["failed"]))
        return {str(name): str(value) for name, value in answer["indexes"].items()}


def _no_answer(reason: str) -> HostError:
    return HostError(
        f"pip does not say which package index it uses: {reason}",
        hint=f"correct pip's configuration (`{sys.executable} -m pip config debug` lists its files), "
        "or set PIP_INDEX_URL and PIP_EXTRA_INDEX_URL",
    )


def _without_settings(text: str) -> str:
    """Return what pip says of its failure without what it repeats of its files: that may hold a password."""
    lines = takewhile(lambda line: not line.startswith(_FILE_LINE), text.splitlines())
    return " ".join(line.strip() for line in lines if line.strip() and "://" not in line)
