"""How people say which release they mean. Pure."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.asset_names.classify import build_number
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = re.compile(r"v(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
_BOUND = re.compile(r"(>=|<=|==|>|<)\s*b([1-9][0-9]{0,8})")
_COMPARE: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Selector:
    """Which release is meant.

    Attributes:
        kind: ``build`` is one tag ``b<N>``; ``version`` one semver tag; ``latest`` the newest complete build;
            ``stable`` what the newest semver release points to; ``range`` the newest complete build within bounds.
        text: as it was written.
        bounds: of a range: (comparison, build number); all hold.
    """

    kind: Literal["build", "version", "latest", "stable", "range"]
    text: str
    bounds: tuple[tuple[str, int], ...] = ()

    def admits(self, number: int) -> bool:
        """Tell whether a build's number is within all bounds."""
        return all(_COMPARE[sign](number, bound) for sign, bound in self.bounds)

    @property
    def lowest(self) -> int:
        """No admitted number is lower."""
        lows = [bound + (sign == ">") for sign, bound in self.bounds if sign in {">=", ">", "=="}]
        return max(lows, default=1)


def parse_selector(text: str) -> Selector:
    """Return what ``text`` selects.

    Raises:
        UsageError: it is none of the forms.
    """
    cleaned = text.strip()
    if cleaned == "latest":
        return Selector("latest", cleaned)
    if cleaned == "stable":
        return Selector("stable", cleaned)
    if build_number(cleaned) is not None and _BOUND.fullmatch(f"=={cleaned}"):
        return Selector("build", cleaned)
    if version_numbers(cleaned) is not None:
        return Selector("version", cleaned)
    bounds = [_BOUND.fullmatch(part.strip()) for part in cleaned.split(",")]
    if not all(bounds):
        raise UsageError(
            f"{text!r} selects no release",
            hint="write b11434, latest, stable, v0.4.1, or bounds such as '>=b11000' or '>=b11000,<b11500'",
        )
    return Selector("range", cleaned, tuple((match[1], int(match[2])) for match in bounds if match))


def version_numbers(tag: str) -> tuple[int, int, int] | None:
    """Return the numbers of a semver tag ``v<major>.<minor>.<patch>``, None for a tag of another shape."""
    match = _VERSION.fullmatch(tag)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None
