"""Runs the benchmarks of tests/benchmarks and writes what they measured, side by side.

Each program of tests/benchmarks/programs.toml is run by itself, one after the other. DIR gets `performance.json`
(figures, machine, versions), `performance.md` (a table of them), and what each program printed and logged. What an
earlier run on the same machine left in DIR stays until it is measured anew, so that it can be done in parts.

Ends with 1 where a benchmark failed, with 130 after Ctrl-C; what was measured until then is kept. An aim that is missed
and a program that a benchmark needs and that is not there are said, and are no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.gathering.machine import commit, load, machine, versions
from tests.gathering.page import page, with_page
from tests.gathering.programs import Program, chosen_programs, read_programs
from tests.gathering.running import left_out, run_program

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).resolve().parents[2]
RESULT, TABLE = "performance.json", "performance.md"
SCHEMA_VERSION = 1
INTERRUPTED = 130
_ENDS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        programs = read_programs(options.programs)
        chosen = () if options.read else chosen_programs(programs, options.only)
    except (OSError, ValueError) as error:
        return _refuse(str(error))
    if options.list:
        for program in chosen:
            print(
                f"{program.name:16} {program.title}{'' if program.slow == '' else f' (not in --quick: {program.slow})'}"
            )
        return 0
    output = (options.read or options.output).absolute()
    status = 0
    try:
        if not options.read:
            output.mkdir(parents=True, exist_ok=True)
            status = Gathering(output, programs, options.programs).run(chosen, quick=options.quick)
        if options.write_docs and status != INTERRUPTED:
            write_docs(output, programs, options.docs)
    except (OSError, ValueError) as error:
        return _refuse(str(error))
    return status


class Gathering:
    """Results of one folder."""

    def __init__(self, output: Path, programs: tuple[Program, ...], folder: Path) -> None:
        self._output, self._programs, self._folder = output, programs, folder
        self._machine = machine()
        self._entries = self._earlier()

    def run(self, chosen: Sequence[Program], *, quick: bool) -> int:
        """Run programs one after the other, keeping the results after each."""
        status = 0
        # Both end it politely, also where a shell had Ctrl-C ignored because it was started in the background.
        before = {number: signal.signal(number, signal.default_int_handler) for number in _ENDS}
        try:
            for program in chosen:
                _say(f"{program.name}: {program.title}")
                entry = self._measured(program, quick=quick)
                _say(f"  {entry['status']}{': ' + entry['why'] if entry['why'] else ''}")
                status = max(status, int(entry["status"] == "failed"))
        except KeyboardInterrupt:
            _say("interrupted; what was measured is kept")
            status = INTERRUPTED
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            for name in ("work", "pycache"):
                shutil.rmtree(self._output / name, ignore_errors=True)
        self._write()
        _say(f"written: {self._output / RESULT}, {self._output / TABLE}")
        return status

    def _measured(self, program: Program, *, quick: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "name": program.name,
            "quick": quick,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "commit": commit(PROJECT),
            "arguments": program.argv(self._output, quick=quick),
            "seconds": 0.0,
            "load": [load(), load()],
            "status": "left out",
            "why": left_out(program, quick=quick),
            "figures": [],
            "left_out": [],
            "details": {},
        }
        if not entry["why"]:
            try:
                entry |= run_program(program, self._folder, self._output, project=PROJECT, quick=quick)
            except KeyboardInterrupt:
                if not self._entries.get(program.name, {}).get("figures"):
                    self._keep(entry | {"status": "interrupted", "why": "it was ended from outside"})
                raise
        elif self._entries.get(program.name, {}).get("figures"):
            return entry  # what was measured earlier says more
        self._keep(entry)
        return entry

    def _keep(self, entry: dict[str, Any]) -> None:
        place = str(self._output)
        entry["arguments"] = [argument.replace(place, "{output}") for argument in entry["arguments"]]
        self._entries[entry["name"]] = entry
        self._write()

    def _earlier(self) -> dict[str, dict[str, Any]]:
        """Return what an earlier run has left.

        Raises:
            ValueError: it is of another machine, whose figures cannot stand beside this one's, or cannot be read.
        """
        path = self._output / RESULT
        if not path.exists():
            return {}
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema_version") != SCHEMA_VERSION or document.get("machine") != self._machine:
            raise ValueError(f"{path} is of another machine or another form; choose another folder with --output")
        return {entry["name"]: entry for entry in document["programs"]}

    def _write(self) -> None:
        found, missing = versions(name for program in self._programs for name in (*program.needs, *program.peers))
        document = {
            "schema_version": SCHEMA_VERSION,
            "machine": self._machine,
            "versions": found,
            "missing": missing,
            "not_run": [one.name for one in self._programs if one.name not in self._entries],
            "programs": [self._entries[one.name] for one in self._programs if one.name in self._entries],
        }
        _replace(self._output / RESULT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        _replace(self._output / TABLE, page(document))


def write_docs(output: Path, programs: tuple[Program, ...], docs: Path) -> None:
    """Put table, figures and pictures of a folder of results into the documentation.

    Raises:
        ValueError: performance.md lacks the markers.
    """
    document = json.loads((output / RESULT).read_text(encoding="utf-8"))
    data = docs / "performance-data"
    generated = page(document, pictures_folder=f"{data.name}/")
    text = with_page((docs / "performance.md").read_text(encoding="utf-8"), generated)
    data.mkdir(exist_ok=True)
    _replace(data / RESULT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    for picture in (picture for program in programs for picture in program.pictures):
        if (output / picture).is_file():
            shutil.copyfile(output / picture, data / picture)
    _replace(docs / "performance.md", text)


def _replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)  # noqa: PTH105 - reads as what it is: one rename


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./ci/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds, and nothing that compiles")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these benchmarks; --list names them")
    parser.add_argument("--output", type=Path, default=Path("benchmarks"), metavar="DIR", help="[default: benchmarks]")
    parser.add_argument("--list", action="store_true", help="name the benchmarks, and run none")
    parser.add_argument("--read", type=Path, metavar="DIR", help="run nothing; take what an earlier run left there")
    parser.add_argument("--write-docs", action="store_true", help="replace the generated part of docs/performance.md")
    parser.add_argument("--programs", type=Path, default=PROJECT / "tests" / "benchmarks", help=argparse.SUPPRESS)
    parser.add_argument("--docs", type=Path, default=PROJECT / "docs", help=argparse.SUPPRESS)
    return parser


def _refuse(message: str) -> int:
    _say(f"error: {message}")
    return 2


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
