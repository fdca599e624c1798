"""Attestations vouch for a file only when everything about them is right; verified by the real sigstore-python."""

from __future__ import annotations

import base64
import copy
import json
import sys
from datetime import timedelta

import pytest

from pipeline.errors import HostError, TrustError
from pipeline.system.attestations import SigstoreVerifier
from tests.simulators.sigstore_instance import SIGNED_AT, SigstoreInstance, b64, elsewhere

REPOSITORY = "ggml-org/llama.cpp"
DIGEST = "fb262cab2adf3a94807177cd8d57c8a9d9d8d54a7be8de84d5b05ceace52c03d"
OTHER = "0" * 64


@pytest.fixture(scope="module")
def instance() -> SigstoreInstance:
    return SigstoreInstance()


@pytest.fixture(scope="module")
def bundle(instance):
    return instance.attest(OTHER, DIGEST)


@pytest.fixture
def verifier(instance, tmp_path) -> SigstoreVerifier:
    return verifier_of(instance, tmp_path)


def verifier_of(instance: SigstoreInstance, folder) -> SigstoreVerifier:
    path = folder / "trusted_root.json"
    path.write_text(json.dumps(instance.trusted_root()))
    return SigstoreVerifier(trusted_root=path)


def encoded(*bundles) -> bytes:
    return b"\n".join(json.dumps(bundle).encode() for bundle in bundles)


def refusal(verifier, statement: bytes, *, sha256: str = DIGEST, repository: str = REPOSITORY) -> str:
    with pytest.raises(TrustError) as caught:
        verifier.verify(statement, sha256=sha256, repository=repository)
    assert caught.value.exit_code == 8
    return caught.value.message


def test_a_good_bundle_names_the_workflow_that_signed(verifier, bundle):
    signer = verifier.verify(encoded(bundle), sha256=DIGEST, repository=REPOSITORY)
    assert signer == "https://github.com/ggml-org/llama.cpp/.github/workflows/release.yml@refs/heads/master"


def test_the_forms_of_gh_and_of_the_api_are_read(verifier, instance, bundle):
    other = instance.attest(OTHER)
    for statement in (
        encoded(other, bundle),
        encoded(bundle) + b"\n",
        json.dumps({"attestations": [{"bundle": other}, {"bundle": bundle, "repository_id": 1}]}).encode(),
        json.dumps(bundle, indent=2).encode(),
    ):
        assert verifier.verify(statement, sha256=DIGEST, repository=REPOSITORY).startswith("https://github.com/")


def test_another_file_is_not_vouched_for(verifier, bundle):
    assert "other files" in refusal(verifier, encoded(bundle), sha256="1" * 64)


def test_another_repository_is_not_taken(verifier, bundle):
    assert "does not verify" in refusal(verifier, encoded(bundle), repository="ggml-org/whisper.cpp")
    assert "does not verify" in refusal(verifier, encoded(bundle), repository="ggml-org/llama")


@pytest.mark.parametrize("signer", [
    elsewhere(repository="mallory/llama.cpp"),
    elsewhere(issuer="https://accounts.example.com"),
    elsewhere(identity="https://github.com/mallory/llama.cpp/.github/workflows/release.yml@refs/heads/master"),
    elsewhere(identity="https://github.com/ggml-org/llama.cpp"),
    elsewhere(identity="https://github.com/ggml-org/llama.cpp-evil/.github/workflows/x.yml@refs/heads/master"),
])  # fmt: skip
def test_another_signer_is_not_taken(verifier, instance, signer):
    refusal(verifier, encoded(instance.attest(DIGEST, by=signer)))


@pytest.mark.parametrize("more", [
    {"predicate": "https://spdx.dev/Document/v2.3"},
    {"statement_type": "https://in-toto.io/Statement/v0.9"},
    {"payload_type": "text/plain"},
])  # fmt: skip
def test_another_statement_is_no_provenance(verifier, instance, more):
    refusal(verifier, encoded(instance.attest(DIGEST, **more)))


