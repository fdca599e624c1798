"""Signing keys: made once in a folder of their own, and opened by the commands that sign.

A key folder holds ``keys.json`` (which key is for which role; nothing secret), one PKCS#8 PEM file a key, and
``root.json``: version 1 of the root metadata, the one file that installers are given to trust the repository.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey
from tuf.api.metadata import Metadata, Role, Root

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.publication import KeyEntry, KeyList, KeysOutcome, RoleKeys, RoleName
from pipeline.model.repository_layout import DEVELOPMENT_FIELD, REPOSITORY_FIELD
from pipeline.publish.ed25519 import from_pem, list_key, public_hex, to_pem, tuf_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.ports import KeyFiles

ROLES: tuple[RoleName, ...] = ("root", "targets", "engines", "snapshot", "timestamp")
TOP_LEVEL_ROLES: tuple[RoleName, ...] = ("root", "targets", "snapshot", "timestamp")
ROOT_DAYS = 365
_LIST_FILE = "keys.json"
_ROOT_FILE = "root.json"


@dataclass(frozen=True, slots=True)
class KeyCount:
    """How many keys a role has, and how many of them must sign."""

    threshold: int = 1
    keys: int = 1


def init_keys(
    folder: Path,
    *,
    passphrase: bytes | None,
    key_files: KeyFiles,
    now: int,
    thresholds: Mapping[RoleName, KeyCount] | None = None,
) -> KeysOutcome:
    """Make development keys for every role, and root metadata signed with them.

    Args:
        folder: must be empty or not there.
        passphrase: that encrypts the private keys; None leaves them plain.
        key_files: writes them so that only their owner can read them.
        now: seconds since 1970; the root expires 365 days later.
        thresholds: by role; 1 of 1 where it says nothing.

    Raises:
        UsageError: the folder has files, the passphrase is empty, or a threshold is above the number of keys.
        HostError: the folder cannot be written.
    """
    counts = {role: (thresholds or {}).get(role, KeyCount()) for role in ROLES}
    _check_request(folder, passphrase, counts)
    key_files.make_folder(folder)
    private = {role: tuple(Ed25519PrivateKey.generate() for _ in range(count.keys)) for role, count in counts.items()}
    listing = _list_keys(private, counts, encrypted=passphrase is not None)
    for role, keys in private.items():
        for entry, key in zip(listing.roles[role].keys, keys, strict=True):
            key_files.create(folder / str(entry.file), to_pem(key, passphrase))
    expires = datetime.fromtimestamp(now, UTC) + timedelta(days=ROOT_DAYS)
    root = _make_root(listing, private["root"], expires)
    key_files.create(folder / _ROOT_FILE, root)
    key_files.create(folder / _LIST_FILE, write_document(listing))  # last: without it the folder is no key folder
    return KeysOutcome(
        folder=str(folder.absolute()),
        development=True,
        encrypted=passphrase is not None,
        root_path=str((folder / _ROOT_FILE).absolute()),
        root_sha256=sha256_bytes(root),
        roles={role: (keys.threshold, tuple(e.keyid for e in keys.keys)) for role, keys in listing.roles.items()},
        expires=f"{expires:%Y-%m-%dT%H:%M:%SZ}",
    )


def _list_keys(
    private: Mapping[RoleName, tuple[Ed25519PrivateKey, ...]], counts: Mapping[RoleName, KeyCount], *, encrypted: bool
) -> KeyList:
    roles: dict[str, RoleKeys] = {
        role: RoleKeys(
            threshold=counts[role].threshold,
            keys=tuple(list_key(key, file=f"{role}-{index}.pem") for index, key in enumerate(keys, start=1)),
        )
        for role, keys in private.items()
    }
    return KeyList(repository=secrets.token_hex(16), development=True, encrypted=encrypted, roles=roles)


class KeyFolder:
    """Opened keys. Private ones are read when a role signs, and the passphrase is asked for once at most.

    Attributes:
        folder: where they are.
        listing: ``keys.json``.
        root: bytes of the root metadata that came with the keys.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listing: KeyList,
        root: bytes,
        passphrase: Callable[[], bytes | None],
        key_files: KeyFiles,
    ) -> None:
        self.folder = folder
        self.listing = listing
        self.root = root
        self._ask = passphrase
        self._key_files = key_files
        self._answer: bytes | None = None
        self._asked = False

    def listed_role(self, delegated: str) -> str:
        """Return the entry of ``keys.json`` whose keys sign for a delegated role: its own, or that of all engines."""
        own = delegated.replace("-", ":", 1)
        return own if own in self.listing.roles else "engines"

    def has_private(self, role: str) -> bool:
        """Tell whether enough private keys of a role are in this folder to reach its threshold."""
        keys = self.listing.roles[role]
        return sum(entry.file is not None for entry in keys.keys) >= keys.threshold

    def can_sign(self, signed_by: Role) -> bool:
        """Tell whether this folder has enough private keys of those that metadata names for a role."""
        return len(self._private(signed_by)) >= signed_by.threshold

    def signers_for(self, name: str, signed_by: Role) -> tuple[Signer, ...]:
        """Return a signer for each private key of those that metadata names for a role.

        Raises:
            TrustError: there are fewer than its threshold here; otherwise as ``signers``.
            UsageError: as ``signers``.
        """
        entries = self._private(signed_by)
        if len(entries) < signed_by.threshold:
            raise TrustError(
                f"{self.folder} has {len(entries)} of the {signed_by.threshold} private keys that must sign the role"
                f" {name}",
                hint=f"sign where the others are kept: `sign --role {name}`",
            )
        return tuple(self._open(entry, name) for entry in entries)

    def public_keys(self, role: str) -> tuple[SSlibKey, ...]:
        """Return a role's keys as TUF metadata lists them."""
        return tuple(tuf_key(entry) for entry in self.listing.roles[role].keys)

    def signers(self, role: str) -> tuple[Signer, ...]:
        """Return a signer for each private key that ``keys.json`` lists for a role.

        Raises:
            TrustError: the passphrase is wrong, others can read a file, a file is not the listed key, or there are
                fewer than the role's threshold.
            UsageError: a file is not there, or no passphrase was given for an encrypted key.
        """
        keys = self.listing.roles[role]
        return self.signers_for(role, Role([entry.keyid for entry in keys.keys], keys.threshold))

    def _private(self, signed_by: Role) -> tuple[KeyEntry, ...]:
        entries = {entry.keyid: entry for keys in self.listing.roles.values() for entry in keys.keys if entry.file}
        return tuple(entries[keyid] for keyid in signed_by.keyids if keyid in entries)

    def _open(self, entry: KeyEntry, role: str) -> Signer:
        path = self.folder / str(entry.file)
        data = self._key_files.read(path)
        private = from_pem(path, data, self._passphrase() if self.listing.encrypted else None)
        if public_hex(private) != entry.public:
            raise TrustError(f"{path} is not the key that {_LIST_FILE} lists for the role {role}")
        return CryptoSigner(private, tuf_key(entry))

    def _passphrase(self) -> bytes | None:
        if not self._asked:
            self._answer, self._asked = self._ask(), True
        if not self._answer:
            raise UsageError(
                f"the keys in {self.folder} are encrypted and no passphrase was given",
                hint="give it by file or file descriptor; never on the command line",
            )
        return self._answer


