"""Running programs, each in a session of its own, so that it can be ended with everything it started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.errors import HostError, PipelineError
from pipeline.ports import Command, CommandOutcome
from pipeline.system.disk import disk_errors
from pipeline.system.line_reading import LineReader
from pipeline.system.process_guard import ProcessGuard
from pipeline.system.resident_memory import peak_resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_READ_BYTES = 1 << 16
_GRACE_SECONDS = 3.0
_POLL_SECONDS = 0.2  # how long a pipe may stay open after its program ended (a daemon that it started has it)


class ProcessRunner:
    """Runs programs; implements ``ports.CommandRunner``.

    A program gets the environment that it is given and no other, /dev/null to read from, and no open file of ours.
    When this process is interrupted, times out or fails, the program's whole process group is ended before the error
    goes on; when this process is killed, a watcher does it (``process_guard``).
    """

    def __init__(self) -> None:
        """Make a runner; its watcher starts with the first program."""
        self._guard = ProcessGuard()

    def run(
        self, command: Command, *, log_path: Path | None = None, on_line: Callable[[str], None] | None = None
    ) -> CommandOutcome:
        """Run to the end; each output line (stdout and stderr as they come) goes to ``on_line`` and to ``log_path``.

        A program that exceeds its time has the exit code of the signal that ended it (negative).

        Raises:
            HostError: the program does not exist or may not be run.
        """
        started = time.monotonic()
        deadline = None if command.timeout_seconds is None else started + command.timeout_seconds
        with _open_log(log_path) as log, self._started(command) as process:
            reader = LineReader(log, on_line)
            if not _read_to_end(process, reader, deadline):
                _end_group(process, _GRACE_SECONDS)
                reader.feed(f"\nended after {command.timeout_seconds} seconds\n".encode())
            reader.finish()
            exit_code = process.wait()
        return CommandOutcome(exit_code=exit_code, tail=tuple(reader.tail), seconds=time.monotonic() - started)

    def start(self, command: Command, *, log_path: Path | None = None) -> RunningProcess:
        """Start a server; the caller stops it. ``command.timeout_seconds`` does not matter here.

        Raises:
            HostError: the program does not exist or may not be run.
        """
        with ExitStack() as stack:
            log = stack.enter_context(_open_log(log_path))
            self._guard.prepare()
            process = _launch(command)
            self._guard.watch(process.pid)
            return RunningProcess(process, log, closing=stack.pop_all(), ended=self._guard.forget)

    @contextmanager
    def _started(self, command: Command) -> Iterator[subprocess.Popen[bytes]]:
        self._guard.prepare()
        process = _launch(command)
        try:
            self._guard.watch(process.pid)
            yield process
        except BaseException:
            _end_group(process, _GRACE_SECONDS)
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
            self._guard.forget(process.pid)


class RunningProcess:
    """A server that runs beside this process; implements ``ports.RunningCommand``."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: Callable[[bytes], None] | None,
        *,
        closing: ExitStack,
        ended: Callable[[int], None],
    ) -> None:
        self._process = process
        self._closing = closing
        self._ended = ended
        self._stopped = False
        self._lines = LineReader(log, None)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def exit_code(self) -> int | None:
        """Return None while it runs, else its exit code (negative: the signal that ended it)."""
        return self._process.poll()

    def output(self) -> tuple[str, ...]:
        """Return its last lines so far, at most 200."""
        with self._lock:
            return tuple(self._lines.tail)

    def peak_resident_bytes(self) -> int | None:
        """Return the most memory it and its children have had resident; None once it ended, or where nobody knows."""
        return None if self.exit_code() is not None else peak_resident_bytes(self._process.pid)

    def stop(self, *, grace_seconds: float) -> int:
        """Ask it to end, kill it and its children after ``grace_seconds``; return the exit code (negative: signal)."""
        if self._stopped:  # the process id may be somebody else's by now
            return self._process.wait()
        self._stopped = True
        _end_group(self._process, grace_seconds)
        exit_code = self._process.wait()
        self._thread.join(_GRACE_SECONDS)
        self._closing.close()
        self._ended(self._process.pid)
        return exit_code

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with suppress(
            OSError, ValueError, PipelineError
        ):  # the log's disk may be full; the caller sees the server fail
            while data := os.read(stream.fileno(), _READ_BYTES):
                with self._lock:
                    self._lines.feed(data)
        with self._lock:
            self._lines.finish()


def _launch(command: Command) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=dict(command.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        program = command.argv[0]
        if not command.cwd.is_dir():
            raise HostError(f"cannot run {program} in {command.cwd}: no such folder") from error
        raise HostError(
            f"cannot run {program}: {error.strerror}", hint="install it, or name another one (PATH, CC, CXX)"
        ) from error


def _read_to_end(process: subprocess.Popen[bytes], reader: LineReader, deadline: float | None) -> bool:
    """Pass output on until the program ended and its pipe is empty; False when the deadline came first."""
    if process.stdout is None:
        return True
    descriptor = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if selector.select(_POLL_SECONDS):
                data = os.read(descriptor, _READ_BYTES)
                if not data:
                    return _wait_until(process, deadline)
                reader.feed(data)
            elif process.poll() is not None:
                return True
            if deadline is not None and time.monotonic() > deadline:
                return False


def _wait_until(process: subprocess.Popen[bytes], deadline: float | None) -> bool:
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end_group(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ask the group to end, and kill what is left of it; its leader's id stays taken while any of it lives."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _open_log(path: Path | None) -> Iterator[Callable[[bytes], None] | None]:
    if path is None:
        yield None
        return
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("ab", buffering=0)  # nothing is left to be written, and to fail, when it is closed

    def append(data: bytes) -> None:
        with disk_errors(path.parent):
            view = memoryview(data)
            while view:
                view = view[stream.write(view) :]  # unbuffered: a write may take less

    with stream:
        yield append
