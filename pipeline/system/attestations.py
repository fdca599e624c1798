"""Upstream's artifact attestations, verified with sigstore-python and nothing from the network.

What is checked (SLSA v1, "Verifying artifacts"; GitHub's docs, "Verifying attestations offline"): the certificate
chain, its transparency log entry and the signature (sigstore-python); that GitHub's own identity provider issued the
identity, for a workflow of the repository; and that the signed statement is build provenance of the very digest.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from pipeline.errors import HostError, IntegrityError, TrustError
from pipeline.model.counts import counted
from pipeline.model.strict_json import parse_json

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate
    from sigstore.models import TrustedRoot

ISSUER = "https://token.actions.githubusercontent.com"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/"
_PUBLIC_INSTANCE = "https://tuf-repo-cdn.sigstore.dev"  # names the folder of the root that sigstore-python ships
_FORGE = "https://github.com"
_MOST_BUNDLES = 64
_LIMIT_BYTES = 16 << 20


class SigstoreVerifier:
    """Checks attestations offline; implements ``ports.AttestationVerifier``."""

    def __init__(self, *, trusted_root: Path | None = None) -> None:
        """Make a verifier; sigstore-python is loaded when something is verified.

        Args:
            trusted_root: of a Sigstore instance, as ``trusted_root.json``; None for the public one's, as it came with
                sigstore-python.
        """
        self._root_path = trusted_root
        self._root: TrustedRoot | None = None

    def verify(self, statement: bytes, *, sha256: str, repository: str) -> str:
        """Check that one of the bundles in ``statement`` vouches for a file; return the signer's identity.

        Takes one bundle, JSON lines of them (``gh attestation download``), or the attestations API's document.

        Raises:
            TrustError: none does; the reason of the last one is given.
            HostError: sigstore-python is not installed.
        """
        reason = "it holds no bundle"
        for bundle in _bundles(statement):
            try:
                return self._verify_one(bundle, sha256=sha256, repository=repository)
            except TrustError as error:
                reason = error.message
        raise TrustError(
            f"no attestation vouches for sha256 {sha256} from {repository}: {reason}",
            hint="take the file from its own release; where only a key of the log or the authority is not known, a "
            "newer sigstore-python brings a newer trusted root",
        )

    def _verify_one(self, bundle: dict[str, Any], *, sha256: str, repository: str) -> str:
        try:
            from sigstore.models import Bundle  # noqa: PLC0415  # a second; only where something is verified
            from sigstore.verify import Verifier, policy  # noqa: PLC0415  # likewise
        except ImportError as error:
            raise HostError(
                "sigstore-python is needed to verify attestations, and is not installed",
                hint="./ci/pipeline brings it; so does pip install 'engine-pipeline[build]'",
            ) from error
        root = self._trusted_root()
        try:
            parsed = Bundle.from_json(json.dumps(bundle))
            wanted = policy.AllOf(
                [policy.OIDCIssuerV2(ISSUER), policy.OIDCSourceRepositoryURI(f"{_FORGE}/{repository}")]
            )
            kind, payload = Verifier(trusted_root=root).verify_dsse(parsed, wanted)
            signer = _workflow_of(parsed.signing_certificate, repository)
        except TrustError:
            raise
        except Exception as error:  # hostile bytes raise whatever the parsers below raise; none may pass
            raise TrustError(f"its bundle does not verify: {_first_line(error)}") from error
        _require_provenance(kind, payload, sha256)
        return signer

    def _trusted_root(self) -> TrustedRoot:
        if self._root is None:
            from sigstore.models import TrustedRoot  # noqa: PLC0415  # loaded already

            with resources.as_file(resources.files("sigstore._store") / quote(_PUBLIC_INSTANCE, safe="")) as store:
                path = self._root_path or store / "trusted_root.json"
                try:
                    self._root = TrustedRoot.from_file(str(path))
                except Exception as error:  # likewise: a file of somebody else
                    raise TrustError(
                        f"{path} is no trusted root of a Sigstore instance: {_first_line(error)}",
                        hint="take its trusted_root.json anew",
                    ) from error
        return self._root


def _bundles(statement: bytes) -> list[dict[str, Any]]:
    """Return the bundles in a document of any of the three forms."""
    try:
        if len(statement) > _LIMIT_BYTES:
            _refuse(f"it has {len(statement)} bytes, more than {_LIMIT_BYTES}")
        lines = [line for line in statement.splitlines() if line.strip()]
        try:
            documents = [parse_json(statement, what="the attestation", any_text=True)]
        except IntegrityError:
            if len(lines) < 2:
                raise
            documents = [parse_json(line, what="the attestation", any_text=True) for line in lines]
    except IntegrityError as error:
        _refuse(error.message)
    found: list[dict[str, Any]] = []
    for document in documents:
        listed = document.get("attestations") if isinstance(document, dict) else None
        rows = (
            [row.get("bundle") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else [document]
        )
        found += [row for row in rows if isinstance(row, dict)]
    if len(found) > _MOST_BUNDLES:
        _refuse(f"it holds {counted(len(found), 'bundle')}, more than {_MOST_BUNDLES}")
    return found


def _workflow_of(certificate: Certificate, repository: str) -> str:
    """Return the identity in a certificate, which is one workflow of the repository."""
    from cryptography.x509 import SubjectAlternativeName, UniformResourceIdentifier  # noqa: PLC0415  # loaded already

    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    identities = names.get_values_for_type(UniformResourceIdentifier)
    if len(identities) != 1 or not identities[0].startswith(f"{_FORGE}/{repository}/.github/workflows/"):
        _refuse(f"its signer {', '.join(identities) or 'without a name'} is no workflow of {repository}")
    return str(identities[0])


def _require_provenance(kind: str, payload: bytes, sha256: str) -> None:
    if kind != PAYLOAD_TYPE:
        _refuse(f"its payload is {kind}, no in-toto statement")
    try:
        statement = parse_json(payload, what="the signed statement", any_text=True)
    except IntegrityError as error:
        _refuse(error.message)
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        _refuse("its payload is no in-toto statement v1")
    if not str(statement.get("predicateType", "")).startswith(PROVENANCE):
        _refuse(f"it states {statement.get('predicateType')}, no build provenance")
    subjects = statement.get("subject")
    digests = [
        subject["digest"].get("sha256")
        for subject in (subjects if isinstance(subjects, list) else [])
        if isinstance(subject, dict) and isinstance(subject.get("digest"), dict)
    ]
    if sha256 not in digests:
        _refuse("it is about other files")


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


def _refuse(why: str) -> NoReturn:
    raise TrustError(why)
