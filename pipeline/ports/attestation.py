"""Upstream's signed statements about what it published."""

from __future__ import annotations

from typing import Protocol


class AttestationVerifier(Protocol):
    """Checks attestations without a network: the trusted root travels with the verifier."""

    def verify(self, statement: bytes, *, sha256: str, repository: str) -> str:
        """Check that a sigstore bundle vouches for a file; return the signer's identity.

        Args:
            statement: the bundle, JSON as ``gh attestation download`` or the attestations API gives it.
            sha256: of the file, lower-case hex.
            repository: ``owner/name`` whose workflow must have signed.

        Raises:
            TrustError: it is malformed, signed by somebody else, or about another file.
        """
        ...
