"""Other keys for a role: a new root, or a new line for whoever signs for engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import NothingSelectedError, UsageError
from pipeline.model.counts import counted
from pipeline.publish.key_folder import ROOT_FILE, open_keys, read_listing, write_listing, write_root
from pipeline.publish.key_parts import make_role_key
from pipeline.publish.roots import TOP_LEVEL_ROLES, aligned, next_root, read_root, root_quorums, sign_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tuf.api.metadata import Metadata, Root

    from pipeline.model.publication import KeyEntry, RoleKeys
    from pipeline.publish.key_folder import KeyFolder
    from pipeline.publish.roots import Quorum


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What a rotation or a revocation came to.

    Attributes:
        role: whose keys changed.
        removed: key ids that do not count any more.
        added: key ids that count from now on.
        root: bytes of the new root; None for keys that the policy names and not the root.
        version: of it.
        quorums: who has signed it and who has to.
        installed: whether it is the newest root of the folder now; else others have to sign it first.
    """

    role: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    root: bytes | None = None
    version: int | None = None
    quorums: tuple[Quorum, ...] = ()
    installed: bool = False


def rotate(
    keys: KeyFolder,
    role: str,
    *,
    replaced: Sequence[str],
    new: Sequence[KeyEntry],
    passphrase: bytes | None,
    now: int,
) -> KeyChange:
    """Replace keys of a role: with ``new`` ones, or with as many that are made here.

    Args:
        keys: the folder.
        role: top-level, ``engines``, or ``engine:<name>``.
        replaced: key ids, or their first digits; empty for each of the role's keys that is here.
        new: public keys that their holders handed over; empty to make them here.
        passphrase: that encrypts keys that are made here; None leaves them plain.
        now: seconds since 1970.

    Raises:
        NothingSelectedError: the role has no such key.
        UsageError: there is nothing to replace here, or too few keys would be left.
        TrustError: a private key cannot be opened.
    """
    listed = keys.listed_keys(role)
    old = [find_key(listed, prefix, role) for prefix in replaced] or [e.keyid for e in listed.keys if e.is_here]
    if not old:
        raise UsageError(
            f"none of the keys of the role {role} is in {keys.folder}", hint="name the one to replace with --key KEYID"
        )
    added = tuple(new) or tuple(
        make_role_key(keys.folder, role, passphrase=passphrase, key_files=keys.files)[0] for _ in old
    )
    return _change(keys, role, remove=old, add=added, now=now)


def revoke_key(keys: KeyFolder, prefix: str, *, now: int, role: str | None = None) -> KeyChange:
    """Take a key out of its role, without another in its place.

    Raises:
        NothingSelectedError: no role has such a key.
        UsageError: too few keys would be left; the digits are those of several; or the key is of several roles and
            none is named.
        TrustError: a private key cannot be opened.
    """
    found = {
        (name, entry.keyid)
        for name, listed in keys.listing.roles.items()
        for entry in listed.keys
        if role in {None, name} and entry.keyid.startswith(prefix)
    }
    if len(found) > 1 and len({keyid for _, keyid in found}) == 1:
        names = sorted(name for name, _ in found)
        raise UsageError(
            f"the key {prefix} is one of the roles {', '.join(names)}",
            hint=f"--role {names[0]} takes it out of one; do it for each",
        )
    if len(found) != 1:
        raise _not_one(
            prefix,
            "any role" if not found else counted(len(found), "role or key", "roles or keys"),
            found=bool(found),
        )
    of_role, keyid = found.pop()
    return _change(keys, of_role, remove=[keyid], add=(), now=now)


def find_key(listed: RoleKeys, prefix: str, role: str) -> str:
    """Return the id of the one key of a role that starts with these digits.

    Raises:
        NothingSelectedError: none does.
        UsageError: several do.
    """
    found = [entry.keyid for entry in listed.keys if entry.keyid.startswith(prefix)]
    if len(found) != 1:
        raise _not_one(prefix, f"the role {role}", found=bool(found))
    return found[0]


def missing_signatures(quorums: Sequence[Quorum]) -> int:
    """Return how many signatures are still needed, of the group that lacks most."""
    return max((group.missing for group in quorums), default=0)


def _change(keys: KeyFolder, role: str, *, remove: Sequence[str], add: Sequence[KeyEntry], now: int) -> KeyChange:
    added = tuple(entry.keyid for entry in add)
    top = next((name for name in TOP_LEVEL_ROLES if name == role), None)
    if top is None:
        _change_listing(keys, role, remove=remove, add=add)
        return KeyChange(role, tuple(remove), added)
    current = read_root(keys.root, what=ROOT_FILE)
    metadata = next_root(current.signed, role=top, remove=remove, add=add, now=now)
    _sign(keys, metadata, current.signed)
    quorums = root_quorums(metadata, current.signed)
    data = metadata.to_bytes()
    version = metadata.signed.version
    installed = missing_signatures(quorums) == 0
    if installed:
        write_root(keys.folder, data, version=version, key_files=keys.files)
        listing = read_listing(keys.folder) or keys.listing
        write_listing(keys.folder, aligned(listing, metadata.signed), keys.files)
    return KeyChange(role, tuple(remove), added, data, version, quorums, installed)


def _sign(keys: KeyFolder, metadata: Metadata[Root], previous: Root) -> None:
    """Sign with every key that is here, of the root before and of the new one, those made a moment ago included."""
    now_there = open_keys(keys.folder, passphrase=keys.secret, key_files=keys.files)
    for root in (previous, metadata.signed):
        sign_with(metadata, now_there.signers_here(root.roles["root"]))


def _change_listing(keys: KeyFolder, role: str, *, remove: Sequence[str], add: Sequence[KeyEntry]) -> None:
    listing = read_listing(keys.folder) or keys.listing
    listed = listing.roles[role]
    kept = tuple(entry for entry in listed.keys if entry.keyid not in {*remove, *(e.keyid for e in add)})
    now_listed = (*kept, *add)
    if len(now_listed) < listed.threshold:
        raise UsageError(
            f"the role {role} would have {counted(len(now_listed), 'key')}, and {listed.threshold} must sign",
            hint=f"`keys rotate {role}` puts a new key in",
        )
    gone = tuple(entry for entry in listed.keys if entry.keyid in remove)
    roles = {**listing.roles, role: listed.model_copy(update={"keys": now_listed})}
    changed: dict[str, Any] = {"roles": roles, "spare": (*listing.spare, *gone)}
    write_listing(keys.folder, listing.model_copy(update=changed), keys.files)


def _not_one(prefix: str, where: str, *, found: bool) -> NothingSelectedError | UsageError:
    if found:
        return UsageError(f"{prefix} is the beginning of several key ids of {where}", hint="give more digits")
    return NothingSelectedError(f"{where} has no key {prefix}", hint="`keys status` lists the key ids")
