"""Leaves out of a request what only a glob took and what cannot be made as it was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipeline.catalog import locked_environment, pinned_miniforge
from pipeline.errors import NothingSelectedError, PipelineError
from pipeline.plan.choosing import decide
from pipeline.target_names import match_targets

if TYPE_CHECKING:
    from pipeline.catalog import Catalog
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest


class LeftOut(NamedTuple):
    """A target that is not made although a glob took it.

    Attributes:
        target: of the catalog.
        pattern: the glob.
        why: it cannot be made as it was asked for.
        hint: what would make it; may be empty.
    """

    target: Target
    pattern: str
    why: str
    hint: str

    def __str__(self) -> str:
        """Return all of it as one line."""
        name = str(self.target)
        why = self.why if name in self.why else f"{name}: {self.why}"
        return "; ".join(filter(None, (f"left out of {self.pattern!r}: {why.rstrip('.')}", self.hint)))


def narrow(
    request: BuildRequest, catalog: Catalog, *, platform: str | None
) -> tuple[BuildRequest, tuple[LeftOut, ...]]:
    """Return a request for what can be made, and what was left out.

    Args:
        request: with the patterns that were given; a target that one of them names exactly stays, whatever comes of it.
        catalog: what can be made.
        platform: of this machine; None when every target is made on a machine of its own platform.

    Raises:
        NothingSelectedError: nothing is left of what a glob took.
        LockError: what is locked for an environment is missing or wrong.
    """
    taken = match_targets(request.patterns, request.targets)
    named = {target for each in taken if not each.is_glob for target in each.targets}
    reasons: dict[Target, PipelineError] = {}
    for target in request.targets:
        if target not in named and (error := _refusal(target, request, catalog, platform=platform)):
            reasons[target] = error
    left_out: dict[Target, LeftOut] = {}
    for each in taken:
        refused = [(target, reasons[target]) for target in each.targets if target in reasons]
        out = [LeftOut(target, each.pattern, error.message, error.hint) for target, error in refused]
        if len(out) == len(each.targets):
            raise _nothing_left(out)
        left_out = {**{one.target: one for one in out}, **left_out}
    targets = tuple(target for target in request.targets if target not in left_out)
    return replace(request, targets=targets), tuple(left_out.values())


def refuse(request: BuildRequest, catalog: Catalog) -> None:
    """Refuse a request of which a target cannot be made even on a machine of its own platform.

    Raises:
        PipelineError: as ``choosing.decide``, of the first.
    """
    for target in request.targets:
        if error := _refusal(target, request, catalog, platform=None):
            raise error


def _refusal(target: Target, request: BuildRequest, catalog: Catalog, *, platform: str | None) -> PipelineError | None:
    """Return why a target cannot be made as asked, None when it can; neither network nor devices decide that."""
    environment = locked_environment(catalog, target) if target.engine in catalog.environments else None
    try:
        decide(target, request, catalog, platform=platform or target.platform, environment=environment)
    except PipelineError as error:
        return error
    if environment is not None and request.with_miniforge:
        try:
            pinned_miniforge(catalog, target)
        except NothingSelectedError as error:
            return error
    return None


def _nothing_left(out: list[LeftOut]) -> NothingSelectedError:
    reasons = "".join(f"\n  {one.why}" for one in out)
    hints = dict.fromkeys(one.hint for one in out if one.hint)
    return NothingSelectedError(
        f"nothing that {out[0].pattern!r} takes can be made as it was asked for:{reasons}", hint="; ".join(hints)
    )
