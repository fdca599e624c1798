"""Makes what locking needs beyond the services of every command."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from pipeline.app.project import package_dir
from pipeline.errors import HostError
from pipeline.lock.tools import LockTools
from pipeline.system.index_settings import IndexSettings, PipAbsentError
from pipeline.system.index_variables import INDEX_VARIABLES, without_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.app.settings import Settings
    from pipeline.ports import CommandRunner

# What the solvers are configured by; everything else of this process's environment stays here.
_SOLVERS_OWN = ("UV_", "CONDA", "MAMBA", "XDG_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "NETRC", "COVERAGE_")
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from pipeline.system.conda_front import main; main()"
BUILTIN = "builtin"
"""What ``--conda`` calls our own solver, for machines that have a conda on PATH too."""
_CONDAS = ("conda", "mamba", "micromamba")


_FIND_LINKS = "UV_FIND_LINKS"


def lock_tools(
    settings: Settings, *, conda: str | None, commands: CommandRunner, environment: Mapping[str, str] = os.environ
) -> LockTools:
    """Return the solvers of this machine.

    Args:
        settings: of this run.
        conda: the user's conda, mamba or micromamba, by path or name, or ``BUILTIN``; None for the first of
            them on PATH, else our own.
        commands: start pip, which may be asked which index it uses.
        environment: of this process.

    Raises:
        HostError: ``conda`` is not there; or pip is, and does not say which index it uses.
        UsageError: a file of uv's cannot be read.
    """
    indexes = IndexSettings(environment, commands)
    found = None
    if conda is None:
        found = next((path for name in _CONDAS if (path := shutil.which(name))), None)
    elif conda != BUILTIN and (found := shutil.which(conda)) is None:
        raise HostError(
            f"--conda {conda}: there is no such program", hint="leave it out to use what is on PATH, or ours"
        )
    of_uv = {_FIND_LINKS, "UV_CONFIG_FILE", *INDEX_VARIABLES}
    own = {name: value for name, value in environment.items() if name.startswith(_SOLVERS_OWN) and name not in of_uv}
    return LockTools(
        python=(sys.executable, "-P"),
        front=(sys.executable, "-P", "-c", _START, str(package_dir())),
        conda=found,
        environment={**settings.child_env, **own, **_uv_indexes(indexes), "PYTHONUTF8": "1"},
        repodata_dir=settings.cache_dir / "conda-repodata",
        find_links=(
            *([_FIND_LINKS] if environment.get(_FIND_LINKS) else ()),
            *(str(path) for path in indexes.uv_files().links),
        ),
    )


def _uv_indexes(indexes: IndexSettings) -> dict[str, str]:
    """Return what tells uv to ask the indexes that a build asks, and to read no file of its own.

    uv takes the first index that has a project, and asks those of UV_INDEX before the default one.
    """
    try:
        default = indexes.default()
    except PipAbsentError:  # as in an environment that uv made; nothing else names one, and uv's default is pip's
        default = []
    found = {"UV_NO_CONFIG": "1", "UV_INDEX": " ".join(_once((*indexes.first(), *indexes.extra(), *default[1:])))}
    return {**found, "UV_DEFAULT_INDEX": default[0]} if default else found


def _once(words: Iterable[str]) -> list[str]:
    """Return indexes without those whose name or url came before: uv refuses two of one name."""
    seen: dict[str, str] = {}
    for word in words:
        url = without_name(word)
        seen.setdefault(url if url == word else word.partition("=")[0], word)
    return list(seen.values())
