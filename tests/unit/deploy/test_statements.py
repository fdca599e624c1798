from __future__ import annotations

import json
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from pipeline.deploy.statements import NOBODY, Signers, provenance_fault, read_signers, signers_for
from pipeline.errors import IntegrityError
from pipeline.make.bill_of_materials import write_sbom
from pipeline.make.provenance import write_provenance
from pipeline.model.bill_of_materials import bill_fault
from pipeline.model.document_text import document_text
from pipeline.model.manifest import Artifact
from pipeline.model.manifest_document import read_manifest
from pipeline.model.repository_layout import BUILDERS_FIELD
from pipeline.model.statements import PAYLOAD_TYPE
from tests.simulators.engine_world import World
from tests.simulators.stating import SOURCE, action_of

FIRST, SECOND, FOREIGN = (CryptoSigner.generate_ed25519() for _ in range(3))
BOTH = Signers((FIRST.public_key, SECOND.public_key), 2)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    dist = World(tmp_path).build("b1")
    (made,) = read_manifest((dist / "manifest.json").read_bytes()).artifacts
    return made


def sealed(payload: bytes, *signers: CryptoSigner, payload_type: str = PAYLOAD_TYPE) -> bytes:
    envelope = Envelope(payload, payload_type, {})
    for signer in signers:
        envelope.sign(signer)
    return document_text(envelope.to_dict())


def test_a_statement_that_enough_have_signed_holds(artifact: Artifact):
    data = sealed(write_provenance(artifact, action_of(artifact)), FIRST, SECOND)
    assert provenance_fault(data, artifact, BOTH) is None


@pytest.mark.parametrize("signers", [(), (FIRST,), (FIRST, FOREIGN), (FOREIGN,)])
def test_too_few_signatures_and_foreign_ones(artifact: Artifact, signers: tuple[CryptoSigner, ...]):
    data = sealed(write_provenance(artifact, action_of(artifact)), *signers)
    assert "not signed by those" in str(provenance_fault(data, artifact, BOTH))


def test_one_key_that_signs_twice_is_one(artifact: Artifact):
    document = json.loads(sealed(write_provenance(artifact, action_of(artifact)), FIRST))
    document["signatures"] *= 2
    assert provenance_fault(json.dumps(document).encode(), artifact, BOTH) == "the envelope is malformed"


def test_a_payload_that_was_changed(artifact: Artifact):
    document = json.loads(sealed(write_provenance(artifact, action_of(artifact)), FIRST, SECOND))
    other = write_provenance(artifact, action_of(artifact, builder_version="9"))
    document["payload"] = json.loads(sealed(other))["payload"]
    assert "not signed by those" in str(provenance_fault(json.dumps(document).encode(), artifact, BOTH))


def test_a_signed_statement_about_another_bundle(artifact: Artifact):
    other = artifact.model_copy(update={"sha256": "9" * 64})
    data = sealed(write_provenance(other, action_of(artifact)), FIRST, SECOND)
    assert "about other files" in str(provenance_fault(data, artifact, BOTH))


def test_a_signed_payload_of_another_type(artifact: Artifact):
    data = sealed(write_provenance(artifact, action_of(artifact)), FIRST, SECOND, payload_type="text/plain")
    assert "no statement" in str(provenance_fault(data, artifact, BOTH))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"payload": 1, "payloadType": 2, "signatures": 3}',
        b'{"payload": "", "payload": ""}',
        b'{"payload": "!", "payloadType": "x", "signatures": []}',
    ],
)
def test_what_is_no_envelope(artifact: Artifact, data: bytes):
    assert provenance_fault(data, artifact, BOTH)


def test_the_bill_of_another_bundle(artifact: Artifact):
    other = artifact.model_copy(update={"sha256": "9" * 64})
    data = write_sbom(other, action_of(artifact), files={}, made_of=(SOURCE,))
    assert "not of the bundle" in str(bill_fault(data, artifact))
    assert bill_fault(data, other) is None


def test_a_bill_that_lacks_a_layer(artifact: Artifact):
    data = write_sbom(artifact, action_of(artifact), files={}, made_of=(SOURCE,))
    layer = artifact.layers[0].model_copy(update={"sha256": "8" * 64})
    more = artifact.model_copy(update={"layers": (*artifact.layers, layer)})
    assert "lacks a layer" in str(bill_fault(data, more))


