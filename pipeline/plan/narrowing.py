"""Leaves out of a request what only a glob took and what cannot be made as it was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pipeline.catalog import locked_environment, pinned_miniforge
from pipeline.errors import NothingSelectedError, PipelineError, UsageError
from pipeline.model.counts import listed
from pipeline.plan.choosing import decide
from pipeline.target_names import match_targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.catalog import Catalog
    from pipeline.names import Target
    from pipeline.plan.request import BuildRequest


class LeftOut(NamedTuple):
    """Targets that are not made, for one reason, although a glob took them.

    Attributes:
        targets: of the catalog; at least one.
        pattern: the glob.
        why: they cannot be made as they were asked for, as it goes on after a target's name (``: no archive``, `` is no
            environment``).
        hint: what would make them; may be empty.
    """

    targets: tuple[Target, ...]
    pattern: str
    why: str
    hint: str

    @property
    def reason(self) -> str:
        """Which, and why."""
        each = "" if len(self.targets) == 1 or self.why.startswith(":") else ": each"
        return f"{listed(list(map(str, self.targets)))}{each}{self.why.rstrip('.')}"

    def __str__(self) -> str:
        """Return all of it as one line."""
        return "; ".join(filter(None, (f"left out of {self.pattern!r}: {self.reason}", self.hint)))


def narrow(
    request: BuildRequest,
    catalog: Catalog,
    *,
    platform: str | None,
    no_toolkit: Mapping[str, PipelineError] | None = None,
) -> tuple[BuildRequest, tuple[LeftOut, ...]]:
    """Return a request for what can be made, and what was left out.

    Args:
        request: with the patterns that were given; a target that one of them names exactly stays, whatever comes of it.
        catalog: what can be made.
        platform: of this machine; None when every target is made on a machine of its own platform.
        no_toolkit: target to why nothing compiles for its accelerator here, as ``find_toolkits`` has it.

    Raises:
        UsageError: nothing is left of what a glob took, and the options make no sense for any of it.
        NothingSelectedError: nothing is left of what a glob took.
        LockError: what is locked for an environment is missing or wrong.
    """
    taken = match_targets(request.patterns, request.targets)
    named = {target for each in taken if not each.is_glob for target in each.targets}
    reasons: dict[Target, PipelineError] = {}
    for target in request.targets:
        lacking = (no_toolkit or {}).get(str(target))
        if target not in named and (error := _refusal(target, request, catalog, platform=platform, no_toolkit=lacking)):
            reasons[target] = error
    left_out: list[LeftOut] = []
    said: set[Target] = set()
    for each in taken:
        if not each.is_glob:
            continue
        refused = {target: reasons[target] for target in each.targets if target in reasons}
        unsupported = {
            target: catalog.unsupported_error(target)
            for target in catalog.unsupported_targets()
            if target.is_named(each.pattern)
        }
        if len(refused) == len(each.targets):
            is_usage = all(isinstance(error, UsageError) for error in refused.values())
            sort = UsageError if is_usage else NothingSelectedError
            raise _nothing_left(_grouped(each.pattern, {**refused, **unsupported}), sort)
        out = {target: error for target, error in {**refused, **unsupported}.items() if target not in said}
        left_out += _grouped(each.pattern, out)
        said |= out.keys()
    return replace(request, targets=tuple(target for target in request.targets if target not in said)), tuple(left_out)


def refuse(request: BuildRequest, catalog: Catalog) -> None:
    """Refuse a request of which a target cannot be made even on a machine of its own platform.

    Raises:
        PipelineError: as ``choosing.decide``, of the first.
    """
    for target in request.targets:
        if error := _refusal(target, request, catalog, platform=None):
            raise error


def _refusal(
    target: Target,
    request: BuildRequest,
    catalog: Catalog,
    *,
    platform: str | None,
    no_toolkit: PipelineError | None = None,
) -> PipelineError | None:
    """Return why a target cannot be made as asked, None when it can; neither network nor devices decide that."""
    environment = locked_environment(catalog, target) if target.engine in catalog.environments else None
    try:
        here = platform or catalog.machine_of(target)
        decide(target, request, catalog, platform=here, no_toolkit=no_toolkit, environment=environment)
    except PipelineError as error:
        return error
    if environment is not None and request.with_miniforge:
        try:
            pinned_miniforge(catalog, target)
        except NothingSelectedError as error:
            return error
    return None


def _grouped(pattern: str, refused: Mapping[Target, PipelineError]) -> list[LeftOut]:
    """Return what is left out of a glob, those together of which the same is said."""
    groups: dict[tuple[str, str], list[Target]] = {}
    for target, error in refused.items():
        message, name = error.message, str(target)
        why = message.removeprefix(name) if message.startswith((f"{name} ", f"{name}:")) else f": {message}"
        groups.setdefault((why, error.hint), []).append(target)
    return [LeftOut(tuple(targets), pattern, why, hint) for (why, hint), targets in groups.items()]


def _nothing_left(out: list[LeftOut], sort: type[PipelineError]) -> PipelineError:
    reasons = "".join(f"\n  {one.reason}" for one in out)
    hints = dict.fromkeys(one.hint for one in out if one.hint)
    return sort(
        f"nothing that {out[0].pattern!r} takes can be made as it was asked for:{reasons}", hint="; ".join(hints)
    )
