"""A conda that does what ``conda create --offline --file`` does, linking for real, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
_PROGRAM = """#!/bin/sh
'''exec' '{python}' "$0" "$@"
' '''
import hashlib, json, os, sys
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
    url, _, digest = line.partition("#")
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query) == ("file", "", ""), url
    read.append(Path(unquote(parts.path)))
    assert hashlib.sha256(read[-1].read_bytes()).hexdigest() == digest, url
scratch = Path(os.environ["CONDA_PKGS_DIRS"])
scratch.mkdir()
channel = read[0].parents[1]
packages = [path.relative_to(channel).as_posix() for path in read]
RattlerTool().link(channel, packages, prefix, final_prefix=prefix, scratch=scratch)
(prefix / "conda-meta/history").write_text(json.dumps([*map(str, read), str(scratch)]))
if {fails}:
    sys.exit("the solver is not amused")
"""


def write_conda(folder: Path, *, name: str = "conda", fails: bool = False) -> Path:
    """Write the program; return its path. With ``fails`` it does its work and then says that it could not."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(_PROGRAM.format(python=sys.executable, project=str(PROJECT), fails=fails))
    path.chmod(0o755)
    return path
