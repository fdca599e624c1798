"""Private keys that are kept elsewhere: in a KMS, on a PKCS#11 token, wherever securesystemslib has a signer for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from securesystemslib.exceptions import UnsupportedLibraryError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, Signer, SSlibKey

from pipeline.errors import HostError, PipelineError, TrustError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from securesystemslib.signer import Key, SecretsHandler, Signature

# Extra of securesystemslib by scheme of the uri; a key in a file of one's own needs none.
_EXTRAS = {
    "hsm": "hsm",
    "gcpkms": "gcpkms",
    "azurekms": "azurekms",
    "awskms": "awskms",
    "hv": "vault",
    "tkey": "tkey",
}


def check_uri(uri: str) -> str:
    """Return the scheme of a key's uri.

    Raises:
        UsageError: no signer knows it.
    """
    scheme = uri.partition(":")[0]
    if scheme not in SIGNER_FOR_URI_SCHEME:
        raise UsageError(
            f"no signer opens keys by {scheme}:", hint=f"it has to be one of {', '.join(sorted(SIGNER_FOR_URI_SCHEME))}"
        )
    return scheme


class OutsideSigner(Signer):
    """A signer of securesystemslib whose failures are this project's errors, whatever library they come from.

    Messages name the key and what failed, never what a device or service was told.
    """

    def __init__(self, uri: str, key: SSlibKey, secret: Callable[[], bytes | None]) -> None:
        """Open the key; devices and services are asked for the first time when something is signed.

        Raises:
            UsageError: no signer opens such a uri, or it is malformed.
            HostError: what this kind of key needs is not installed.
            TrustError: the key cannot be opened.
        """
        self._scheme = check_uri(uri)
        self._key = key
        try:
            self._signer = Signer.from_priv_key_uri(uri, key, _handler(secret))
        except Exception as error:  # noqa: BLE001 - each kind of key has a library with errors of its own
            self._refuse(error)

    @property
    def public_key(self) -> Key:
        """The public half."""
        return self._key

    def sign(self, payload: bytes) -> Signature:
        """Sign, and check the signature against the public key that is listed.

        Raises:
            HostError, TrustError: as for opening, or another key signed.
        """
        try:
            signature = self._signer.sign(payload)
            self._key.verify_signature(signature, payload)
        except Exception as error:  # noqa: BLE001 - each kind of key has a library with errors of its own
            self._refuse(error)
        return signature

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Signer:
        """Open a key as securesystemslib asks for it.

        Raises:
            ValueError: the public key is of no kind that can be checked here; otherwise as for opening.
        """
        if not isinstance(public_key, SSlibKey):
            raise ValueError("the public key is of another kind than TUF metadata names")  # noqa: TRY004 - as it does
        return cls(priv_key_uri, public_key, lambda: secrets_handler("pin").encode() if secrets_handler else None)

    def _refuse(self, error: Exception) -> NoReturn:
        if isinstance(error, PipelineError):
            raise error
        if isinstance(error, UnsupportedLibraryError):
            extra = _EXTRAS.get(self._scheme, "crypto")
            raise HostError(
                f"keys by {self._scheme}: need what is not installed: {error}",
                hint=f"install securesystemslib[{extra}] into this program's environment",
            ) from error
        raise TrustError(
            f"key {self._key.keyid[:12]} ({self._scheme}:) did not sign: {type(error).__name__}"
            f"{_harmless(error, self._scheme)}",
            hint="nothing was changed; check the PIN or credentials, the device, and that the uri is of this key",
        ) from error


def _handler(secret: Callable[[], bytes | None]) -> SecretsHandler:
    def handle(_: str) -> str:
        answer = secret()
        if not answer:
            raise UsageError("the key needs a PIN or a passphrase", hint="give it by file or descriptor")
        return answer.decode()

    return handle


def _harmless(error: Exception, scheme: str) -> str:
    """Return the message of errors that securesystemslib itself raises; those of other libraries may repeat input."""
    return f": {error}" if scheme == "hsm" and type(error) is ValueError else ""
