"""A key folder: opened by the commands that sign, written by those that make keys.

It holds ``keys.json`` (which key is for which role and where; nothing secret), one PKCS#8 PEM file for each private key
that is a file, ``root.json`` (the newest root metadata, the one file that installers are given to trust the repository)
and ``<version>.root.json`` for each earlier root.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import Role

from pipeline.errors import TrustError, UsageError
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.publication import KeyEntry, KeyList, RoleKeys
from pipeline.publish.key_kinds import from_pem, is_encrypted, list_key, tuf_key
from pipeline.publish.outside_keys import OutsideSigner
from pipeline.publish.roots import aligned, read_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.ports import KeyFiles

LIST_FILE = "keys.json"
ROOT_FILE = "root.json"


class KeyFolder:
    """Opened keys. Private ones are read when a role signs, and the passphrase is asked for once at most.

    Attributes:
        folder: where they are.
        listing: ``keys.json``, as the root says who counts for what.
        roots: every root metadata in the folder, by version.
    """

    def __init__(
        self,
        folder: Path,
        *,
        listing: KeyList,
        roots: dict[int, bytes],
        passphrase: Callable[[], bytes | None],
        key_files: KeyFiles,
    ) -> None:
        """Use ``open_keys``."""
        self.folder = folder
        self.listing = listing
        self.roots = roots
        self.files = key_files
        self._ask = passphrase
        self._answer: bytes | None = None
        self._asked = False

    @property
    def root(self) -> bytes:
        """Bytes of the newest root metadata in the folder.

        Raises:
            UsageError: there is none yet.
        """
        if not self.roots:
            raise UsageError(
                f"{self.folder} has no {ROOT_FILE} yet",
                hint="`keys init` makes one; `keys install root.json` takes one that a ceremony made",
            )
        return self.roots[max(self.roots)]

    def listed_role(self, delegated: str) -> str:
        """Return the entry of ``keys.json`` whose keys sign for a delegated role: its own, or that of all engines."""
        own = delegated.replace("-", ":", 1)
        return own if own in self.listing.roles else "engines"

    def has_private(self, role: str) -> bool:
        """Tell whether this folder has enough private keys of those that are listed for a role."""
        return role in self.listing.roles and self.can_sign(self._listed(role))

    def can_sign(self, signed_by: Role) -> bool:
        """Tell whether this folder has enough private keys of those that metadata names for a role."""
        return len(self._private(signed_by)) >= signed_by.threshold

    def signers(self, role: str) -> tuple[Signer, ...]:
        """Return a signer for each private key that is listed for a role.

        Raises:
            TrustError: a passphrase is wrong, others can read a file, a file is not the listed key, or there are
                fewer than the role's threshold.
            UsageError: a file is not there, or no passphrase was given for an encrypted key.
            HostError: what a key outside needs is not installed.
        """
        return self.signers_for(role, self._listed(role))

    def signers_for(self, name: str, signed_by: Role) -> tuple[Signer, ...]:
        """Return a signer for each private key of those that metadata names for a role.

        Raises:
            TrustError: there are fewer than its threshold here; otherwise as ``signers``.
            UsageError, HostError: as ``signers``.
        """
        found = len(self._private(signed_by))
        if found < signed_by.threshold:
            raise TrustError(
                f"{self.folder} has {found} of the {signed_by.threshold} private keys that must sign the role {name}",
                hint="sign where the others are kept, with `sign`, and join the files",
            )
        return self.signers_here(signed_by)

    def signers_here(self, signed_by: Role) -> tuple[Signer, ...]:
        """Return a signer for each private key that is here, be they enough or not; otherwise as ``signers``."""
        return tuple(self._open(entry) for entry in self._private(signed_by))

    def listed_keys(self, role: str) -> RoleKeys:
        """Return what ``keys.json`` lists for a role.

        Raises:
            TrustError: it lists none.
        """
        keys = self.listing.roles.get(role)
        if keys is None:
            raise TrustError(
                f"{self.folder / LIST_FILE} lists no key for the role {role}",
                hint="`keys add` lists one; give the folder that has it with --keys",
            )
        return keys

    def _listed(self, role: str) -> Role:
        keys = self.listed_keys(role)
        return Role([entry.keyid for entry in keys.keys], keys.threshold)

    def _private(self, signed_by: Role) -> tuple[KeyEntry, ...]:
        entries = self.listing.entries
        return tuple(entries[keyid] for keyid in signed_by.keyids if keyid in entries and entries[keyid].is_here)

    def _open(self, entry: KeyEntry) -> Signer:
        if entry.uri is not None:
            return OutsideSigner(entry.uri, tuf_key(entry), self.secret)
        path = self.folder / str(entry.file)
        data = self.files.read(path)
        private = from_pem(path, data, self._passphrase() if is_encrypted(data) else None)
        if list_key(private, file=None).public != entry.public:
            raise TrustError(f"{path} is not the key that {LIST_FILE} lists as {entry.keyid[:12]}")
        return CryptoSigner(private, tuf_key(entry))

    def secret(self) -> bytes | None:
        """Return the passphrase or PIN; whoever has it is asked the first time."""
        if not self._asked:
            self._answer, self._asked = self._ask(), True
        return self._answer

    def _passphrase(self) -> bytes:
        answer = self.secret()
        if not answer:
            raise UsageError(
                f"the keys in {self.folder} are encrypted and no passphrase was given",
                hint="give it by file or file descriptor; never on the command line",
            )
        return answer


def open_keys(folder: Path, *, passphrase: Callable[[], bytes | None], key_files: KeyFiles) -> KeyFolder:
    """Open a key folder without reading a private key.

    Raises:
        UsageError: it is no key folder.
        IntegrityError: its list or a root is malformed, or a key id is not its key's.
    """
    listing = read_listing(folder)
    if listing is None:
        raise UsageError(
            f"{folder} is no key folder: there is no {LIST_FILE}", hint="`keys init` makes one; --keys names another"
        )
    roots = _read_roots(folder)
    if roots:
        listing = aligned(listing, read_root(roots[max(roots)], what=str(folder / ROOT_FILE)).signed)
    for entry in listing.entries.values():
        tuf_key(entry)  # refuses a key id that is not the key's
    return KeyFolder(folder, listing=listing, roots=roots, passphrase=passphrase, key_files=key_files)


def read_listing(folder: Path) -> KeyList | None:
    """Return ``keys.json`` as it is, None where there is none.

    Raises:
        UsageError: it cannot be read.
        IntegrityError: it is malformed.
    """
    path = folder / LIST_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="--keys names another folder") from error
    return read_document(KeyList, data, what=str(path))


def write_listing(folder: Path, listing: KeyList, key_files: KeyFiles) -> None:
    """Replace ``keys.json``, unless it says the same."""
    data = write_document(listing)
    path = folder / LIST_FILE
    if not path.is_file() or path.read_bytes() != data:
        key_files.replace(path, data)


def write_root(folder: Path, data: bytes, *, version: int, key_files: KeyFiles) -> None:
    """Make a root the newest of a folder; the one that was is kept under its version."""
    path = folder / ROOT_FILE
    if path.is_file():
        before = path.read_bytes()
        if before == data:
            return
        number = read_root(before, what=str(path)).signed.version
        if number < version and not (folder / f"{number}.{ROOT_FILE}").is_file():
            key_files.replace(folder / f"{number}.{ROOT_FILE}", before)
    key_files.replace(path, data)


def _read_roots(folder: Path) -> dict[int, bytes]:
    roots: dict[int, bytes] = {}
    for path in (folder / ROOT_FILE, *folder.glob(f"[1-9]*.{ROOT_FILE}")):
        try:
            data = path.read_bytes()
        except OSError:
            continue
        roots.setdefault(read_root(data, what=str(path)).signed.version, data)
    return roots
