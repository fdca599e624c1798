"""A whole Sigstore instance of its own: certificate authority, certificate log, transparency log, signing workflow.

Its bundles have the shape of GitHub's artifact attestations (bundle v0.3, DSSE, dsse/0.0.1 log entry with inclusion
proof, checkpoint and promise), and its trusted root the shape of the public one, so that sigstore-python verifies them
as it verifies the real ones. Formats: RFC 6962 (certificate log), C2SP signed note, Rekor v1, in-toto v1.
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SIGNED_AT = datetime(2026, 9, 9, 22, 10, tzinfo=UTC)
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
FULCIO = "1.3.6.1.4.1.57264.1."  # github.com/sigstore/fulcio, docs/oid-info.md


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form)


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def der(tag: int, data: bytes) -> bytes:
    size = len(data)
    length = bytes([size]) if size < 0x80 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + data


@dataclass(frozen=True)
class Workflow:
    """Who signs, as the identity provider says."""

    repository: str = "ggml-org/llama.cpp"
    workflow: str = ".github/workflows/release.yml@refs/heads/master"
    issuer: str = GITHUB_ISSUER
    identity: str | None = None

    @property
    def san(self) -> str:
        return self.identity or f"https://github.com/{self.repository}/{self.workflow}"


@dataclass
class SigstoreInstance:
    """The instance; ``valid_until`` ends its certificate authority."""

    valid_from: datetime = SIGNED_AT - timedelta(days=100)
    valid_until: datetime = SIGNED_AT + timedelta(days=3650)
    authority_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    ct_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    log_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        self.authority = self._authority()

    def trusted_root(self) -> dict[str, Any]:
        """Return the document that verifiers start from."""

        def log(key: ec.EllipticCurvePrivateKey, url: str) -> dict[str, Any]:
            return {
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": b64(spki(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": "2021-01-12T11:53:27Z"},
                },
                "logId": {"keyId": b64(hashlib.sha256(spki(key)).digest())},
            }

        authority = self.authority.public_bytes(serialization.Encoding.DER)
        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log_key, "https://rekor.example.com")],
            "certificateAuthorities": [
                {
                    "subject": {"organization": "example.com", "commonName": "authority"},
                    "uri": "https://fulcio.example.com",
                    "certChain": {"certificates": [{"rawBytes": b64(authority)}]},
                    "validFor": {"start": self.valid_from.strftime("%Y-%m-%dT%H:%M:%SZ")},
                }
            ],
            "ctlogs": [log(self.ct_key, "https://ct.example.com")],
            "timestampAuthorities": [],
        }

    def attest(
        self,
        *digests: str,
        by: Workflow | None = None,
        predicate: str = "https://slsa.dev/provenance/v1",
        statement_type: str = "https://in-toto.io/Statement/v1",
        payload_type: str = "application/vnd.in-toto+json",
    ) -> dict[str, Any]:
        """Return a bundle about files with these sha256, signed by a workflow."""
        statement = {
            "_type": statement_type,
            "subject": [{"name": f"file-{n}", "digest": {"sha256": digest}} for n, digest in enumerate(digests)],
            "predicateType": predicate,
            "predicate": {"buildDefinition": {"buildType": "https://actions.github.io/buildtypes/workflow/v1"}},
        }
        payload = json.dumps(statement).encode()
        key = new_key()
        certificate = self._certificate(key, by or Workflow())
        text = payload_type.encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(text), text, len(payload), payload)
        signature = sign(key, pae)
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(certificate.public_bytes(serialization.Encoding.DER))},
                "tlogEntries": [self._entry(payload, signature, certificate)],
                "timestampVerificationData": None,
            },
            "dsseEnvelope": {
                "payload": b64(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": b64(signature)}],
            },
        }

    def _authority(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        public = self.authority_key.public_key()
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.valid_from)
            .not_valid_after(self.valid_until)
            .add_extension(usage, critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self.authority_key, hashes.SHA256())
        )

    def _certificate(self, key: ec.EllipticCurvePrivateKey, by: Workflow) -> x509.Certificate:
        """Issue a certificate for ten minutes; the certificate log signs what stands before its own signature."""
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        source = f"https://github.com/{by.repository}"
        known = {"8": by.issuer, "9": by.san, "12": source, "11": "github-hosted"}
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(SIGNED_AT - timedelta(minutes=5))
            .not_valid_after(SIGNED_AT + timedelta(minutes=5))
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(by.san)]), critical=True)
            .add_extension(
                x509.UnrecognizedExtension(ObjectIdentifier(f"{FULCIO}1"), by.issuer.encode()), critical=False
            )
        )
        for number, value in known.items():
            text = der(0x0C, value.encode())  # UTF8String
            builder = builder.add_extension(
                x509.UnrecognizedExtension(ObjectIdentifier(f"{FULCIO}{number}"), text), critical=False
            )
        before = builder.sign(self.authority_key, hashes.SHA256()).tbs_certificate_bytes
        logged = x509.UnrecognizedExtension(SCT_LIST, der(0x04, self._timestamp_list(before)))
        return builder.add_extension(logged, critical=False).sign(self.authority_key, hashes.SHA256())

    def _timestamp_list(self, precertificate: bytes) -> bytes:
        """Return the certificate log's promise (RFC 6962, 3.2 and 3.3)."""
        millis = int(SIGNED_AT.timestamp() * 1000)
        issuer = hashlib.sha256(spki(self.authority_key)).digest()
        size = len(precertificate).to_bytes(3, "big")
        signed = struct.pack("!BBQH", 0, 0, millis, 1) + issuer + size + precertificate + struct.pack("!H", 0)
        signature = sign(self.ct_key, signed)
        log_id = hashlib.sha256(spki(self.ct_key)).digest()
        promise = b"\0" + log_id + struct.pack("!QHBBH", millis, 0, 4, 3, len(signature)) + signature
        return struct.pack("!HH", len(promise) + 2, len(promise)) + promise

    def _entry(self, payload: bytes, signature: bytes, certificate: x509.Certificate) -> dict[str, Any]:
        """Return the transparency log's entry: one of two leaves, its proof, checkpoint and promise."""
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        body = json.dumps(
            {
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": {"algorithm": "sha256", "value": "0" * 64},
                    "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                    "signatures": [{"signature": b64(signature), "verifier": b64(pem)}],
                },
            },
            separators=(",", ":"),
        ).encode()
        log_id = hashlib.sha256(spki(self.log_key)).digest()
        other = hashlib.sha256(b"\0another entry").digest()
        leaf = hashlib.sha256(b"\0" + body).digest()
        top = hashlib.sha256(b"\1" + other + leaf).digest()
        note = f"rekor.example.com - 1\n2\n{b64(top)}\n"
        mark = b64(log_id[:4] + sign(self.log_key, note.encode()))
        time = int(SIGNED_AT.timestamp())
        promised = {"body": b64(body), "integratedTime": time, "logID": log_id.hex(), "logIndex": 1}
        promise = sign(self.log_key, json.dumps(promised, separators=(",", ":"), sort_keys=True).encode())
        return {
            "logIndex": "1",
            "logId": {"keyId": b64(log_id)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(time),
            "inclusionPromise": {"signedEntryTimestamp": b64(promise)},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": b64(top),
                "treeSize": "2",
                "hashes": [b64(other)],
                "checkpoint": {"envelope": f"{note}\n\u2014 rekor.example.com {mark}\n"},
            },
            "canonicalizedBody": b64(body),
        }


def elsewhere(**changes: str) -> Workflow:
    """Return another signer than the usual one."""
    return replace(Workflow(), **changes)
