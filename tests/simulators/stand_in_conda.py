"""A conda that does what ``conda create --offline --file`` does, linking for real, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_PROGRAM = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
' '''
import json, os, re, sys
from pathlib import Path
from urllib.parse import unquote, urlsplit
sys.path.insert(0, {project!r})
from pipeline.system.conda_tool import RattlerTool
arguments = sys.argv[1:]
assert arguments[0] == "create" and {{"--yes", "--offline"}} <= set(arguments), arguments
prefix = Path(arguments[arguments.index("--prefix") + 1])
lines = Path(arguments[arguments.index("--file") + 1]).read_text().splitlines()
assert lines[0] == "@EXPLICIT", lines
read = []
for line in lines[1:]:
    parts = urlsplit(line)
    assert (parts.scheme, parts.netloc, parts.query) == ("file", "", ""), line
    # conda before 24.9 knows nothing but md5 there
    assert re.fullmatch("(?:[0-9a-f]{{32}})?", parts.fragment), f"could not parse explicit url: {{line}}"
    read.append(Path(unquote(parts.path)))
scratch = Path(os.environ["CONDA_PKGS_DIRS"])
scratch.mkdir()
channel = read[0].parents[1]
packages = [path.relative_to(channel).as_posix() for path in read]
RattlerTool().link(channel, packages, prefix, final_prefix=prefix, scratch=scratch)
(prefix / "conda-meta/history").write_text(json.dumps([*map(str, read), str(scratch)]))
if {fails}:
    sys.exit("the solver is not amused")
"""


def conda_text(*, fails: bool = False) -> str:
    """Return the program. With ``fails`` it does its work and then says that it could not."""
    return _PROGRAM.format(python=sys.executable, project=str(PROJECT), fails=fails)


def write_conda(folder: Path, *, name: str = "conda", fails: bool = False) -> Path:
    """Write the program; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(conda_text(fails=fails))
    path.chmod(0o755)
    return path
