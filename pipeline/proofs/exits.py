"""How a program ended, in words: its exit code, or the signal or exception that ended it."""

from __future__ import annotations

from signal import Signals

_ILLEGAL = "an instruction that this machine does not run"
_MEANINGS = {
    "SIGILL": _ILLEGAL,
    "SIGBUS": "memory that could not be had",
    "SIGFPE": "arithmetic without a result",
    "SIGSEGV": "memory that is not its own",
    "SIGKILL": "killed, by us or for want of memory",
    "STATUS_ILLEGAL_INSTRUCTION": _ILLEGAL,
    "STATUS_ACCESS_VIOLATION": "memory that is not its own",
}
_STATUSES = {0xC000001D: "STATUS_ILLEGAL_INSTRUCTION", 0xC0000005: "STATUS_ACCESS_VIOLATION"}
"""What Windows ends programs with (winnt.h, ntstatus.h)."""

_ILLEGAL_INSTRUCTION = (
    "the processor, or the virtual machine around it, lists an instruction that it does not run, or the variant has"
    " one that its target does not name: take another machine, or another variant (on x86-64 avx2, which asks for no"
    " more than that)"
)


def in_words(exit_code: int) -> str:
    """Return how a program ended: ``exit code 1``, or ``exit code -4 (SIGILL: ...)`` for what a signal ended.

    Args:
        exit_code: as ``subprocess`` gives it: on Unix the negative number of a signal, on Windows a status.
    """
    name = _name(exit_code)
    if not name:
        return f"exit code {exit_code}"
    meaning = f"{name}: {_MEANINGS[name]}" if name in _MEANINGS else name
    return f"exit code {exit_code} ({meaning})"


def next_step(exit_code: int, otherwise: str) -> str:
    """Return what to do about it: of an illegal instruction what only it tells, else what is given."""
    return _ILLEGAL_INSTRUCTION if _MEANINGS.get(_name(exit_code)) == _ILLEGAL else otherwise


def _name(exit_code: int) -> str:
    if exit_code >= 0:
        return _STATUSES.get(exit_code, "")
    try:
        return Signals(-exit_code).name
    except ValueError:
        return ""
