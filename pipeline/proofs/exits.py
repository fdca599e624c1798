"""How a program ended, in words: its exit code, or the signal that ended it."""

from __future__ import annotations

from signal import Signals

_SIGNALS = {
    "SIGILL": "an instruction that this machine does not run",
    "SIGBUS": "memory that could not be had",
    "SIGFPE": "arithmetic without a result",
    "SIGSEGV": "memory that is not its own",
    "SIGKILL": "killed, by us or for want of memory",
}
_ILLEGAL_INSTRUCTION = (
    "the processor, or the virtual machine around it, lists an instruction that it does not run (AVX-512, AMX), or the"
    " bundle asks for more than its target says: run the proof on another machine, or make a bundle for one processor"
    " level, such as avx2"
)


def in_words(exit_code: int) -> str:
    """Return how a program ended: ``exit code 1``, or ``exit code -4 (SIGILL: ...)`` for what a signal ended.

    Args:
        exit_code: as ``subprocess`` gives it: the negative number of the signal.
    """
    name = _signal_name(exit_code)
    if not name:
        return f"exit code {exit_code}"
    return (
        f"exit code {exit_code} ({name}: {_SIGNALS[name]})" if name in _SIGNALS else f"exit code {exit_code} ({name})"
    )


def next_step(exit_code: int, otherwise: str) -> str:
    """Return what to do about it: of an illegal instruction what only it tells, else what is given."""
    return _ILLEGAL_INSTRUCTION if _signal_name(exit_code) == "SIGILL" else otherwise


def _signal_name(exit_code: int) -> str:
    try:
        return Signals(-exit_code).name if exit_code < 0 else ""
    except ValueError:
        return ""
