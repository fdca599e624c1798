"""What a mirror holds as its publisher has signed it, and what sealing that did."""

from __future__ import annotations

from pydantic import Field, JsonValue

from pipeline.model.frozen import Frozen, Name, Sha256
from pipeline.model.manifest import Artifact
from pipeline.model.repository_layout import TargetFolder


class SealedEngine(Frozen):
    """What a mirror has of one engine, taken from its publisher's signed metadata: what a lane signs again.

    Attributes:
        engine: its name.
        folder: of its target paths.
        release: of its manifest.
        created: of its manifest.
        artifacts: that are held.
        files: sha256 to size of every file of them, and of the list of revoked builds.
        held: sha256 of those of these files that the mirror holds.
        deltas: target path to sha256 of those that make a layer out of another one.
        revocations: sha256 of that list, None where there is none.
        threshold: how many of ``keys`` must have signed a statement about its bundles.
        keys: id to public key, as TUF metadata writes it, of the publisher's role for this engine.
    """

    engine: Name
    folder: TargetFolder
    release: Name
    created: str
    artifacts: tuple[Artifact, ...]
    files: dict[Sha256, int]
    held: tuple[Sha256, ...]
    deltas: dict[str, Sha256] = {}
    revocations: Sha256 | None = None
    threshold: int = Field(ge=1)
    keys: dict[str, dict[str, JsonValue]]


class MirrorContent(Frozen):
    """Everything that a mirror holds and a lane can offer.

    Attributes:
        engines: sorted by name.
        development: whether the publisher signs with development keys.
    """

    engines: tuple[SealedEngine, ...]
    development: bool = False


class SealOutcome(Frozen):
    """What sealing did.

    Attributes:
        changed: False when nothing was new and more than two thirds of the lifetime are left.
        dry_run: nothing was changed.
        path: of the mirror, absolute.
        lane: its name.
        artifacts: ``<target> <version>`` of what the lane offers.
        engines: that it has manifests of.
        versions: metadata role to its version now.
        expires: metadata role to RFC 3339.
        development: signed with development keys.
    """

    changed: bool
    dry_run: bool = False
    path: str
    lane: str
    artifacts: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    versions: dict[str, int] = {}
    expires: dict[str, str] = {}
    development: bool = False
