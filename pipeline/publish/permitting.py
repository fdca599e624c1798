"""What may be published: whole releases of real engines, unless something else is asked for by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import PartialReleaseError, RehearsalError
from pipeline.model.counts import counted
from pipeline.publish.dist import read_dist

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.publish.dist import Dist


class Permitted(NamedTuple):
    """What was asked for by its name.

    Attributes:
        rehearsal: a rehearsal, and nothing else.
        partial: a release that lacks what it was to have, too.
    """

    rehearsal: bool = False
    partial: bool = False


def read_permitted(folder: Path, permitted: Permitted) -> Dist:
    """Read a dist folder, and refuse what nobody asked for.

    Raises:
        RehearsalError: there are no engines in it and that was not asked for, or there are and it was.
        PartialReleaseError: the release lacks something and may not.
        UsageError, NothingSelectedError, IntegrityError: as ``dist.read_dist``.
    """
    dist = read_dist(folder)
    if dist.is_rehearsal and not permitted.rehearsal:
        raise RehearsalError(
            f"{folder} is a rehearsal: there are no engines in its bundles",
            hint="`build` without --rehearsal makes real ones; --rehearsal publishes these, into a repository of their"
            " own",
        )
    if permitted.rehearsal and not dist.is_rehearsal:
        raise RehearsalError(f"{folder} is no rehearsal: its bundles are real", hint="leave --rehearsal out")
    if dist.missing and not permitted.partial:
        raise PartialReleaseError(
            f"the release in {folder} lacks {counted(len(dist.missing), 'bundle')} of what was planned:\n"
            + "\n".join(map(str, dist.missing)),
            hint="`merge` adds what was made since; or publish it as it is with --partial",
        )
    return dist
