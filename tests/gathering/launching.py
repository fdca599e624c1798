"""One process measured from outside: wall time, peak memory, processor time; it never outlives whoever measures it.

A small process starts what is measured, because a child's peak counts what its parent had when it was forked. What
ends the measuring process (Ctrl-C, SIGTERM) ends the small one, and that ends its child before it goes; until there is
a child, and while it is started, signals wait.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ENDS = (signal.SIGINT, signal.SIGTERM)
_END_SECONDS = 10
_LAUNCH = """
import json, os, signal, sys, time
ends = {signal.SIGINT, signal.SIGTERM}
def end(number, frame):
    sys.exit(128 + number)
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
for number in ends:
    signal.signal(number, end)
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setsigmask=(), setsigdef=ends, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
    _, status, used = os.wait4(child, 0)
except BaseException:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise
wall = time.perf_counter() - began
print(json.dumps([wall, used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10),
    used.ru_utime + used.ru_stime]))
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Measured(NamedTuple):
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        peak_mb: largest resident set, MiB.
        processor_seconds: its own and the kernel's for it.
    """

    seconds: float
    peak_mb: float
    processor_seconds: float


def measured(argv: Sequence[str | Path], *, env: Mapping[str, str]) -> Measured:
    """Run a program to its end and return what it took; what it prints is dropped.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    launch = [sys.executable, "-S", "-c", _LAUNCH, *map(str, argv)]
    with running(launch, env=env, stdout=subprocess.PIPE) as child:
        printed, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, list(map(str, argv)))
    return Measured(*json.loads(printed))


@contextmanager
def running(argv: Sequence[str], *, env: Mapping[str, str], stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that has ended when this is left, whatever ends it: asked first, so that it ends its own."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    child = None
    try:
        child = subprocess.Popen(argv, env=dict(env), stdout=stdout)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield child
    except BaseException:
        if child is not None:
            _end(child)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end what is within by ``KeyboardInterrupt``.

    A shell that starts a program in the background has it ignore Ctrl-C, and SIGTERM ends Python without cleaning up.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in _ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
