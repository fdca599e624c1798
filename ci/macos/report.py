"""Checks that stand on each other, run one after the other; their table for people and their report for programs."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Status = Literal["PASS", "FAIL", "SKIP"]


class CheckFailedError(Exception):
    """What a check looks at is not as it should be; the text says how it is."""


class CheckSkippedError(Exception):
    """What a check needs is not here; the text says what."""


@dataclass(frozen=True)
class Check:
    """One thing to look at.

    Attributes:
        name: of the check.
        look: looks, and says in a line what it saw; raises one of the errors above.
        needs: names of checks without which it makes no sense.
    """

    name: str
    look: Callable[[], str]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a check went.

    Attributes:
        name: of the check.
        status: of it.
        detail: what was seen, or why it failed or was left out.
        seconds: that it took.
    """

    name: str
    status: Status
    detail: str
    seconds: float


def run_checks(checks: Sequence[Check], *, tell: Callable[[str], None]) -> list[Outcome]:
    """Run checks in order; one that needs what did not pass is left out, and a failure ends nothing else."""
    outcomes: list[Outcome] = []
    for check in checks:
        passed = {outcome.name for outcome in outcomes if outcome.status == "PASS"}
        missing = [name for name in check.needs if name not in passed]
        if missing:
            outcomes.append(Outcome(check.name, "SKIP", f"needs {', '.join(missing)}", 0.0))
            continue
        tell(f"{check.name} ...")
        began = time.monotonic()
        status: Status
        try:
            status, detail = "PASS", check.look()
        except CheckSkippedError as reason:
            status, detail = "SKIP", str(reason)
        except Exception as error:  # noqa: BLE001 - whatever happens to one check, the report is written
            known = isinstance(error, CheckFailedError)
            status, detail = "FAIL", str(error) if known else f"{type(error).__name__}: {error}"
        outcomes.append(Outcome(check.name, status, detail, round(time.monotonic() - began, 1)))
    return outcomes


def table(outcomes: Sequence[Outcome]) -> str:
    """Return outcomes as lines of text; of a long detail the first line is shown."""
    width = max(len(outcome.name) for outcome in outcomes)
    lines = []
    for outcome in outcomes:
        first = outcome.detail.splitlines()[0] if outcome.detail else ""
        lines.append(f"{outcome.status}  {outcome.name:{width}}  {outcome.seconds:6.1f} s  {first}".rstrip())
    return "\n".join(lines)


def document(outcomes: Sequence[Outcome], *, about: dict[str, str]) -> dict[str, object]:
    """Return the report as plain JSON: what was looked at, each outcome, and whether none failed."""
    return {
        "schema_version": 1,
        "about": about,
        "ok": all(outcome.status != "FAIL" for outcome in outcomes),
        "checks": [asdict(outcome) for outcome in outcomes],
    }
