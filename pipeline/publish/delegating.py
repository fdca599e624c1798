"""Who signs for which engine: the delegations in the targets metadata, as they are and as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuf.api.metadata import DelegatedRole, Delegations

from pipeline.model.repository_layout import (
    delegated_pattern,
    delegated_role,
    manifest_target,
    owner_of_target,
)
from pipeline.publish.key_kinds import tuf_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from securesystemslib.signer import Key
    from tuf.api.metadata import TargetFile

    from pipeline.model.repository_layout import TargetFolder
    from pipeline.publish.key_folder import KeyFolder

Owner = tuple["TargetFolder", str]


def roles_of(delegations: Delegations | None) -> dict[str, DelegatedRole]:
    """Return the delegated roles by name, in the order in which clients ask them."""
    return dict((delegations.roles or {}) if delegations is not None else {})


def role_for(path: str, delegations: Delegations | None) -> str | None:
    """Return the role that a client asks first about a target, None when nobody may speak for it."""
    return next((name for name, role in roles_of(delegations).items() if role.is_delegated_path(path)), None)


def owners_without_role(paths: Iterable[str], delegations: Delegations | None) -> tuple[Owner, ...]:
    """Return the engines, sorted, whose targets nobody may sign yet."""
    owners = {owner_of_target(path) for path in paths}
    return tuple(
        sorted(
            owner
            for owner in owners
            if owner is not None and role_for(manifest_target(owner[1], owner[0]), delegations) is None
        )
    )


def wanted_delegations(current: Delegations | None, owners: Iterable[Owner], keys: KeyFolder) -> Delegations:
    """Return the delegations with the keys that ``keys.json`` lists, and a terminating role for each new owner.

    Roles that are there keep their name, order and paths, also the single role of repositories from before each engine
    had its own; and their keys, where the folder lists none for engines.

    Raises:
        TrustError: the folder lists no key for a new owner.
    """
    roles: dict[str, DelegatedRole] = {}
    public: dict[str, Key] = {} if current is None else dict(current.keys)
    for name, role in roles_of(current).items():
        listed = keys.listed_role(name) in keys.listing.roles
        roles[name] = _role(name, role.paths or [], keys, public) if listed else role
    for folder, engine in owners:
        name = delegated_role(engine, folder)
        roles[name] = _role(name, [delegated_pattern(engine, folder)], keys, public)
    used = {keyid for role in roles.values() for keyid in role.keyids}
    return Delegations(keys={keyid: public[keyid] for keyid in sorted(used)}, roles=roles)


def split_targets(targets: Mapping[str, TargetFile], delegations: Delegations) -> dict[str, dict[str, TargetFile]]:
    """Return what each delegated role has to list; every role is there, also with nothing."""
    split: dict[str, dict[str, TargetFile]] = {name: {} for name in roles_of(delegations)}
    for path, target in targets.items():
        name = role_for(path, delegations)
        if name is None:
            raise AssertionError(f"nobody may sign {path}")
        split[name][path] = target
    return split


def _role(name: str, paths: list[str], keys: KeyFolder, public: dict[str, Key]) -> DelegatedRole:
    listed = keys.listed_keys(keys.listed_role(name))
    public.update({entry.keyid: tuf_key(entry) for entry in listed.keys})
    return DelegatedRole(name, [entry.keyid for entry in listed.keys], listed.threshold, terminating=True, paths=paths)
