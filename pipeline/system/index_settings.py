"""Which package indexes this user has configured, for pip and for uv: locking and building ask the same ones.

No index host stands in this project: variables and files of uv and pip say which one it is, and pip itself says what
its default is.
"""

from __future__ import annotations

import json
import sys
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
# What pip finds its files and its Python by, and what it is told itself: not tokens of other programs.
_FOR_PIP = (
    "PIP_", "PYTHON", "PATH", "HOME", "XDG_CONFIG_", "APPDATA", "PROGRAMDATA", "USERPROFILE", "SYSTEMROOT",
    "VIRTUAL_ENV", "LANG", "LC_",
)  # fmt: skip
_ASK_PIP = """
import json
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
settings = Configuration(isolated=False)
settings.load()
found = dict(settings.items())
# From pip 25 on, items are grouped by file.
flat = {k: v for key, value in found.items() for k, v in (value.items() if isinstance(value, dict) else [(key, value)])}
print(json.dumps({"default": PyPI.simple_url, **{k: v for k, v in flat.items() if k.endswith("index-url")}}))
"""


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
            HostError: there is no pip to ask.
        """
        named = self._named(*PRIMARY_INDEXES) or list(self.uv_files().default)
        return named or self._ask_pip("global.index-url", "install.index-url", "default")

    def extra(self) -> list[str]:
        """Return the further indexes.

        Raises:
            HostError: there is no pip to ask.
        """
        return self._named(*EXTRA_INDEXES) or self._ask_pip("global.extra-index-url", "install.extra-index-url")

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

    def _ask_pip(self, *settings: str) -> list[str]:
        if self._asked is None:
            argv = (sys.executable, "-c", _ASK_PIP)
            env = {name: value for name, value in self._environment.items() if name.startswith(_FOR_PIP)}
            command = Command(argv, cwd=Path("/"), env=env, timeout_seconds=_PIP_SECONDS)
            outcome = self._commands.run(command)
            try:
                self._asked = {str(key): str(value) for key, value in json.loads(outcome.tail[-1]).items()}
            except (ValueError, IndexError, AttributeError) as error:
                raise HostError(
                    f"pip does not say which package index it uses (it ended with {outcome.exit_code}): "
                    f"{outcome.tail[-1] if outcome.tail else 'it said nothing'}",
                    hint="set PIP_INDEX_URL and PIP_EXTRA_INDEX_URL, or install pip beside Python",
                ) from error
        return next((urls for name in settings if (urls := self._asked.get(name, "").split())), [])
