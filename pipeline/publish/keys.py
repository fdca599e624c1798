"""Keys of every role made by one command on one machine: development keys, to try things out with.

``key_parts`` makes keys that are on several machines.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from securesystemslib.signer import CryptoSigner

from pipeline.digest import sha256_bytes
from pipeline.errors import UsageError
from pipeline.model.counts import counted
from pipeline.model.manifest_document import write_document
from pipeline.model.publication import KeyList, KeysOutcome, RoleKeys, RoleName
from pipeline.publish.key_folder import LIST_FILE, ROOT_FILE, KeyFolder, open_keys
from pipeline.publish.key_kinds import list_key, make_key, to_pem, tuf_key
from pipeline.publish.roots import TOP_LEVEL_ROLES, make_root, root_quorums, sign_with

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tuf.api.metadata import Metadata, Root

    from pipeline.ports import KeyFiles
    from pipeline.publish.key_kinds import PrivateKey

__all__ = ["DEFAULT_COUNTS", "ROLES", "TOP_LEVEL_ROLES", "KeyCount", "KeyFolder", "init_keys", "open_keys"]

ROLES: tuple[RoleName, ...] = ("root", "targets", "engines", "snapshot", "timestamp")


@dataclass(frozen=True, slots=True)
class KeyCount:
    """How many keys a role has, and how many of them must sign."""

    threshold: int = 1
    keys: int = 1


# The last word and the policy need several people; what machines sign every day needs one key.
DEFAULT_COUNTS: Mapping[RoleName, KeyCount] = {
    "root": KeyCount(threshold=2, keys=3),
    "targets": KeyCount(threshold=2, keys=2),
    "engines": KeyCount(),
    "snapshot": KeyCount(),
    "timestamp": KeyCount(),
}


def init_keys(
    folder: Path,
    *,
    passphrase: bytes | None,
    key_files: KeyFiles,
    now: int,
    thresholds: Mapping[RoleName, KeyCount] | None = None,
    lane: str | None = None,
) -> KeysOutcome:
    """Make development keys for every role, and root metadata signed with them.

    Args:
        folder: must be empty or not there.
        passphrase: that encrypts the private keys; None leaves them plain.
        key_files: writes them so that only their owner can read them.
        now: seconds since 1970; the root expires 365 days later.
        thresholds: by role; what it does not say is as in ``DEFAULT_COUNTS``.
        lane: that the keys sign for, for example ``airgap``; None for the repository itself.

    Raises:
        UsageError: the folder has files, the passphrase is empty, or a threshold is above the number of keys.
        HostError: the folder cannot be written.
    """
    counts = {role: (thresholds or {}).get(role, DEFAULT_COUNTS[role]) for role in ROLES}
    _check_request(folder, passphrase, counts)
    key_files.make_folder(folder)
    private = {role: tuple(make_key() for _ in range(count.keys)) for role, count in counts.items()}
    roles: dict[str, RoleKeys] = {
        role: RoleKeys(
            threshold=counts[role].threshold,
            keys=tuple(list_key(key, file=f"{role}-{index}.pem") for index, key in enumerate(keys, start=1)),
        )
        for role, keys in private.items()
    }
    listing = KeyList(
        repository=secrets.token_hex(16), lane=lane, development=True, encrypted=passphrase is not None, roles=roles
    )
    for role, keys in private.items():
        for entry, key in zip(roles[role].keys, keys, strict=True):
            key_files.create(folder / str(entry.file), to_pem(key, passphrase))
    root = make_root(listing, now=now)
    sign_with(root, _signers(private["root"], listing))
    key_files.create(folder / ROOT_FILE, root.to_bytes())
    key_files.create(folder / LIST_FILE, write_document(listing))  # last: without it the folder is no key folder
    return outcome_of(folder, listing, root)


def outcome_of(folder: Path, listing: KeyList, root: Metadata[Root]) -> KeysOutcome:
    """Return what is in a key folder with that root."""
    data = root.to_bytes()
    return KeysOutcome(
        folder=str(folder.absolute()),
        development=listing.development,
        encrypted=listing.encrypted,
        root_path=str((folder / ROOT_FILE).absolute()),
        root_sha256=sha256_bytes(data),
        roles={role: (keys.threshold, tuple(e.keyid for e in keys.keys)) for role, keys in listing.roles.items()},
        expires=f"{root.signed.expires:%Y-%m-%dT%H:%M:%SZ}",
        missing=max(quorum.missing for quorum in root_quorums(root, None)),
    )


def _signers(private: tuple[PrivateKey, ...], listing: KeyList) -> tuple[CryptoSigner, ...]:
    entries = listing.roles["root"].keys
    return tuple(CryptoSigner(key, tuf_key(entry)) for entry, key in zip(entries, private, strict=True))


def _check_request(folder: Path, passphrase: bytes | None, counts: Mapping[RoleName, KeyCount]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and not empty", hint="keys are never overwritten; choose another folder")
    check_passphrase(passphrase)
    for role, count in counts.items():
        if not 1 <= count.threshold <= count.keys:
            raise UsageError(f"role {role}: {count.threshold} of {counted(count.keys, 'key')} cannot sign")


def check_passphrase(passphrase: bytes | None) -> None:
    """Refuse an empty passphrase.

    Raises:
        UsageError: it is empty.
    """
    if passphrase is not None and not passphrase:
        raise UsageError("the passphrase is empty", hint="give one, or ask for unencrypted keys")
