"""Targets metadata that its holders signed elsewhere: what may be published of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import Targets

from pipeline.errors import TrustError
from pipeline.model.repository_layout import TARGET_FOLDERS, delegated_pattern, delegated_role
from pipeline.publish.delegating import roles_of
from pipeline.publish.roots import quorum, read_metadata, require_signed

if TYPE_CHECKING:
    from datetime import datetime

    from tuf.api.metadata import DelegatedRole, Delegations

    from pipeline.publish.state import RepositoryState

_ANEW = "make it anew with `sign --role targets --to REPOSITORY`, and let its holders sign that"
_WILD = frozenset("*?[]/")


def require_policy(data: bytes, state: RepositoryState, *, now: datetime) -> Targets:
    """Return targets metadata that was signed elsewhere, after checking that it may follow what is published.

    Raises:
        IntegrityError: it is malformed.
        TrustError: it is of another role, lists files itself, is not newer, has expired, lets a role speak for more
            than its own engine, or too few have signed it.
    """
    metadata = read_metadata(data, what="the targets metadata")
    signed = metadata.signed
    if not isinstance(signed, Targets):
        raise TrustError(f"it is metadata of the kind {signed.type}, not targets")
    require_signed(
        [quorum(metadata, "targets", state.root, who="the targets role")], what=f"version {signed.version} of targets"
    )
    if signed.targets:
        raise TrustError("the targets metadata lists files itself; it is for delegations alone")
    before = state.targets
    if signed != before and signed.version <= max(state.highest.get("targets", 0), before.version if before else 0):
        raise TrustError(
            f"the targets metadata has version {signed.version}, and there is a newer or another one of that version",
            hint="versions are never lowered: make it anew from what is published, with `sign --role targets --to`",
        )
    if signed.expires <= now:
        raise TrustError(
            f"the targets metadata expired {signed.expires:%Y-%m-%d}; clients would refuse everything", hint=_ANEW
        )
    require_confined(signed.delegations, None if before is None else before.delegations)
    return signed


def require_confined(delegations: Delegations | None, before: Delegations | None) -> None:
    """Refuse delegations that let a role speak for anything but its own engine or environment.

    A role that is published already with the same paths may stay: the single role of repositories from before each
    engine had its own.

    Raises:
        TrustError: a role is not terminating, or its paths are others.
    """
    if delegations is not None and delegations.succinct_roles is not None:
        raise TrustError("the policy delegates to bins of hashes, which no client asks for", hint=_ANEW)
    known = roles_of(before)
    for name, role in roles_of(delegations).items():
        if not role.terminating:
            raise TrustError(
                f"the policy's role {name} is not terminating: roles after it could speak for its files", hint=_ANEW
            )
        published = known.get(name)
        as_before = published is not None and _paths(published) == _paths(role)
        if not as_before and _paths(role) != ([own_pattern(name)], None):
            allowed = own_pattern(name) or "nothing: it is named after no engine and no environment"
            raise TrustError(
                f"the policy lets the role {name} speak for {', '.join(role.paths or []) or 'hashes of paths'};"
                f" its own is {allowed}",
                hint=_ANEW,
            )


def own_pattern(role: str) -> str | None:
    """Return the paths that a delegated role may speak for, None for a name that is of no engine or environment."""
    for folder in TARGET_FOLDERS:
        name = role.removeprefix(delegated_role("", folder))
        if name and name != role and not _WILD & set(name):
            return delegated_pattern(name, folder)
    return None


def _paths(role: DelegatedRole) -> tuple[list[str] | None, list[str] | None]:
    return role.paths, role.path_hash_prefixes
