"""A PKCS#11 token in software (SoftHSM 2): a real one to everything above its driver."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN = "7391"


@dataclass(frozen=True)
class SoftToken:
    """A token with one key.

    Attributes:
        uri: of its key, as ``keys add --uri`` takes it.
        public: PEM file of the public key.
    """

    uri: str
    public: Path


def soft_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    """Make a token with an ECDSA key; skip the test where there is no SoftHSM or no PKCS#11 for Python."""
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (securesystemslib[hsm])")
    library = next((path for path in _LIBRARIES if Path(path).is_file()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (apt install softhsm2)")
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - after the skips
    from securesystemslib.signer import HSMSigner  # noqa: PLC0415

    tokens = folder / "tokens"
    tokens.mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    monkeypatch.setenv("PYKCS11LIB", library)
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "holder", "--pin", PIN, "--so-pin", "0000"],
        check=True,
        capture_output=True,
        env=os.environ,
    )
    loaded = pkcs11.lib(library)
    loaded.reinitialize()  # another test's tokens are gone
    with loaded.get_token(token_label="holder").open(user_pin=PIN, rw=True) as session:  # noqa: S106 - a label
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters("secp256r1")},
            local=True,
        )
        curve.generate_keypair(store=True, id=b"\x02", label="signing")
    uri, key = HSMSigner.import_(2, "holder", lambda _: PIN)
    public = folder / "token.pem"
    public.write_bytes(key._crypto_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return SoftToken(uri, public)
