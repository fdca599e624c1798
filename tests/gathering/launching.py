"""One process measured from outside: wall time, peak memory, processor time; it never outlives whoever measures it.

A small process starts what is measured, because a child's peak counts what its parent had when it was forked. What
ends the measuring process (Ctrl-C, SIGTERM) ends the small one, and that ends its child before it goes; while a process
is started or ended, signals wait.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.gathering.ending import end

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_ENDS = (signal.SIGINT, signal.SIGTERM)
# Signals are taken one by one and interrupt nothing: a process that was waited for, whose number may be another's by
# then, is never killed. Of a program that is stopped SIGCHLD tells too.
_LAUNCH = """
import json, os, signal, sys, time
ends = {signal.SIGINT, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, {*ends, signal.SIGCHLD})
for number in (*ends, signal.SIGCHLD):
    signal.signal(number, lambda *_: None)
began = time.perf_counter()
child = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, setsigmask=(), setsigdef=ends, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
ended, pid = 0, 0
while not pid:
    number = signal.sigwait({*ends, signal.SIGCHLD})
    if number in ends and not ended:
        ended = number
        os.kill(child, signal.SIGKILL)
    pid, status, used = os.wait4(child, os.WNOHANG)
wall = time.perf_counter() - began
if ended:
    sys.exit(128 + ended)
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


def measured(argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None) -> Measured:
    """Run a program to its end and return what it took; its standard output is dropped, its errors are shown.

    Args:
        argv: the program, found by PATH where it has no folder, and its arguments.
        env: all of its variables.
        cwd: its folder; None for this process's.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    launch = [sys.executable, "-S", "-c", _LAUNCH, *map(str, argv)]
    with running(launch, env=env, stdout=subprocess.PIPE, cwd=cwd) as child:
        printed, _ = child.communicate()
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, list(map(str, argv)))
    return Measured(*json.loads(printed))


@contextmanager
def running(
    argv: Sequence[str], *, env: Mapping[str, str], stdout: int, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Give a process that has ended when this is left, however that is; its pipe is closed then.

    It is asked first, so that it ends its own. It starts with signals blocked, and takes them when it can.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    child = None
    try:
        child = subprocess.Popen(argv, env=dict(env), stdout=stdout, cwd=cwd)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield child
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        if child is not None:
            end(child)
            if child.stdout is not None:
                child.stdout.close()
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
