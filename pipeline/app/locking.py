"""Makes what locking needs beyond the services of every command."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from pipeline.app.project import package_dir
from pipeline.errors import HostError
from pipeline.lock.tools import LockTools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.app.settings import Settings

# What the solvers are configured by; everything else of this process's environment stays here.
_SOLVERS_OWN = ("UV_", "CONDA", "MAMBA", "XDG_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "NETRC", "COVERAGE_")
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from pipeline.system.conda_front import main; main()"
BUILTIN = "builtin"
"""What ``--conda`` calls our own solver, for machines that have a conda on PATH too."""
_CONDAS = ("conda", "mamba", "micromamba")


def lock_tools(settings: Settings, *, conda: str | None, environment: Mapping[str, str] = os.environ) -> LockTools:
    """Return the solvers of this machine.

    Args:
        settings: of this run.
        conda: the user's conda, mamba or micromamba, by path or name, or ``BUILTIN``; None for the first of
            them on PATH, else our own.
        environment: of this process.

    Raises:
        HostError: ``conda`` is not there.
    """
    found = None
    if conda is None:
        found = next((path for name in _CONDAS if (path := shutil.which(name))), None)
    elif conda != BUILTIN and (found := shutil.which(conda)) is None:
        raise HostError(
            f"--conda {conda}: there is no such program", hint="leave it out to use what is on PATH, or ours"
        )
    own = {name: value for name, value in environment.items() if name.startswith(_SOLVERS_OWN)}
    return LockTools(
        python=(sys.executable, "-P"),
        front=(sys.executable, "-P", "-c", _START, str(package_dir())),
        conda=found,
        environment={**settings.child_env, **own, "PYTHONUTF8": "1"},
        repodata_dir=settings.cache_dir / "conda-repodata",
    )
