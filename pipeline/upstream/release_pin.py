"""Pins a release: which one, with what evidence, and the files that are kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.catalog.pins import attestation_path
from pipeline.catalog.upstream import read_pinned_release
from pipeline.errors import NothingSelectedError
from pipeline.model.manifest_document import write_document
from pipeline.upstream.evidence import gather
from pipeline.upstream.pinning import make_pin
from pipeline.upstream.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pipeline.ports import Disk
    from pipeline.upstream.evidence import EvidenceSources
    from pipeline.upstream.listing import ReleaseList
    from pipeline.upstream.pinning import Evidence, Permissions, Pinning
    from pipeline.upstream.resolve import Resolution, Wish
    from pipeline.upstream.selectors import Selector


@dataclass(frozen=True, slots=True)
class MadePin:
    """A pin that is not kept yet.

    Attributes:
        path: of its file.
        pinning: the pin and what was found on the way.
        statements: the attestations that were verified, by the path where a build looks for each.
        is_new: whether the file is not there, or has other bytes.
    """

    path: Path
    pinning: Pinning
    statements: dict[Path, bytes]
    is_new: bool


def whole_release(
    selector: Selector,
    releases: ReleaseList,
    wish: Wish,
    read_pointer: Callable[[str], bytes | None],
    *,
    allow_partial: bool,
) -> Resolution:
    """Return the release to pin; one of which it is not known whether it is whole is taken.

    Raises:
        NothingSelectedError: it is partial and that is not allowed; otherwise as ``resolve``.
    """
    found = resolve(selector, releases, wish, read_pointer)
    if found.state.complete is False and not allow_partial:
        raise NothingSelectedError(
            f"{found.release.tag} is partial: it lacks {', '.join(found.state.lacks) or 'files that are coming'}",
            hint="wait, name another release, or give --allow-partial",
        )
    return found


def pin_release(
    folder: Path, found: Resolution, wish: Wish, sources: EvidenceSources, permissions: Permissions
) -> MadePin:
    """Make the pin of a release, against the one that is there; nothing is written.

    Args:
        folder: of the engine's pins.
        found: the release.
        wish: has the engine's preferences and the parts of its archives.
        sources: of evidence.
        permissions: what may be done against the rules.

    Raises:
        RecipeError: the pin that is there is wrong.
        PipelineError: as ``gather`` and ``make_pin``.
    """
    path = folder / f"{found.release.tag}.json"
    old = read_pinned_release(path) if path.is_file() else None
    evidence = gather(found.release, wish.preferences.repository, sources)
    pinning = make_pin(found.release, wish.preferences, evidence, parts=wish.parts, old=old, permissions=permissions)
    is_new = not path.is_file() or path.read_bytes() != write_document(pinning.release)
    return MadePin(path, pinning, _statements(folder, evidence.values()), is_new)


def keep_pin(made: MadePin, disk: Disk) -> None:
    """Write what is not there yet: the statements first, since a pin that is attested needs them."""
    for path, data in made.statements.items():
        if not path.is_file() or path.read_bytes() != data:
            disk.make_dirs(path.parent)
            disk.replace_file(path, data, staging_dir=path.parent)
    if made.is_new:
        disk.make_dirs(made.path.parent)
        disk.replace_file(made.path, write_document(made.pinning.release), staging_dir=made.path.parent)


def _statements(folder: Path, evidence: Iterable[Evidence]) -> dict[Path, bytes]:
    return {attestation_path(folder, each.sha256): each.statement for each in evidence if each.statement is not None}
