"""A child process that dies, as by kill -9, right before its n-th change of the file system."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable

# Python's audit events of calls that change folders or files; "open" counts when it can write.
_CHANGES = frozenset(
    {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "open"}
)
_DIED = 99
_FAILED = 98


def dies_before(number: int, action: Callable[[], object]) -> bool:
    """Run ``action`` in a child that dies before change ``number`` (1 is the first); tell whether it got that far.

    Raises:
        AssertionError: the action itself failed; its traceback is on stderr.
    """
    child = os.fork()
    if child == 0:
        code = 0
        sys.settrace(None)  # what coverage would see here is lost with the child; it took half the time
        threading.settrace(None)
        try:
            _arm(number)
            action()
        except BaseException:  # noqa: BLE001 - a child of fork must never return into pytest
            traceback.print_exc()
            code = _FAILED
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in {0, _DIED}, f"the action failed before change {number} (exit {code})"
    return code == _DIED


def _arm(number: int) -> None:
    left = number

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in _CHANGES or (event == "open" and not _writes(arguments)):
            return
        left -= 1
        if left == 0:
            os._exit(_DIED)

    sys.addaudithook(watch)


def _writes(arguments: tuple[object, ...]) -> bool:
    path, _, flags = arguments
    writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    return bool(writing) and path != os.devnull
