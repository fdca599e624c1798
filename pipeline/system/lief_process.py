"""The process that reads PE and Mach-O files (``lief_worker``): one for many files, a new one after it died."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import HostError, IntegrityError
from pipeline.model.binary import BinaryCard

if TYPE_CHECKING:
    from collections.abc import Sequence

_TIMEOUT_SECONDS = 60.0
_PROJECT_DIR = str(Path(__file__).resolve().parents[2])
_START = "import sys; sys.path.insert(0, sys.argv[1]); from pipeline.system.lief_worker import main; main()"
WORKER = (sys.executable, "-P", "-c", _START, _PROJECT_DIR)
_HINT = "make or download it anew"
# It parses files from outside: of this process's environment it gets what a Python starts with, and nothing secret.
_PASSED_ON = frozenset({"PATH", "SYSTEMROOT", "WINDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG"})
_COVERAGE = "COVERAGE_"


class LiefProcess:
    """Reads PE and Mach-O files without ever holding one in memory, or dying of one."""

    def __init__(self, command: Sequence[str] = WORKER, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Start nothing yet; ``command`` is the worker, ``timeout_seconds`` holds for each file."""
        self._command = tuple(command)
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> BinaryCard:
        """Return the card of a PE or Mach-O file.

        Raises:
            IntegrityError: it cannot be read; it names the file.
            HostError: lief is not installed, or the process cannot be started.
        """
        with self._lock:
            answer = json.loads(self._ask(path))
        if "absent" in answer:
            raise HostError(
                f"{path.name} is a Windows or macOS binary, and lief, which reads them, is missing: {answer['absent']}",
                hint="install the extra `build`: pip install 'engine-pipeline[build]'",
            )
        if "damaged" in answer:
            raise IntegrityError(f"{path} is a damaged binary: {answer['damaged']}", hint=_HINT)
        return BinaryCard.model_validate(answer["card"], strict=False)

    def _ask(self, path: Path) -> str:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        process = self._process or self._start()
        timer = threading.Timer(self._timeout_seconds, process.kill)
        timer.start()
        line = ""
        with suppress(OSError, ValueError):
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(json.dumps(str(path.resolve())) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
        late = not timer.is_alive()
        timer.cancel()
        if line.endswith("\n"):
            return line
        self.close()
        why = f"reading it took more than {self._timeout_seconds:g} s" if late else "reading it ended the reader"
        raise IntegrityError(f"{path} is a damaged binary: {why}", hint=_HINT)

    def _start(self) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="ascii",
                env={name: value for name, value in os.environ.items() if name in _PASSED_ON or _COVERAGE in name},
                start_new_session=True,  # Ctrl-C is for us; it ends when its input does, and so with us
            )
        except OSError as error:
            raise HostError(f"cannot run {self._command[0]}: {error.strerror}") from error
        self._process = process
        self._end = weakref.finalize(self, _end, process)
        return process

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process = None
            self._end()


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.kill()
    process.wait()