def changed_payload(bundle):
    payload = base64.b64decode(bundle["dsseEnvelope"]["payload"])
    bundle["dsseEnvelope"]["payload"] = b64(payload.replace(OTHER.encode(), b"2" * 64))


def changed_signature(bundle):
    signature = bytearray(base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"]))
    signature[-1] ^= 1
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = b64(bytes(signature))


def changed_certificate(bundle):
    raw = bytearray(base64.b64decode(bundle["verificationMaterial"]["certificate"]["rawBytes"]))
    raw[-1] ^= 1
    bundle["verificationMaterial"]["certificate"]["rawBytes"] = b64(bytes(raw))


def changed_time(bundle):
    bundle["verificationMaterial"]["tlogEntries"][0]["integratedTime"] = str(int(SIGNED_AT.timestamp()) + 1)


def changed_proof(bundle):
    bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"] = [b64(b"x" * 32)]


def changed_checkpoint(bundle):
    proof = bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    proof["checkpoint"]["envelope"] = proof["checkpoint"]["envelope"].replace("\n2\n", "\n3\n")


def without_promise(bundle):
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]


def without_log(bundle):
    bundle["verificationMaterial"]["tlogEntries"] = []


def without_envelope(bundle):
    del bundle["dsseEnvelope"]


def of_a_future_format(bundle):
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle.v9+json"


@pytest.mark.parametrize("tamper", [
    changed_payload, changed_signature, changed_certificate, changed_time, changed_proof, changed_checkpoint,
    without_promise, without_log, without_envelope, of_a_future_format,
], ids=lambda tamper: tamper.__name__)  # fmt: skip
def test_a_bundle_that_was_tampered_with_is_refused(verifier, bundle, tamper):
    copied = copy.deepcopy(bundle)
    tamper(copied)
    assert copied != bundle
    refusal(verifier, encoded(copied))


@pytest.mark.parametrize("statement", [
    b"", b"{}", b"[]", b"null", b'{"attestations": []}', b'{"attestations": {}}', b"\xff\xfe",
    b'{"a": 1, "a": 2}',    b"{}\n{}", b"[" * 100_000, b'{"mediaType": 7}', b'{"attestations": [{"bundle": null}]}',
], ids=range(12))  # fmt: skip
def test_what_is_no_bundle_is_refused(verifier, statement):
    refusal(verifier, statement)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_bundle_that_was_cut_short_is_refused(verifier, bundle, kept):
    statement = encoded(bundle)
    refusal(verifier, statement[: int(len(statement) * kept)])


def test_too_many_bundles_are_not_tried(verifier):
    assert "64" in refusal(verifier, b"\n".join([b"{}"] * 65))


def test_a_bundle_of_another_instance_is_refused(verifier, tmp_path):
    refusal(verifier, encoded(SigstoreInstance().attest(DIGEST)))


def test_an_authority_that_had_ended_when_it_was_signed_is_refused(tmp_path):
    ended = SigstoreInstance(valid_until=SIGNED_AT - timedelta(days=1))
    assert "chain" in refusal(verifier_of(ended, tmp_path), encoded(ended.attest(DIGEST)))


def test_the_public_instance_is_the_one_that_is_trusted_by_default(bundle):
    """The embedded root is read without a network, and knows nothing of ours."""
    assert "does not verify" in refusal(SigstoreVerifier(), encoded(bundle))


def test_what_is_no_trusted_root_is_refused(bundle, tmp_path):
    path = tmp_path / "trusted_root.json"
    path.write_text("{}")
    with pytest.raises(TrustError, match=r"trusted_root\.json"):
        SigstoreVerifier(trusted_root=path).verify(encoded(bundle), sha256=DIGEST, repository=REPOSITORY)


def test_without_sigstore_it_is_said_what_to_install(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigstore.models", None)
    with pytest.raises(HostError) as caught:
        SigstoreVerifier().verify(encoded(bundle), sha256=DIGEST, repository=REPOSITORY)
    assert "engine-pipeline[build]" in caught.value.hint
