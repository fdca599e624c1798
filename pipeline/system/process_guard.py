"""A watcher that ends our children when we are gone, even by kill -9.

PR_SET_PDEATHSIG would reach only the direct child (a ninja, not its compilers), and setting it needs code between fork
and exec. Instead one small shell holds the reading end of a pipe: it is told the process groups that run, and when the
pipe ends, because this process ended, it ends those that are left. It works on any POSIX system.
"""

from __future__ import annotations

import subprocess
import threading
import weakref
from contextlib import suppress

# TERM lets ninja remove half-written files; what is left after two seconds is killed.
_SCRIPT = """
trap '' INT TERM HUP
groups=" "
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
  esac
done
alive=""
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null && alive="$alive $group"; done
[ -z "$alive" ] && exit 0
sleep 2
for group in $alive; do kill -s KILL -- "-$group" 2>/dev/null; done
"""


class ProcessGuard:
    """Process groups that must not outlive this process.

    What a kill -9 between the start of a program and ``watch`` (some microseconds) leaves behind is not ended.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shell: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Start the watcher, so that ``watch`` is quick."""
        self._tell("")

    def watch(self, group: int) -> None:
        """End this process group when this process ends."""
        self._tell(f"+ {group}\n")

    def forget(self, group: int) -> None:
        """Stop watching a group whose leader has ended."""
        self._tell(f"- {group}\n")

    def _tell(self, line: str) -> None:
        with self._lock, suppress(OSError):  # without the watcher everything else still works
            if self._shell is None:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", _SCRIPT],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={"PATH": "/usr/bin:/bin"},
                    cwd="/",
                    start_new_session=True,  # Ctrl-C on the terminal must not reach it
                    bufsize=0,
                )
                weakref.finalize(self, _close, self._shell)
            if self._shell.stdin is not None:
                self._shell.stdin.write(line.encode())


def _close(shell: subprocess.Popen[bytes]) -> None:
    """Let the watcher go at the end of this process; it ends what is left."""
    if shell.stdin is not None:
        shell.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        shell.wait(5)
