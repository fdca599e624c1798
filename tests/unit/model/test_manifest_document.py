from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.errors import IntegrityError
from pipeline.model.bundle_card import BundleCard
from pipeline.model.manifest import Artifact, Layer, Proof, Requires, Upstream
from pipeline.model.manifest_document import (
    MANIFEST_SCHEMA_URL,
    manifest_schema,
    planned_by,
    read_bundle_card,
    read_manifest,
    write_bundle_card,
    write_manifest,
    write_schema,
)
from pipeline.model.release_plan import PlannedBundle
from pipeline.model.tree import TreeEntry

SCHEMA_PATH = Path(__file__).resolve().parents[3] / "manifests/schema/manifest-v1.schema.json"
CREATED = "2026-11-22T00:00:00Z"


def artifact(version: str = "b1", **changes: object) -> Artifact:
    fields = {
        "engine": "llama.cpp",
        "platform": "linux-x86_64",
        "accel": "cpu",
        "version": version,
        "origin": "built",
        "upstream": Upstream(repository="ggml-org/llama.cpp", tag=version, commit=None),
        "url": f"{version}.tar.zst",
        "sha256": "a" * 64,
        "size": 10,
        "installed_size": 20,
        "layers": (layer("core"),),
        "requires": Requires(glibc="2.34", cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=()),
        "entry_points": {"llama-server": "bin/llama-server"},
        "options": {"GGML_BACKEND_DL": "ON"},
        "toolchain": {"gcc": "12.2.0"},
        "proof": Proof(level="none"),
        "licenses": ("MIT",),
    }
    return Artifact(**(fields | changes))


def layer(name: str) -> Layer:
    return Layer(name=name, tree_sha256="b" * 64, url=f"{name}.tar.zst", sha256="c" * 64, size=5, installed_size=20)


def document() -> dict[str, object]:
    return json.loads(write_manifest([artifact()], release="2026.11.0", created=CREATED))


def refused(value: object, match: str) -> None:
    with pytest.raises(IntegrityError, match=match):
        read_manifest(json.dumps(value).encode())


def test_what_is_written_is_read():
    data = write_manifest([artifact("b2"), artifact("b1")], release="2026.11.0", created=CREATED)
    manifest = read_manifest(data)
    assert [a.version for a in manifest.artifacts] == ["b1", "b2"]
    assert (manifest.release, manifest.created, manifest.schema_url) == ("2026.11.0", CREATED, MANIFEST_SCHEMA_URL)
    assert write_manifest(manifest.artifacts, release="2026.11.0", created=CREATED) == data


def test_the_bytes_are_canonical():
    artifacts = [artifact("b10"), artifact("b9"), artifact("b9", accel="avx2")]
    data = write_manifest(artifacts, release="r", created=CREATED)
    assert data == write_manifest(reversed(artifacts), release="r", created=CREATED)
    assert data.endswith(b"}\n")
    assert [(a.accel, a.version) for a in read_manifest(data).artifacts] == [
        ("avx2", "b9"),
        ("cpu", "b9"),
        ("cpu", "b10"),
    ]
    assert data.decode() == json.dumps(json.loads(data), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def test_a_key_stands_once():
    with pytest.raises(IntegrityError, match=r"lists llama\.cpp linux-x86_64 cpu b1 twice"):
        write_manifest([artifact(), artifact()], release="r", created=CREATED)
    value = document()
    value["artifacts"] *= 2
    refused(value, "twice")


def test_layer_names_are_unique():
    with pytest.raises(IntegrityError, match="two layers of one name"):
        write_manifest([artifact(layers=(layer("core"), layer("core")))], release="r", created=CREATED)


def test_unknown_fields_and_versions_are_refused():
    refused(document() | {"extra": 1}, "extra: Extra inputs are not permitted")
    refused(document() | {"schema_version": 2}, "schema_version")
    refused(document() | {"created": "yesterday"}, "created")
    refused([], "document")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("size", -1),
        ("size", 0),
        ("size", "10"),
        ("size", True),
        ("sha256", "A" * 64),
        ("sha256", "a" * 63),
        ("engine", "../llama"),
        ("engine", "llama cpp"),
        ("engine", "llamа.cpp"),  # a Cyrillic letter  # noqa: RUF001
        ("version", ""),
        ("entry_points", {"x": "../../bin/sh"}),
        ("entry_points", {"x": "/bin/sh"}),
        ("layers", []),
    ],
)
def test_values_out_of_range_are_refused(field: str, value: object):
    changed = document()
    changed["artifacts"][0][field] = value
    refused(changed, rf"artifacts\.0\.{field}")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "ftp://example.com/x",
        "javascript:alert(1)",
        "https://user:word@example.com/x",
        "https://example.com/../x",
        "https://example.com/x?y",
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "a\\b",
        "",
    ],
)
def test_urls_that_lead_elsewhere_are_refused(url: str):
    changed = document()
    changed["artifacts"][0]["url"] = url
    refused(changed, r"artifacts\.0\.url")


