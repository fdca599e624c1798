"""Dist folders: what joining several into one did."""

from __future__ import annotations

from pipeline.model.frozen import Frozen


class JoinOutcome(Frozen):
    """What joining dist folders did, or with dry_run would do.

    Attributes:
        changed: False when everything was there.
        dry_run: nothing was changed.
        path: absolute, of the folder that holds everything.
        release: of its manifest.
        rehearsal: there are no engines in its bundles.
        planned: something says what the whole release is.
        missing: ``<target> <version>`` of what the release was to have and has not.
        added: ``<target> <version>`` of the artifacts that it did not have.
        unchanged: of those that it had.
        files_added: how many files.
        bytes_added: their size.
        files_shared: how many more names and places the same files had; each was taken once.
        bytes_shared: what that saved.
    """

    changed: bool
    dry_run: bool = False
    path: str
    release: str
    rehearsal: bool = False
    planned: bool = False
    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    files_added: int = 0
    bytes_added: int = 0
    files_shared: int = 0
    bytes_shared: int = 0
