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


class VerifyReport(Frozen):
    """What verify found in one place.

    Attributes:
        path: absolute.
        kind: what it is.
        trusted: the expected digests come from metadata signed under the root that the caller gave; for other kinds
            than a repository always False: their digests are what the place itself recorded.
        verified: how many files are as they should be.
        changed: how many have other bytes, another mode or another link target.
        missing: how many are not there.
        unexpected: how many nobody listed.
        bytes_read: how much was hashed.
        seconds: wall time.
        findings: every file that is not verified, sorted by path.
        notes: what there was nothing to check about, in words.
        revoked: of an installation, what is current and was withdrawn by its publisher, with the reason; no file is
            wrong for that.
    """

    path: str
    kind: SubjectKind
    trusted: bool = False
    verified: int
    changed: int = 0
    missing: int = 0
    unexpected: int = 0
    bytes_read: int
    seconds: float
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every file is verified and there was at least one."""
        return self.verified > 0 and not self.findings
