"""Whole lists of archive entries, without an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.system.archive_members import DEFAULT_LIMITS, Limits, ListJudge, Member

if TYPE_CHECKING:
    from collections.abc import Iterable


def judge(members: Iterable[Member], limits: Limits = DEFAULT_LIMITS) -> None:
    """Judge a list as unpacking does; raise ``IntegrityError`` where it would."""
    judge = ListJudge(limits)
    for member in members:
        judge.add(member)
    judge.finish()
