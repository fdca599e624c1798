"""A Miniforge in small: a release on loopback, and an installer that refuses what the real one does."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from pipeline.catalog.miniforge import RELEASES
from pipeline.digest import sha256_bytes
from pipeline.lock.miniforge import LICENSE
from pipeline.model.environment import MiniforgeInstaller
from tests.simulators.stand_in_conda import conda_text

if TYPE_CHECKING:
    from tests.simulators.http_server import FaultyServer

VERSION = "26.3.0-1"
FILENAME = f"Miniforge3-{VERSION}-Linux-x86_64.sh"
CALLS = "MINIFORGE_CALLS"
"""Variable that names the file in which an installer notes its home and its prefix."""
SETTINGS = "MINIFORGE_SETTINGS"
"""Variable that names the file in which an installer notes its environment."""
_HEADER = """#!/bin/sh
set -eu
batch=no
prefix=
while getopts bp: option; do
    case $option in
        b) batch=yes ;;
        p) prefix=$OPTARG ;;
        *) exit 2 ;;
    esac
done
if [ $batch = no ]; then
    echo "it would ask questions"
    exit 2
fi
case $prefix in
    *[[:space:]]*)
        echo "ERROR: Cannot install into directories with spaces"
        exit 1
        ;;
esac
if [ -e "$prefix" ]; then
    echo "ERROR: File or directory already exists: '$prefix'"
    exit 1
fi
mkdir -p "$prefix"
tail -n +{lines} "$0" | tar -xf - -C "$prefix"
printf '%s\\n' "$HOME" "$prefix" >"${{{calls}:-/dev/null}}"
env >"${{{settings}:-/dev/null}}"
exit {code}
"""


def installer(*, code: int = 0, brings: str = "bin/conda") -> bytes:
    """Return an installer that ends with ``code``, and has a conda at ``brings``."""
    header = _HEADER.format(lines=_HEADER.count("\n") + 1, calls=CALLS, settings=SETTINGS, code=code)
    program = conda_text().encode()
    payload = io.BytesIO()
    with tarfile.open(fileobj=payload, mode="w") as archive:
        member = tarfile.TarInfo(brings)
        member.size, member.mode = len(program), 0o755
        archive.addfile(member, io.BytesIO(program))
    return header.encode() + payload.getvalue()


def pinned(data: bytes, filename: str = FILENAME) -> MiniforgeInstaller:
    """Return how an installer would be pinned."""
    return MiniforgeInstaller(
        version=VERSION,
        releases=RELEASES,
        filename=filename,
        sha256=sha256_bytes(data),
        size_bytes=len(data),
        license=LICENSE,
    )


def host_release(server: FaultyServer, files: dict[str, bytes], *, said: dict[str, bytes] | None = None) -> str:
    """Host a release; return the url that releases are below.

    Args:
        server: that has it.
        files: name to installer.
        said: name to what its ``.sha256`` says, where that is not its digest.
    """
    for name, data in files.items():
        url = server.host(f"/releases/{VERSION}/{name}", data)
        line = f"{sha256_bytes(data)}  ./{name}\n".encode()
        server.host(f"/releases/{VERSION}/{name}.sha256", (said or {}).get(name, line))
    return url.partition(f"/{VERSION}/")[0]
