"""Keys that are on several machines: each holder makes one, hands its public half over, and one of them joins them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pipeline.errors import TrustError, UsageError
from pipeline.model.counts import counted
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.publication import KeyEntry, KeyList, PublicKey, RoleKeys
from pipeline.publish.key_folder import ROOT_FILE, read_listing, write_listing, write_root
from pipeline.publish.key_kinds import list_key, make_key, read_public_key, to_pem, tuf_key
from pipeline.publish.keys import DEFAULT_COUNTS, ROLES, check_passphrase, outcome_of
from pipeline.publish.outside_keys import check_uri
from pipeline.publish.roots import (
    TOP_LEVEL_ROLES,
    aligned,
    make_root,
    read_root,
    require_signed,
    require_successor,
    root_quorums,
    sign_with,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tuf.api.metadata import Metadata, Root

    from pipeline.model.publication import KeysOutcome
    from pipeline.ports import KeyFiles
    from pipeline.publish.key_folder import KeyFolder

_SHORT = 12  # digits of a key id in a file's name


def make_role_key(folder: Path, role: str, *, passphrase: bytes | None, key_files: KeyFiles) -> tuple[KeyEntry, Path]:
    """Make one private key in a key folder, which is made when it is not there, and the file to hand over.

    Raises:
        UsageError: the passphrase is empty.
        HostError: the folder cannot be written.
    """
    check_passphrase(passphrase)
    key = make_key()
    keyid = list_key(key, file=None).keyid
    entry = list_key(key, file=f"{file_role(role)}-{keyid[:_SHORT]}.pem")
    key_files.make_folder(folder)
    key_files.create(folder / str(entry.file), to_pem(key, passphrase))
    return entry, add_entry(folder, role, entry, key_files=key_files, encrypted=passphrase is not None)


def add_entry(folder: Path, role: str, entry: KeyEntry, *, key_files: KeyFiles, encrypted: bool = False) -> Path:
    """List a key in a key folder, which is made when it is not there; return the file to hand over.

    Where a root decides who counts for a role, a key that it does not name is kept as a spare one, for ``keys rotate``.

    Raises:
        UsageError: no signer opens the key's uri.
        HostError: the folder cannot be written.
    """
    if entry.uri is not None:
        check_uri(entry.uri)
    key_files.make_folder(folder)
    listing = read_listing(folder) or KeyList()
    if entry.keyid in listing.entries:
        listing = _replaced(listing, entry)
    elif role in TOP_LEVEL_ROLES and (folder / ROOT_FILE).is_file():
        listing = listing.model_copy(update={"spare": (*listing.spare, entry)})
    else:
        before = listing.roles.get(role, RoleKeys(threshold=1, keys=(entry,)))
        keys = (*(e for e in before.keys if e.keyid != entry.keyid), entry)
        listing = listing.model_copy(
            update={"roles": {**listing.roles, role: before.model_copy(update={"keys": keys})}}
        )
    public = folder / f"{file_role(role)}-{entry.keyid[:_SHORT]}.public.json"
    handed = entry.model_copy(update={"file": None, "uri": None})
    key_files.replace(public, write_document(PublicKey(role=role, key=handed)))
    listing = listing.model_copy(update={"encrypted": listing.encrypted or encrypted})
    write_listing(folder, listing, key_files)
    return public


def read_key_file(path: Path, *, role: str | None = None, scheme: str | None = None) -> tuple[str, KeyEntry]:
    """Return role and key of a file that a holder handed over, or of a PEM public key for ``role``.

    Raises:
        UsageError: it cannot be read, is no public key, or nobody says which role it is for.
        IntegrityError: it is malformed, or its key id is not its key's.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="name the public file of a key") from error
    if b"PRIVATE KEY-----" in data:
        raise UsageError(f"{path} is a private key", hint="hand over the .public.json beside it, never this file")
    if data.lstrip().startswith(b"-----BEGIN"):
        if role is None:
            raise UsageError(f"{path} does not say which role it is for", hint="name the role, or give a .public.json")
        return role, read_public_key(data, what=str(path), scheme=scheme)
    public = read_document(PublicKey, data, what=str(path))
    tuf_key(public.key)
    if public.key.is_here:
        raise UsageError(f"{path} says where the private key is; that is nobody else's business", hint="take it out")
    return role or public.role, public.key


