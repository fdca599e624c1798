"""The process that works with conda packages (``conda_worker``): one for each piece of work, bounded in time.

py-rattler sometimes dies when its interpreter ends; there it ends without that, after its answer is out.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, IntegrityError, NoSpaceError, PipelineError, ProofError
from pipeline.system.bounded_child import ask
from pipeline.system.process_guard import ProcessGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

_PROJECT_DIR = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.system.conda_worker import main; main()"
WORKER = (sys.executable, "-P", "-c", _START, _PROJECT_DIR)
_LIMIT_BYTES = 16 << 20
# It reads files from outside: of this process's environment it gets what a Python starts with, and nothing secret.
_PASSED_ON = frozenset({"PATH", "SYSTEMROOT", "WINDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG"})
_COVERAGE = "COVERAGE_"
_ERRORS: dict[str, type[PipelineError]] = {
    error.__name__: error for error in (HostError, IntegrityError, NoSpaceError, ProofError)
}


def work(
    task: str,
    request: Mapping[str, object],
    *,
    seconds: float,
    home: Path | None = None,
    command: Sequence[str] = WORKER,
) -> JsonValue:
    """Have a process do one task of ``conda_worker.TASKS``; return its answer.

    Args:
        task: which.
        request: what it is told, as JSON.
        seconds: after which it is killed.
        home: what it takes for its home and temporary folder; None leaves it without one.
        command: the worker.

    Raises:
        HostError: py-rattler is not installed, the process cannot be started, or it took too long or died.
        PipelineError: what the task itself says.
        RuntimeError: the task has a mistake of ours.
    """
    env = {name: value for name, value in os.environ.items() if name in _PASSED_ON or _COVERAGE in name}
    if home is not None:
        env |= {"HOME": str(home), "TMPDIR": str(home)}
    guard = ProcessGuard()  # what is killed while it links must not write on into a folder that is being removed
    guard.prepare()
    argv = (*command, task, json.dumps(request))
    answer = ask(argv, env=env, seconds=seconds, limit_bytes=_LIMIT_BYTES, guard=guard)
    hint = "run again; if it happens again, look at the free memory, and say so in a report"
    if answer.fault:
        raise HostError(f"the process that works with conda packages failed at {task}: {answer.fault}", hint=hint)
    try:
        document = json.loads(answer.text)
    except ValueError:
        raise HostError(
            f"the process that works with conda packages died at {task} with exit code {answer.exit_code}", hint=hint
        ) from None
    if "absent" in document:
        raise HostError(
            f"py-rattler, which works with conda packages, is missing: {document['absent']}",
            hint="install the extra `environments`: pip install 'engine-pipeline[environments]'",
        )
    if "failed" in document:
        raise _ERRORS[document["failed"]](document["message"], hint=document["hint"])
    if "bug" in document:
        raise RuntimeError(document["bug"])
    result: JsonValue = document["done"]
    return result
