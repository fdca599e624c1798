"""One benchmark run: started, waited for, and what it printed judged. Nothing it does can lose what others measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.gathering.ending import end
from tests.gathering.machine import find, load
from tests.gathering.protocol import complaints, is_met

if TYPE_CHECKING:
    from pathlib import Path

    from tests.gathering.programs import Program

Entry = dict[str, Any]
_SHOWN_LINES = 3


def left_out(program: Program, *, quick: bool) -> str:
    """Return why a program cannot be run here or shall not, empty where it can."""
    if quick and program.quick is None:
        return f"not in a quick run: {program.slow}"
    if missing := [name for name in program.needs if find(name) is None]:
        return f"missing here: {', '.join(missing)}"
    return ""


def run_program(program: Program, folder: Path, output: Path, *, project: Path, quick: bool) -> Entry:
    """Run one benchmark to its end and return what is kept of it.

    Its log and what it printed stay in the folder of results; its work folder goes.

    Args:
        program: of the list.
        folder: where the programs are.
        output: folder of results.
        project: root of the checkout.
        quick: with the arguments of a quick run.

    Raises:
        KeyboardInterrupt: whoever started this wants it to end; the benchmark and what it started have ended.
    """
    work = output / "work" / program.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    arguments = program.argv(output, quick=quick)
    argv = [sys.executable, folder / f"{program.name}.py", *arguments, "--work", work]
    printed, log = output / f"{program.name}.json", output / f"{program.name}.log"
    before, began = load(), time.monotonic()
    try:
        code = _run([str(part) for part in argv], printed, log, project)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    entry = {"arguments": arguments, "seconds": round(time.monotonic() - began, 1), "load": [before, load()]}
    return {**entry, **judged(code, printed.read_text(encoding="utf-8"), log.read_text(encoding="utf-8"))}


def judged(code: int, printed: str, log: str) -> Entry:
    """Return status, why, figures and details of what a benchmark left.

    An aim that is missed is a result and no failure, though a benchmark may end with 1 for it.
    """
    try:
        document = json.loads(printed)
        wrong = complaints(document)
    except ValueError:
        document, wrong = {}, ["it printed no JSON"]
    if wrong:
        last = " / ".join(line.strip() for line in log.splitlines()[-_SHOWN_LINES:] if line.strip())
        ended = f"it ended with {code}" + (f": {last}" if last else "") if code else "; ".join(wrong)
        return {"status": "failed", "why": ended, "figures": [], "left_out": []}
    figures = document.pop("figures")
    found = {"figures": figures, "left_out": document.pop("left_out", []), "details": document}
    if code and not any(is_met(figure) is False for figure in figures):
        return {"status": "failed", "why": f"it ended with {code} though no aim is missed", **found}
    return {"status": "measured", "why": "", **found}


def _run(argv: list[str], printed: Path, log: Path, project: Path) -> int:
    """Return the exit status; a group of its own, so that all that it started ends with it."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep theirs
    env |= {"PYTHONPATH": str(project), "PYTHONPYCACHEPREFIX": str(printed.parent / "pycache")}
    with printed.open("wb") as out, log.open("wb") as err:
        child = subprocess.Popen(
            argv, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env, start_new_session=True
        )
        try:
            return child.wait()
        except BaseException:
            end(child, whole_group=True)
            raise
