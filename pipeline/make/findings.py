"""What a proof finds wrong: collected, so that one run shows it all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import ProofError
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Sequence


class Finding(NamedTuple):
    """One thing that does not hold.

    Attributes:
        message: what, with the file and what was found and wanted.
        hint: what to do about it.
    """

    message: str
    hint: str = ""


def refuse(findings: Sequence[Finding], *, shown: int, about: str = "") -> None:
    """Raise everything that was found, nothing where there is nothing.

    Args:
        findings: in the order in which they are shown; the hint is the first one's.
        shown: how many; of the others the number is said.
        about: what it is about, for the beginning.

    Raises:
        ProofError: there is something.
    """
    if not findings:
        return
    lines = [finding.message for finding in findings[:shown]]
    more = [f"and {len(findings) - shown} more"] if len(findings) > shown else []
    first = [f"{about}: {counted(len(findings), 'thing')} do not hold"] if about and len(findings) > 1 else []
    if about and len(findings) == 1:
        lines = [f"{about}: {lines[0]}"]
    raise ProofError("\n  ".join([*first, *lines, *more]), hint=findings[0].hint)
