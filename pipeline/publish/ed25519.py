"""One ed25519 key in the spellings that are needed: PEM file, line of ``keys.json``, key of TUF metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import SSlibKey

from pipeline.errors import IntegrityError, TrustError
from pipeline.model.publication import KeyEntry

if TYPE_CHECKING:
    from pathlib import Path


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public half as 64 hex digits."""
    return key.public_key().public_bytes_raw().hex()


def list_key(key: Ed25519PrivateKey, *, file: str) -> KeyEntry:
    """Return the line of ``keys.json`` for a key that lies in ``file``."""
    return KeyEntry(keyid=SSlibKey.from_crypto(key.public_key()).keyid, file=file, public=public_hex(key))


def tuf_key(entry: KeyEntry) -> SSlibKey:
    """Return a listed key as TUF metadata has it.

    Raises:
        IntegrityError: the line's key id does not belong to its public key.
    """
    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(entry.public)))
    if key.keyid != entry.keyid:
        raise IntegrityError(f"key id {entry.keyid} does not belong to the public key that is listed with it")
    return key


def to_pem(key: Ed25519PrivateKey, passphrase: bytes | None) -> bytes:
    """Return a PKCS#8 PEM, encrypted (PBES2, AES-256) unless there is no passphrase."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def from_pem(path: Path, data: bytes, passphrase: bytes | None) -> Ed25519PrivateKey:
    """Read a PKCS#8 PEM; ``path`` is for messages.

    Raises:
        TrustError: the passphrase is wrong, or it is no ed25519 key.
    """
    try:
        key = load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TrustError(
            f"{path} cannot be opened: the passphrase is wrong, or the file is damaged",
            hint="nothing was signed; check the passphrase file",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise TrustError(f"{path} is no ed25519 key")
    return key
