"""Reads PE and Mach-O files in a process of its own: whatever hostile bytes do to lief ends this process at most.

A request is a line with a path as JSON. An answer is a line with a JSON object of one key: ``card``, ``damaged`` (why
the file cannot be read) or ``absent`` (what is not installed).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.system.byte_reading import DamagedBinaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MEMORY_BYTES = 1 << 30
_CPU_SECONDS = 600  # of the whole process; the caller bounds each file, this one ends an orphan


def answers(requests: Iterable[str]) -> Iterator[str]:
    """Yield the answer to each request."""
    for request in requests:
        try:
            answer: dict[str, Any] = {"card": _read(Path(json.loads(request)))}
        except ImportError as error:
            answer = {"absent": str(error)}
        except DamagedBinaryError as error:
            answer = {"damaged": str(error)}
        except Exception as error:  # noqa: BLE001 - lief raises many kinds over damaged files
            answer = {"damaged": f"it cannot be read ({type(error).__name__}: {error})"}
        yield json.dumps(answer)


def _read(path: Path) -> dict[str, Any]:
    import lief  # noqa: PLC0415 - it may be absent, and its reader modules with it

    from pipeline.system.macho_reading import read_macho  # noqa: PLC0415 - imports lief
    from pipeline.system.pe_reading import read_pe  # noqa: PLC0415 - imports lief

    lief.logging.disable()
    with path.open("rb") as stream:
        read = read_pe if stream.read(2) == b"MZ" else read_macho
        return read(stream, stream.seek(0, os.SEEK_END)).model_dump(mode="json")


def _limit() -> None:
    """Bound this process's memory and time, where the system can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def main() -> None:
    """Answer the lines of standard input until it ends."""
    _limit()
    for answer in answers(sys.stdin):
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
