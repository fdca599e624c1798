"""Upstream releases: what a file name means, and the pinned list of one release's files.

A pin is ``recipes/upstream/<engine>/<tag>.json``: written by ci/update_pins from a listing, reviewed as a diff, and
from then on the only thing that says which bytes a target is fetched from.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline.model.frozen import CommitId, FileName, Frozen, Name, Sha256, UtcTime
from pipeline.model.source import HttpUrl

TrustLevel = Literal["pinned", "digest", "attested"]
"""How an archive's digest is vouched for, weakest first: ``pinned``, we hashed what we got and keep to it; ``digest``,
the release API listed it too; ``attested``, upstream's signed attestation names it."""

TRUST_LEVELS: tuple[TrustLevel, ...] = ("pinned", "digest", "attested")
AssetKind = Literal["engine", "runtime", "ui", "framework"]


class AssetMeaning(Frozen):
    """What the name of a release's file says.

    Attributes:
        name: as it is published.
        kind: an engine with its libraries, the vendor runtime that one needs, the web interface alone, or an Apple
            framework.
        tag: of the release; None where the name carries none.
        platform: in this project's spelling, also for systems that no target is for (``android-arm64``); None for
            what runs nowhere by itself.
        accel: in this project's spelling; None as above.
        qualifiers: what is left, in the order of the name (``fp16``, ``kleidiai``, ``gfx1030``).
        format: ``tar.gz`` or ``zip``.
    """

    name: FileName
    kind: AssetKind
    tag: str | None
    platform: str | None
    accel: str | None
    qualifiers: tuple[str, ...] = ()
    format: Literal["tar.gz", "zip"]


class PinnedAsset(Frozen):
    """One file of a pinned release.

    Attributes:
        name: as it is published.
        urls: where it is, in order; a mirror changes where bytes come from, never which digest they must have.
        size_bytes: a download stops one byte past it.
        sha256: lower-case hex.
        level: how the digest was vouched for when the pin was made; never sinks afterwards.
    """

    name: FileName
    urls: tuple[HttpUrl, ...] = Field(min_length=1)
    size_bytes: int = Field(gt=0)
    sha256: Sha256
    level: TrustLevel


class PinnedRelease(Frozen):
    """One upstream release, complete, as it was when it was pinned.

    Attributes:
        schema_version: 1.
        engine: whose release it is.
        repository: ``owner/name``; forks make tags that look alike.
        tag: upstream's.
        build_number: what ``--version`` must say.
        commit: of the tag, None where the listing does not say it.
        published_at: RFC 3339, UTC; becomes the time stamp of every file made from it.
        assets: every file of the release, by name.
        targets: ``<platform>-<accel>`` to the archives that make it, the engine's first, then those it cannot do
            without (a CUDA runtime). A target that is not here is not fetched.
        notes: what somebody accepted against the rules when it was pinned, with the reason.
    """

    schema_version: Literal[1]
    engine: Name
    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$")
    tag: Name
    build_number: int = Field(gt=0)
    commit: CommitId | None = None
    published_at: UtcTime
    assets: tuple[PinnedAsset, ...] = Field(min_length=1)
    targets: dict[Name, tuple[FileName, ...]]
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _targets_name_assets(self) -> Self:
        names = [asset.name for asset in self.assets]
        if len(set(names)) != len(names):
            raise ValueError("two assets have one name")
        for target, archives in self.targets.items():
            if not archives or len(set(archives)) != len(archives):
                raise ValueError(f"targets.{target} names no archive, or one twice")
            if unknown := sorted(set(archives) - set(names)):
                raise ValueError(f"targets.{target} names {unknown[0]!r}, which is no asset of the release")
        return self

    def asset(self, name: str) -> PinnedAsset:
        """Return the asset of that name, which ``targets`` has."""
        return next(asset for asset in self.assets if asset.name == name)