def open_keys(folder: Path, *, passphrase: Callable[[], bytes | None], key_files: KeyFiles) -> KeyFolder:
    """Open a key folder without reading a private key.

    Raises:
        UsageError: it is no key folder.
        IntegrityError: its list is malformed or lacks a role.
    """
    try:
        listing = read_document(KeyList, (folder / _LIST_FILE).read_bytes(), what=str(folder / _LIST_FILE))
        root = (folder / _ROOT_FILE).read_bytes()
    except OSError as error:
        raise UsageError(
            f"{folder} is no key folder: its {_LIST_FILE} and {_ROOT_FILE} are not there or cannot be read",
            hint="`keys init` makes one; --keys names another",
        ) from error
    if missing := [role for role in ROLES if role not in listing.roles]:
        raise IntegrityError(f"{folder / _LIST_FILE} lists no key for {', '.join(missing)}")
    for role in ROLES:
        for entry in listing.roles[role].keys:
            tuf_key(entry)  # refuses a key id that is not the key's
    return KeyFolder(folder, listing=listing, root=root, passphrase=passphrase, key_files=key_files)


def _check_request(folder: Path, passphrase: bytes | None, counts: Mapping[RoleName, KeyCount]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and not empty", hint="keys are never overwritten; choose another folder")
    if passphrase is not None and not passphrase:
        raise UsageError("the passphrase is empty", hint="give one, or ask for unencrypted keys")
    for role, count in counts.items():
        if not 1 <= count.threshold <= count.keys:
            raise UsageError(f"role {role}: {count.threshold} of {count.keys} keys cannot sign")


def _make_root(listing: KeyList, signing: tuple[Ed25519PrivateKey, ...], expires: datetime) -> bytes:
    root = Root(
        version=1,
        expires=expires,
        keys={},
        roles={role: Role([], listing.roles[role].threshold) for role in TOP_LEVEL_ROLES},
        consistent_snapshot=True,
        unrecognized_fields={DEVELOPMENT_FIELD: listing.development, REPOSITORY_FIELD: listing.repository},
    )
    for role in TOP_LEVEL_ROLES:
        for entry in listing.roles[role].keys:
            root.add_key(tuf_key(entry), role)
    metadata = Metadata(root)
    for entry, key in zip(listing.roles["root"].keys, signing, strict=True):
        metadata.sign(CryptoSigner(key, tuf_key(entry)), append=True)
    return metadata.to_bytes()
