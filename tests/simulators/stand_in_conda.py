"""A conda that does what ``conda create --offline --file`` does with packages whose whole content is one Python."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PROGRAM = """#!{python}
import hashlib, json, os, sys
from pathlib import Path
from urllib.parse import unquote, urlsplit
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
    assert hashlib.sha256(Path(unquote(parts.path)).read_bytes()).hexdigest() == digest, url
    read.append(unquote(parts.path))
(prefix / "bin").mkdir(parents=True)
(prefix / "conda-meta").mkdir()
(prefix / "conda-meta/history").write_text(json.dumps(read + [os.environ["CONDA_PKGS_DIRS"]]))
(prefix / "bin/python").symlink_to({python!r})
if {fails}:
    sys.exit("the solver is not amused")
"""


def write_conda(folder: Path, *, name: str = "conda", fails: bool = False) -> Path:
    """Write the program; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(_PROGRAM.format(python=os.path.realpath(sys.executable), fails=fails))
    path.chmod(0o755)
    return path
