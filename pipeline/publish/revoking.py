"""Builds that must not run any more: the list grows, and what is on it is not published again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.revocation import Revocation, RevocationList

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pipeline.model.manifest import Artifact
    from pipeline.publish.state import RepositoryState


def revoked_builds(
    state: RepositoryState, *, target: str, version: str, reason: str, sha256: str | None, now: datetime
) -> RevocationList:
    """Return an engine's list with one more build; one that is on it keeps its first reason and time.

    Raises:
        NothingSelectedError: no such build is published, and no digest says which one it was.
        UsageError: the target is none, the digest another than the published one of that version, or the reason no
            line of text.
    """
    engine, slash, _ = target.partition("/")
    if not slash:
        raise UsageError(f"{target!r} is no target", hint="write it as ENGINE/PLATFORM-ACCEL, as `install` shows it")
    published = state.manifests.get(engine)
    artifacts = () if published is None else published.artifacts
    now_published = next((a.sha256 for a in artifacts if (a.target, a.version) == (target, version)), None)
    digest = sha256 or now_published
    if digest is None:
        known = ", ".join(f"{a.target} {a.version}" for a in artifacts) or "nothing of that engine"
        raise NothingSelectedError(
            f"{target} {version} is not published here; there is {known}",
            hint="name one of those, or give --sha256 of a bundle that was published once",
        )
    listed = state.revocations.get(engine, RevocationList(engine=engine))
    if listed.of(digest) is not None:
        return listed
    if now_published is not None and digest != now_published:
        raise UsageError(
            f"{target} {version} is published here with the sha256 {now_published}, not {digest}",
            hint="leave --sha256 out to revoke the published one; it is for builds that are not published any more",
        )
    try:
        new = Revocation(
            target=target, version=version, sha256=digest, reason=reason, revoked_at=f"{now:%Y-%m-%dT%H:%M:%SZ}"
        )
    except ValidationError as error:
        field = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(
            f"{'.'.join(map(str, field['loc']))} of the revocation: {field['msg']}",
            hint="a reason is one line of at most 500 characters",
        ) from error
    revoked = sorted((*listed.revoked, new), key=lambda one: (one.target, one.version, one.sha256))
    return listed.model_copy(update={"revoked": tuple(revoked)})


def require_none_revoked(state: RepositoryState, artifacts: Iterable[Artifact]) -> None:
    """Refuse to publish a build that was revoked.

    Raises:
        UsageError: one was.
    """
    for artifact in artifacts:
        listed = state.revocations.get(artifact.engine)
        revocation = None if listed is None else listed.of(artifact.sha256)
        if revocation is not None:
            raise UsageError(
                f"{artifact.target} {artifact.version} with these bytes was revoked {revocation.revoked_at}:"
                f" {revocation.reason}",
                hint="what was revoked stays so; build it anew",
            )
