"""Asking a program that may hang, crash or print without end: its answer is bounded in time and in size.

Unlike ``processes`` it keeps stdout apart from what libraries say on stderr, and works on Windows as well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.system.process_guard import ProcessGuard

_READ_BYTES = 1 << 14


class ChildAnswer(NamedTuple):
    """What a program answered.

    Attributes:
        exit_code: negative is the signal that ended it; None when it could not be started or was ended by us.
        text: its stdout.
        fault: why there is no whole answer; empty when it ended by itself. An exit code other than 0 is none.
    """

    exit_code: int | None
    text: str
    fault: str


def ask(
    argv: Sequence[str], *, env: Mapping[str, str], seconds: float, limit_bytes: int, guard: ProcessGuard | None = None
) -> ChildAnswer:
    """Run a program and return its stdout.

    Args:
        argv: program and arguments; no shell.
        env: the whole environment.
        seconds: after which it is killed with its children.
        limit_bytes: of stdout, after which likewise.
        guard: ends it when this process is killed.
    """
    try:
        process = subprocess.Popen(
            argv,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        return ChildAnswer(None, "", f"{argv[0]} cannot be run: {error.strerror}")
    if guard is not None:
        guard.watch(process.pid)
    data = bytearray()
    reader = threading.Thread(target=_read, args=(process, data, limit_bytes), daemon=True)
    reader.start()
    try:
        reader.join(seconds)
        fault = "it said too much" if len(data) > limit_bytes else ""
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.0 if reader.is_alive() or fault else seconds)
        if process.returncode is None:
            fault = fault or f"it did not answer within {seconds:g} s"
    finally:
        _end(process)
        reader.join(1.0)
        if guard is not None:
            guard.forget(process.pid)
    return ChildAnswer(None if fault else process.returncode, data.decode("utf-8", errors="replace"), fault)


def _read(process: subprocess.Popen[bytes], data: bytearray, limit_bytes: int) -> None:
    if process.stdout is None:
        return
    with suppress(OSError, ValueError):
        while len(data) <= limit_bytes and (chunk := os.read(process.stdout.fileno(), _READ_BYTES)):
            data += chunk


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the program and its children; its id stays taken until it was waited for."""
    if process.returncode is None:
        with suppress(OSError):
            if os.name == "posix":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