def assemble_root(
    folder: Path,
    public: Iterable[tuple[str, KeyEntry]],
    *,
    thresholds: Mapping[str, int],
    keys: KeyFolder | None,
    key_files: KeyFiles,
    now: int,
    lane: str | None = None,
) -> KeysOutcome:
    """Make the first root from the public keys of many holders, signed as far as the keys in the folder go.

    Args:
        folder: where the root and the list go; keys that it has already count as well.
        public: (role, key) of every other holder.
        thresholds: role to how many must sign; as in ``DEFAULT_COUNTS`` where it says nothing.
        keys: the folder, opened; None where it is new.
        key_files: writes the list and the root.
        now: seconds since 1970.
        lane: as for ``init_keys``.

    Raises:
        UsageError: there is a root already, a role has no key or fewer than must sign, or one key is for two holders.
        TrustError: a private key here cannot be opened.
    """
    if (folder / ROOT_FILE).exists():
        raise UsageError(f"{folder} has a root already", hint="`keys rotate` changes its keys")
    counted = _counted_roles(keys, public, thresholds)
    here = sum(entry.is_here for entry in counted["root"].keys)
    listing = KeyList(
        repository=secrets.token_hex(16),
        lane=lane,
        development=here >= counted["root"].threshold,
        encrypted=keys is not None and keys.listing.encrypted,
        roles=counted,
    )
    root = make_root(listing, now=now)
    if keys is not None:
        sign_with(root, keys.signers_here(root.signed.roles["root"]))
    key_files.make_folder(folder)
    write_listing(folder, listing, key_files)
    write_root(folder, root.to_bytes(), version=1, key_files=key_files)
    return outcome_of(folder, listing, root)


def install_root(keys: KeyFolder, data: bytes, *, what: str, dry_run: bool = False) -> KeysOutcome:
    """Make a finished root the newest of a key folder, after checking that enough have signed it.

    Raises:
        TrustError: signatures are missing, or it does not follow from the folder's root.
        IntegrityError: it is malformed.
    """
    metadata = read_root(data, what=what)
    version = metadata.signed.version
    if keys.roots and data != keys.root:
        newest = read_root(keys.root, what=ROOT_FILE)
        if not _same_unfinished(newest, metadata):
            require_successor(metadata, newest.signed, what=what)
    require_signed(root_quorums(metadata, None), what=what)
    listing = aligned(keys.listing, metadata.signed)
    if not dry_run:
        write_root(keys.folder, data, version=version, key_files=keys.files)
        write_listing(keys.folder, listing, keys.files)
    return outcome_of(keys.folder, listing, metadata)


def file_role(role: str) -> str:
    """Return a role as it stands in a file's name."""
    return role.replace(":", "-")


def _same_unfinished(newest: Metadata[Root], metadata: Metadata[Root]) -> bool:
    """Tell whether a root is the folder's first one with more signatures; else the first one must be signed already."""
    if newest.signed.version != metadata.signed.version:
        return False
    if newest.signed_bytes != metadata.signed_bytes:
        raise TrustError("it is another root than the one in the folder", hint="sign the root that `keys init` made")
    return True


def _counted_roles(
    keys: KeyFolder | None, public: Iterable[tuple[str, KeyEntry]], thresholds: Mapping[str, int]
) -> dict[str, RoleKeys]:
    roles = {} if keys is None else {role: list(listed.keys) for role, listed in keys.listing.roles.items()}
    for role, entry in public:
        if entry.keyid not in {known.keyid for known in roles.get(role, [])}:
            roles.setdefault(role, []).append(entry)
    counted = {role: _counted(role, entries, thresholds) for role, entries in roles.items()}
    if missing := [role for role in ROLES if role not in counted]:
        raise UsageError(
            f"there is no key for {', '.join(missing)}",
            hint="make one with `keys new --role`, or give its --public file",
        )
    return counted


def _counted(role: str, entries: list[KeyEntry], thresholds: Mapping[str, int]) -> RoleKeys:
    default = next((DEFAULT_COUNTS[name].threshold for name in ROLES if name == role), 1)
    threshold = thresholds.get(role, default)
    if not 1 <= threshold <= len(entries):
        raise UsageError(
            f"role {role}: {threshold} of {counted(len(entries), 'key')} cannot sign",
            hint=f"give the --public files of all holders, or --threshold {role}=M",
        )
    return RoleKeys(threshold=threshold, keys=tuple(entries))


def _replaced(listing: KeyList, entry: KeyEntry) -> KeyList:
    """Return the list with what is known of a key replaced wherever it stands."""

    def better(entries: Iterable[KeyEntry]) -> tuple[KeyEntry, ...]:
        return tuple(entry if known.keyid == entry.keyid and entry.is_here else known for known in entries)

    roles = {role: keys.model_copy(update={"keys": better(keys.keys)}) for role, keys in listing.roles.items()}
    return listing.model_copy(update={"roles": roles, "spare": better(listing.spare)})