def test_a_component_without_a_license_or_a_name(artifact: Artifact):
    document = json.loads(write_sbom(artifact, action_of(artifact), files={}, made_of=(SOURCE,)))
    assert bill_fault(json.dumps(document).encode(), artifact) is None
    inner = {"type": "file", "name": "bin/x"}
    for component, said in (
        ({"type": "file", "name": "x"}, "no license of x"),
        ({"type": "file", "licenses": [{"expression": "MIT"}]}, "without a name"),
        ({"type": "file", "name": "y", "licenses": [{"expression": ""}, {"license": {"name": ""}}, 3]}, "license of y"),
        ({"type": "file", "name": "z", "licenses": [{"expression": "MIT"}], "components": [inner]}, "license of bin/x"),
        (7, "without a name"),
    ):
        more = {**document, "components": [*document["components"], component]}
        assert said in str(bill_fault(json.dumps(more).encode(), artifact))
    bare = {**document, "metadata": {"component": {**document["metadata"]["component"], "licenses": []}}}
    assert "no license" in str(bill_fault(json.dumps(bare).encode(), artifact))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'])
def test_what_is_no_bill(artifact: Artifact, data: bytes):
    assert bill_fault(data, artifact)


def test_a_lane_names_the_publishers_keys(artifact: Artifact):
    builders = {"engine-llama.cpp": {"threshold": 1, "keys": {FIRST.public_key.keyid: FIRST.public_key.to_dict()}}}
    signers = read_signers(builders, "engine-llama.cpp")
    data = sealed(write_provenance(artifact, action_of(artifact)), FIRST)
    assert provenance_fault(data, artifact, signers) is None
    assert read_signers(builders, "engine-other") is None


KEYS = {FIRST.public_key.keyid: FIRST.public_key.to_dict()}


@pytest.mark.parametrize(
    "named",
    [
        {"threshold": "1", "keys": KEYS},
        {"threshold": 0, "keys": KEYS},
        {"threshold": -1, "keys": KEYS},
        {"threshold": True, "keys": KEYS},
        {"threshold": 1},
        {"threshold": 1, "keys": {"a": {}}},
        {"threshold": 1, "keys": {"a": 1}},
        {"threshold": 1, "keys": {"a": {"keytype": 1, "scheme": 2, "keyval": 3}}},
        [],
    ],
)
def test_a_lane_that_names_no_keys(named: object):
    with pytest.raises(IntegrityError):
        read_signers({"role": named}, "role")


def test_a_lane_whose_field_is_no_table():
    with pytest.raises(IntegrityError):
        read_signers([], "role")


def test_where_nobody_may_speak_for_an_engine_nothing_holds(artifact: Artifact):
    statement = write_provenance(artifact, action_of(artifact))
    for data in (statement, sealed(statement), sealed(statement, FIRST)):
        assert provenance_fault(data, artifact, NOBODY) is not None
    assert "too few keys" in str(provenance_fault(sealed(statement, FIRST), artifact, Signers((FIRST.public_key,), 2)))


def test_a_lane_tells_who_signs_for_its_publisher(artifact: Artifact):
    paths = ["engines/llama.cpp/*"]
    role = DelegatedRole("engine-llama.cpp", [FIRST.public_key.keyid], 1, terminating=True, paths=paths)
    delegations = Delegations({FIRST.public_key.keyid: FIRST.public_key}, {role.name: role})
    lane_role = DelegatedRole(role.name, [FOREIGN.public_key.keyid], 1, terminating=True, paths=paths)
    lane = Targets(
        delegations=Delegations({FOREIGN.public_key.keyid: FOREIGN.public_key}, {role.name: lane_role}),
        unrecognized_fields={BUILDERS_FIELD: {role.name: {"threshold": 1, "keys": KEYS}}},
    )
    path = "engines/llama.cpp/manifest.json"
    assert signers_for(lane, path) == Signers((FIRST.public_key,), 1)
    assert signers_for(Targets(delegations=delegations), path) == Signers((FIRST.public_key,), 1)
    assert signers_for(lane, "engines/other/manifest.json") is None
    assert signers_for(Targets(), path) is None
    nameless = Targets(delegations=lane.delegations, unrecognized_fields={BUILDERS_FIELD: {}})
    assert signers_for(nameless, path) is None


@pytest.mark.parametrize("change", [{"version": "b2"}, {"accel": "avx2"}, {"origin": "fetched"}])
def test_a_statement_that_calls_its_subjects_something_else(artifact: Artifact, change: dict[str, str]):
    data = write_provenance(artifact.model_copy(update=change), action_of(artifact))
    assert "something else" in str(provenance_fault(data, artifact, None))


@pytest.mark.parametrize("place", ["buildDefinition", "runDetails"])
def test_a_statement_without_what_slsa_asks_for(artifact: Artifact, place: str):
    document = json.loads(write_provenance(artifact, action_of(artifact)))
    document["predicate"][place] = {}
    assert "has no" in str(provenance_fault(json.dumps(document).encode(), artifact, None))
