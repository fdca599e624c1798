"""One key in the spellings that are needed: PEM file, line of ``keys.json``, key of TUF metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, SSlibKey

from pipeline.errors import IntegrityError, TrustError, UsageError
from pipeline.model.publication import KeyEntry

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

PrivateKey = PrivateKeyTypes
_HEX_DIGITS = 64
_ENCRYPTED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"  # RFC 7468, section 11


def make_key() -> Ed25519PrivateKey:
    """Return a new ed25519 key."""
    return Ed25519PrivateKey.generate()


def list_key(key: PrivateKeyTypes, *, file: str | None) -> KeyEntry:
    """Return the line of ``keys.json`` for a key that lies in ``file``."""
    return _entry(SSlibKey.from_crypto(key.public_key()), file=file)


def read_public_key(data: bytes, *, what: str, scheme: str | None = None) -> KeyEntry:
    """Return the line for a PEM public key whose private half is elsewhere.

    Args:
        data: the PEM.
        what: it is, for messages.
        scheme: of its signatures; None for the usual one of its kind.

    Raises:
        UsageError: it is no public key, or of no kind that TUF metadata can name.
    """
    try:
        key = SSlibKey.from_crypto(load_pem_public_key(data), scheme=scheme)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{what} holds no public key in PEM", hint="`-----BEGIN PUBLIC KEY-----` is the form"
        ) from error
    if (key.keytype, key.scheme) not in KEY_FOR_TYPE_AND_SCHEME:
        raise UsageError(f"{what}: keys of the kind {key.keytype} cannot sign with {key.scheme}")
    return _entry(key, file=None)


def tuf_key(entry: KeyEntry) -> SSlibKey:
    """Return a listed key as TUF metadata has it.

    Raises:
        IntegrityError: the line's public key is none, or its key id does not belong to it.
    """
    try:
        key = SSlibKey.from_crypto(_public(entry), scheme=entry.scheme)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IntegrityError(f"the public key listed as {entry.keyid} is none") from error
    if key.keyid != entry.keyid or key.keytype != entry.keytype:
        raise IntegrityError(f"key id {entry.keyid} does not belong to the public key that is listed with it")
    return key


def entry_of(key: SSlibKey) -> KeyEntry:
    """Return the line of ``keys.json`` for a key that metadata names and whose private half is elsewhere."""
    return KeyEntry(keyid=key.keyid, keytype=key.keytype, scheme=key.scheme, public=key.keyval["public"])


def is_encrypted(data: bytes) -> bool:
    """Tell whether a PEM private key needs a passphrase."""
    return data.lstrip().startswith(_ENCRYPTED)


def to_pem(key: PrivateKeyTypes, passphrase: bytes | None) -> bytes:
    """Return a PKCS#8 PEM, encrypted (PBES2, AES-256) unless there is no passphrase."""
    encryption = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def from_pem(path: Path, data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    """Read a PKCS#8 PEM; ``path`` is for messages.

    Raises:
        TrustError: the passphrase is wrong, or it is no key.
    """
    try:
        return load_pem_private_key(data, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise TrustError(
            f"{path} cannot be opened: the passphrase is wrong, or the file is damaged",
            hint="nothing was signed; check the passphrase file",
        ) from error


def _entry(key: SSlibKey, *, file: str | None) -> KeyEntry:
    return entry_of(key).model_copy(update={"file": file})


def _public(entry: KeyEntry) -> PublicKeyTypes:
    if len(entry.public) == _HEX_DIGITS:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(entry.public))
    return load_pem_public_key(entry.public.encode())
