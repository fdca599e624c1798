"""Works with conda packages in a process of its own, over py-rattler: one task, one answer, and an end.

The answer is a line with a JSON object: ``done`` (what the task returns), ``failed`` (name of an error class, with
``message`` and ``hint``), ``absent`` (what is not installed) or ``bug`` (a traceback).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable

# Task to the module that has the function of that name: each imports py-rattler.
TASKS = {
    "link": "pipeline.system.conda_linking",
    "solve": "pipeline.system.local_channel_solving",
    "unpack": "pipeline.system.conda_unpacking",
}


def main() -> None:
    """Do the task that ``sys.argv`` names, and end without what an interpreter does at its end."""
    task, request = sys.argv[2], json.loads(sys.argv[3])
    try:
        function: Callable[..., Any] = getattr(importlib.import_module(TASKS[task]), task)
        answer = {"done": function(**request)}
    except ImportError as error:
        answer = {"absent": str(error)}
    except PipelineError as error:
        answer = {"failed": type(error).__name__, "message": error.message, "hint": error.hint}
    except Exception:  # noqa: BLE001 - a mistake of ours: the caller shows it, nobody reads this process's stderr
        answer = {"bug": traceback.format_exc()}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    coverage_saved()
    os._exit(0)


def coverage_saved() -> None:
    """Keep what a measurement of coverage has seen; ``os._exit`` would lose it."""
    coverage = sys.modules.get("coverage")
    running = coverage.Coverage.current() if coverage is not None else None
    if running is not None:
        running.stop()
        running.save()