def test_only_a_few_problems_are_shown():
    changed = document()
    for field in ("engine", "platform", "accel", "version", "sha256"):
        changed["artifacts"][0][field] = ""
    refused(changed, r"\(and 2 more\)")


def test_a_bundle_card():
    entry = TreeEntry(path="bin/x", mode=0o755, size_bytes=1, sha256="d" * 64)
    card = BundleCard(schema_version=1, artifact={"version": "b1"}, files=(entry,))
    assert read_bundle_card(write_bundle_card(card)) == card
    twice = card.model_copy(update={"files": (entry, entry)})
    with pytest.raises(IntegrityError, match="lists a file twice"):
        read_bundle_card(write_bundle_card(twice))


def test_the_schema_in_the_project_is_the_one_of_the_model():
    assert SCHEMA_PATH.read_bytes() == write_schema(), "write it anew: `python -m pipeline schema manifest`"


def test_the_schema_is_closed_and_names_itself():
    schema = manifest_schema()
    assert schema["$id"] == MANIFEST_SCHEMA_URL
    assert schema["additionalProperties"] is False
    assert "$schema" in schema["required"]


def test_what_is_no_rehearsal_and_whole_is_written_as_before_there_were_any():
    assert "rehearsal" not in document()["artifacts"][0]
    assert "partial" not in document()


def test_a_rehearsal_is_marked_and_stands_beside_nothing_real():
    data = write_manifest([artifact(rehearsal=True)], release="r", created=CREATED)
    assert json.loads(data)["artifacts"][0]["rehearsal"] is True
    assert read_manifest(data).artifacts[0].rehearsal
    with pytest.raises(IntegrityError, match="real bundles beside those of a rehearsal"):
        write_manifest([artifact(rehearsal=True), artifact("b2")], release="r", created=CREATED)


def test_a_partial_manifest_lists_what_is_missing_in_order():
    lacks = [PlannedBundle(target="llama.cpp/linux-x86_64-cpu", version=version) for version in ("b10", "b9")]
    data = write_manifest([artifact()], release="r", created=CREATED, missing=lacks)
    found = read_manifest(data).partial
    assert [bundle.version for bundle in found.missing] == ["b9", "b10"]
    assert planned_by(read_manifest(data)) == {*lacks, PlannedBundle(target="llama.cpp/linux-x86_64-cpu", version="b1")}


@pytest.mark.parametrize(
    ("missing", "match"),
    [
        ([], "partial.missing"),
        ([{"target": "llama.cpp/linux-x86_64-cpu", "version": "b1"}], "calls .* b1 missing and lists it"),
        ([{"target": "llama.cpp/linux-x86_64-cpu", "version": "b2"}] * 2, "missing twice"),
        ([{"target": "linux-x86_64-cpu", "version": "b2"}], "partial.missing.0.target"),
    ],
)
def test_what_is_missing_is_some_of_it_and_not_there(missing, match):
    refused(document() | {"partial": {"missing": missing}}, match)
