"""Publishing: bundles of a dist folder into a signed repository that any static web server can serve.

Files are added under their digest and never changed; metadata comes after the files it speaks of, the timestamp last.
So whoever reads the repository at any moment, or after a publisher died, sees the old state or the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import TrustError
from pipeline.publish.permitting import Permitted, read_permitted
from pipeline.publish.publishing import Change, Publishing
from pipeline.publish.revoking import revoked_builds
from pipeline.publish.signing import moment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.model.publication import PublishOutcome
    from pipeline.ports import Disk, Services
    from pipeline.publish.dist import Dist
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.state import RepositoryState


def publish(  # noqa: PLR0913 - what is published, how, and with what
    *,
    dist: Path | None,
    to: Path,
    keys: KeyFolder,
    services: Services,
    disk: Disk,
    now: int,
    replace: bool = False,
    dry_run: bool = False,
    allow_development: bool = False,
    policy: bytes | None = None,
    permitted: Permitted | None = None,
    deltas: int = 0,
) -> PublishOutcome:
    """Add the bundles of a dist folder to a repository; doing it again changes nothing.

    Args:
        dist: folder with ``manifest.json`` and the files it names; None where only metadata is published.
        to: the repository's folder; made when it is not there.
        keys: that sign it, always the same for one repository.
        services: for events.
        disk: how files are written.
        now: seconds since 1970, from which lifetimes count.
        replace: let a published version have other bytes.
        dry_run: check and tell, change nothing.
        allow_development: sign with development keys too.
        policy: targets metadata that was signed elsewhere and shall be published.
        permitted: what may be published beside whole releases of real engines; None means nothing.
        deltas: of how many versions before a new one its layers get deltas.

    Raises:
        RehearsalError, PartialReleaseError: it is something that was not asked for.
        UsageError: a published artifact would change, or ``dist`` has no manifest of files in it.
        IntegrityError: a file is not what the manifest says, or the repository is damaged; nothing was published.
        TrustError: the repository was signed by other keys or changed after signing, a key cannot be opened, or the
            keys are development keys and nobody allowed that.
        HostError, NoSpaceError: the folder cannot be written; nothing was published.
    """
    offered = None if dist is None else read_permitted(dist, permitted or Permitted())
    _require_allowed(keys, allow_development=allow_development)
    publishing = Publishing(to, keys=keys, services=services, disk=disk, now=now)
    revoked: dict[str, str] = {}

    def change(state: RepositoryState) -> Change:
        revoked.update(() if offered is None else _revoked_among(state, offered))
        return Change(offered, replace=replace, policy=policy, deltas=deltas)

    outcome = publishing.run(change, dry_run=dry_run)
    return outcome.model_copy(update={"revoked": revoked, **({} if offered is None else _of_kind(offered))})


def _require_allowed(keys: KeyFolder, *, allow_development: bool) -> None:
    if keys.listing.development and not allow_development:
        raise TrustError(
            f"the keys in {keys.folder} are development keys: one machine alone can sign anything with them",
            hint="to try things out, --allow-development (or allow_development = true in pipeline.toml); to ship, make"
            " keys as docs/guide.md says under `A key ceremony`",
        )


def _of_kind(dist: Dist) -> dict[str, object]:
    return {"rehearsal": dist.is_rehearsal, "missing": tuple(map(str, dist.missing))}


def _revoked_among(state: RepositoryState, dist: Dist) -> Iterator[tuple[str, str]]:
    """Name the offered builds that are published and revoked; of new ones ``Publishing`` refuses those."""
    for artifact in dist.artifacts:
        listed = state.revocations.get(artifact.engine)
        if listed is not None and (revocation := listed.of(artifact.sha256)) is not None:
            yield f"{artifact.target} {artifact.version}", revocation.reason


def refresh(
    *, to: Path, keys: KeyFolder, services: Services, disk: Disk, now: int, dry_run: bool = False
) -> PublishOutcome:
    """Sign again what expires soon, the timestamp first of all; for a scheduled job that has no other keys.

    What others have to sign is said while there is time.

    Raises:
        NothingSelectedError: there is no repository.
        TrustError: a role has expired that these keys cannot sign; what they can sign is signed all the same.
        TrustError, IntegrityError, HostError, NoSpaceError: as ``publish``.
    """
    publishing = Publishing(to, keys=keys, services=services, disk=disk, now=now)
    return publishing.run(lambda _: Change(must_live=True), dry_run=dry_run, allow_new=False)


def revoke(  # noqa: PLR0913 - what is revoked, why, and where
    *,
    target: str,
    version: str,
    reason: str,
    to: Path,
    keys: KeyFolder,
    services: Services,
    disk: Disk,
    now: int,
    sha256: str | None = None,
    dry_run: bool = False,
) -> PublishOutcome:
    """Publish that builds must not be installed or switched to any more; doing it again changes nothing.

    Args:
        target: ``<engine>/<platform>-<accel>``.
        version: of it.
        reason: for people, one line.
        to: the repository's folder.
        keys: of the engine's role, snapshot and timestamp.
        services: for events.
        disk: how files are written.
        now: seconds since 1970.
        sha256: of the bundle, where it is not published (any more).
        dry_run: check and tell, change nothing.

    Raises:
        NothingSelectedError: there is no repository or no such build.
        UsageError: the reason is no line of text, or the target no target.
        TrustError, IntegrityError, HostError, NoSpaceError: as ``publish``.
    """

    def change(state: RepositoryState) -> Change:
        added = revoked_builds(state, target=target, version=version, reason=reason, sha256=sha256, now=moment(now))
        return Change(revocations=added)

    publishing = Publishing(to, keys=keys, services=services, disk=disk, now=now)
    return publishing.run(change, dry_run=dry_run, allow_new=False)
