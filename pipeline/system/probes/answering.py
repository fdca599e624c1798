"""What the probes share: finding a library, refusing its failures, and the one line of JSON that is their answer."""

from __future__ import annotations

import ctypes
import json
import sys
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_DEVICES = 64
_MAX_TEXT = 200


class Device(TypedDict, total=False):
    """A device as it is answered; the keys are those of the models in ``model.host``."""

    name: str
    kind: str
    api: str
    compute_capability: str
    memory_bytes: int


class CallError(Exception):
    """A function of a vendor's library failed."""


def load(names: Sequence[str]) -> ctypes.CDLL | None:
    """Return the first of several libraries that is there; a damaged one is an error, not absence.

    Raises:
        OSError: it is there and cannot be loaded.
    """
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            # glibc and macOS name the missing file itself; Windows has a code for it (ERROR_MOD_NOT_FOUND).
            absent = "No such file" in str(error) or "not find module" in str(error) or "no such file" in str(error)
            if not absent:
                raise
    return None


def check(what: str, code: int) -> None:
    """Refuse any result but 0.

    Raises:
        CallError: the function failed.
    """
    if code != 0:
        raise CallError(f"{what} failed with {code} ({code & 0xFFFFFFFF:#x})")


def text_of(data: bytes) -> str:
    """Return a C string as one clean line."""
    text = data.split(b"\0", 1)[0].decode("utf-8", errors="replace")
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_MAX_TEXT]


def answer(probe: Callable[[], list[Device] | None]) -> None:
    """Write the devices of a probe, which returns None when there is no loader."""
    fault, devices = "", None
    try:
        devices = probe()
    except (CallError, OSError, AttributeError, ValueError) as error:
        fault = text_of(str(error).encode()) or type(error).__name__
    found = {"loader": devices is not None or bool(fault), "devices": (devices or [])[:MAX_DEVICES], "fault": fault}
    sys.stdout.write(json.dumps(found) + "\n")
