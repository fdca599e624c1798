"""Linking conda packages of a local channel, by a process that ends with the work (``conda_link_worker``)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, IntegrityError, NoSpaceError
from pipeline.system.bounded_child import ask
from pipeline.system.process_guard import ProcessGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TIMEOUT_SECONDS = 1800.0  # 40 packages take seconds; a slow disk is given much more
_ANSWER_BYTES = 1 << 16
_PROJECT_DIR = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.system.conda_link_worker import main; main()"
WORKER = (sys.executable, "-P", "-c", _START, _PROJECT_DIR)
# Nothing of the user's settings of conda or rattler, and nothing secret: packages are at hand.
_PASSED_ON = frozenset({"PATH", "SYSTEMROOT", "WINDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG"})
_COVERAGE = "COVERAGE_"
MISSING_HINT = "install the extra `environments`: pip install 'engine-pipeline[environments]'"


def link(
    channel: Path,
    packages: Sequence[str],
    prefix: Path,
    *,
    final_prefix: Path,
    scratch: Path,
    worker: Sequence[str] = WORKER,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> None:
    """Link packages of a local channel into a new folder; see ``ports.CondaTool.link``.

    The sha256 of every package is compared with the channel's repodata first. What unpacked packages ``scratch`` has
    is used again. Scripts of packages are not run. An interruption ends the process that links.

    Raises:
        IntegrityError: a package is damaged, or not what the channel's repodata says.
        HostError: py-rattler is not installed or crashes, or the prefix cannot be written.
        NoSpaceError: the disk is full.
    """
    request = {
        "channel": str(channel.absolute()),
        "packages": list(packages),
        "prefix": str(prefix.absolute()),
        "final_prefix": str(final_prefix),
        "scratch": str(scratch.absolute()),
    }
    env = {name: value for name, value in os.environ.items() if name in _PASSED_ON or _COVERAGE in name}
    guard = ProcessGuard()
    guard.prepare()
    found = ask(
        (*worker, json.dumps(request)), env=env, seconds=timeout_seconds, limit_bytes=_ANSWER_BYTES, guard=guard
    )
    if found.fault:
        raise HostError(f"linking the conda packages into {final_prefix} failed: {found.fault}")
    try:
        answer = json.loads(found.text)
    except ValueError:
        code = found.exit_code or 0
        ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise HostError(
            f"linking the conda packages into {final_prefix} failed: py-rattler ended with {ended}",
            hint=f"another build of it may work; {MISSING_HINT}",
        ) from None
    _judge(answer, final_prefix)


def _judge(answer: Mapping[str, str], final_prefix: Path) -> None:
    """Raise what an answer other than ``linked`` means."""
    if "damaged" in answer:
        raise IntegrityError(answer["damaged"], hint="the bundle is damaged, or its publisher made it wrong")
    if "absent" in answer:
        raise HostError(f"py-rattler, which links conda packages, is missing: {answer['absent']}", hint=MISSING_HINT)
    if "full" in answer:
        raise NoSpaceError(
            f"no space left while linking conda packages into {final_prefix}: {answer['full']}",
            hint="free some space, or choose another root",
        )
    if "refused" in answer:
        raise HostError(f"{final_prefix} cannot be written: {answer['refused']}", hint="choose another root")
    if "failed" in answer:
        raise IntegrityError(
            f"the conda packages cannot be linked: {answer['failed']}", hint="the bundle is not what it promises"
        )
