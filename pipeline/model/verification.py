"""What verify found: four states a file."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import Frozen

FileState = Literal["verified", "changed", "missing", "unexpected"]
SubjectKind = Literal["installation", "bundle", "dist", "repository", "mirror"]


class Finding(Frozen):
    """One file that is not verified.

    Attributes:
        path: relative to what was verified.
        state: what is wrong with it.
        detail: in words, for example which digest it has.
    """

    path: str
    state: FileState
    detail: str = ""


class FileTotal(Frozen):
    """How many files, and their bytes.

    Attributes:
        files: names; a file with several counts for each.
        size_bytes: as listed; of files that nobody listed, as found.
    """

    files: int = 0
    size_bytes: int = 0


class VerifyReport(Frozen):
    """What verify found in one place.

    Attributes:
        path: absolute.
        kind: what it is.
        trusted: the expected digests come from metadata signed under the root that the caller gave; for other kinds
            than a repository and a mirror always False: their digests are what the place itself recorded.
        verified: how many files are as they should be.
        changed: how many have other bytes, another mode or another link target.
        missing: how many are not there.
        unexpected: how many nobody listed.
        by_state: each state's files and bytes.
        by_folder: the files and bytes below each folder at the top (``blobs``, ``metadata``, ``layers``,
            ``generations`` ...), ``.`` for the files beside them.
        bytes_read: how much was hashed: each file once, however many names it has.
        seconds: wall time.
        bytes_per_second: ``bytes_read`` in that time.
        findings: every file that is not verified, sorted by path.
        notes: what there was nothing to check about, and of a mirror which lanes are fresh, in words.
        revoked: of an installation what is current, of a mirror what it holds, and was withdrawn by its publisher, with
            the reason; no file is wrong for that.
    """

    path: str
    kind: SubjectKind
    trusted: bool = False
    verified: int
    changed: int = 0
    missing: int = 0
    unexpected: int = 0
    by_state: dict[FileState, FileTotal] = {}
    by_folder: dict[str, FileTotal] = {}
    bytes_read: int
    seconds: float
    bytes_per_second: int = 0
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every file is verified and there was at least one."""
        return self.verified > 0 and not self.findings
