"""Builds that must not run any more: a signed list an engine, kept by publishers, mirrors and installations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen, Name, Sha256, UtcTime


class Revocation(Frozen):
    """One build that is not to be installed or switched to.

    Attributes:
        target: ``<engine>/<platform>-<accel>``.
        version: as upstream calls it.
        sha256: of the bundle: a rebuild under the same version is another build.
        reason: for people, one line.
        revoked_at: when it was said.
    """

    target: str = Field(min_length=1, max_length=300)
    version: Name
    sha256: Sha256
    reason: str = Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")
    revoked_at: UtcTime


class RevocationList(Frozen):
    """``revocations.json`` of an engine. It only grows: what was revoked once stays so.

    Attributes:
        schema_version: 1.
        engine: whose builds they are.
        revoked: sorted by target, version and digest, each bundle once.
    """

    schema_version: Literal[1] = 1
    engine: Name
    revoked: tuple[Revocation, ...] = ()

    def of(self, sha256: str) -> Revocation | None:
        """Return what is said against the bundle with that digest, None when nothing is."""
        return next((revocation for revocation in self.revoked if revocation.sha256 == sha256), None)
