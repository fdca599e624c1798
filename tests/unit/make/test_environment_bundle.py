"""A bundle of an environment says what it is made of, and is the same bytes whenever it is made."""

from __future__ import annotations

import json

import pytest

from pipeline.deploy.comparing import FileComparison
from pipeline.deploy.verify_dist import verify_dist
from pipeline.events import StepProgress
from pipeline.make.bundle import make_bundle
from pipeline.make.deliver import deliver
from pipeline.model.actions import MakeBundle
from pipeline.model.manifest import Artifact, HealthCheck, Proof, Requires, Upstream
from pipeline.model.plan import Plan, Step
from pipeline.model.result import StepResult
from pipeline.model.statements import Part
from tests.simulators.conda_packages import CondaPackage, Member
from tests.simulators.engine_world import World
from tests.simulators.made_environment import KEY, MadeEnvironment
from tests.simulators.small_wheels import SmallWheel

BASE = CondaPackage("python", "3.14.1", {"lib/x": Member(b"x")}, license="Python-2.0")
WHEELS = (
    SmallWheel("mlx_lm", scripts={"mlx_lm.server": "mlx_lm.server:main"}),
    SmallWheel("vague", metadata="Classifier: License :: OSI Approved :: BSD License\n"),
)
METAL = (SmallWheel("mlx_metal", files={"mlx/lib/mlx.metallib": b"metal"}, metadata="License: LGPL-2.1 or mine\n"),)
HEALTH = HealthCheck(
    program="bin/python", version_args=(), version_pattern="1", device_program="bin/python", device_args=()
)


def bundle(folder, *, ready_milliseconds=3200, packages=(BASE,)):
    made = MadeEnvironment(folder, packages=packages, wheels={"wheels": WHEELS, "metal": METAL})
    proof = Proof(
        level="run", loads=True, version="mlx-lm 1.0", ready_milliseconds=ready_milliseconds, resident_bytes=7
    )
    requires = Requires(glibc="2.35", cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
    facts = {"proof": proof.model_dump(mode="json"), "requires": requires.model_dump(mode="json")}
    made.results["proof"] = StepResult(key=KEY, facts=facts)
    work = folder / "bundle"
    work.mkdir()
    outputs = make_bundle(bundle_action(made), "bundle", made.services, made.results, work)
    return made, outputs, Artifact.model_validate(outputs.facts["artifact"], strict=False)


def bundle_action(made):
    return MakeBundle(
        engine="mlx-lm",
        platform="linux-x86_64",
        accel="mlx",
        version="1.0",
        origin="assembled",
        upstream=Upstream(repository="ml-explore/mlx-lm", tag="v1.0", commit=None),
        entry_points={"mlx_lm.server": "bin/mlx_lm.server"},
        health=HEALTH,
        licenses=("Python-2.0",),
        layers=made.layers,
        proof="proof",
        compiled=(),
        parts=(Part(name="vague", license="BSD-3-Clause"),),
        environment=made.environment,
        builder_version="1",
        epoch_seconds=0,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("whole"))


def test_it_tells_how_far_it_is(whole):
    made, _, _ = whole
    told = [event for event in made.services.events.events if isinstance(event, StepProgress)]
    done = [event.done for event in told if event.step == "bundle"]
    sizes = [made.results[name].trees["layer"].size_bytes for name in made.layers]
    assert done == [sum(sizes[:count]) for count in range(len(sizes) + 1)]
    assert told[-1].total == told[-1].done


def read(made, outputs, role):
    with made.services.store.open_blob(outputs.blobs[role]) as stream:
        return json.loads(stream.read())


def test_the_manifest_says_how_the_environment_is_made_and_what_was_measured(whole):
    made, _, artifact = whole
    assert artifact.origin == "assembled"
    assert artifact.environment is not None
    assert artifact.environment.model_dump(mode="json") == made.results["installer"].facts["environment"]
    assert artifact.environment.scripts == {"mlx_lm.server": "mlx_lm.server:main"}
    assert (artifact.proof.ready_milliseconds, artifact.proof.resident_bytes) == (3200, 7)
    assert [(layer.name, layer.role) for layer in artifact.layers] == [
        ("base", "base"), ("wheels", "wheels"), ("metal", "runtime"), ("installer", "installer"),
    ]  # fmt: skip
    assert artifact.licenses == ("BSD-3-Clause", "LicenseRef-LGPL-2.1-or-mine", "MIT", "Python-2.0")
    assert artifact.web_ui is False
    assert (artifact.options, artifact.toolchain) == ({}, {})


def test_the_same_bytes_come_of_the_same_packages_whatever_a_proof_measured(whole, tmp_path):
    _, first, artifact = whole
    _, second, other = bundle(tmp_path / "again", ready_milliseconds=9900)
    assert first.blobs == second.blobs
    assert artifact != other
    assert artifact.is_same_build(other)


def test_the_card_in_the_bundle_has_no_measurements(whole, tmp_path):
    made, outputs, _ = whole
    archive = tmp_path / "bundle.tar.zst"
    made.services.store.copy_blob(outputs.blobs["bundle"], archive)
    made.services.archiver.unpack(archive, tmp_path / "unpacked")
    card = json.loads((tmp_path / "unpacked/bundle.json").read_text())
    assert card["artifact"]["proof"]["version"] == "mlx-lm 1.0"
    assert card["artifact"]["proof"]["ready_milliseconds"] is None
    assert card["artifact"]["proof"]["resident_bytes"] is None
    assert card["artifact"]["environment"]["base"] == "conda"
    assert "share/engine-pipeline/install-offline.sh" in {entry["path"] for entry in card["files"]}


def test_every_package_is_in_the_provenance_by_its_digest(whole):
    made, outputs, _ = whole
    statement = read(made, outputs, "provenance")
    locked = {file.filename: file.sha256 for file in (*made.environment.conda, *made.environment.wheels)}
    used = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {item["name"]: item["digest"]["sha256"] for item in used} == locked
    assert {item["uri"].partition("/")[0] for item in used} == {"pkg:conda", "pkg:pypi"}
    assert "3200" not in json.dumps(statement["predicate"]["runDetails"])


def test_every_package_is_in_the_bill_of_materials_with_its_license(whole):
    made, outputs, _ = whole
    bill = read(made, outputs, "sbom")
    packages = {
        item["purl"]: item for item in bill["components"] if item.get("purl", "").startswith(("pkg:conda", "pkg:py"))
    }
    named = {purl.partition("?")[0]: item["licenses"][0] for purl, item in packages.items()}
    assert named == {
        "pkg:conda/python@3.14.1": {"license": {"id": "Python-2.0"}},
        "pkg:pypi/mlx-lm@1.0": {"license": {"id": "MIT"}},
        "pkg:pypi/vague@1.0": {"license": {"id": "BSD-3-Clause"}},
        "pkg:pypi/mlx-metal@1.0": {"expression": "LicenseRef-LGPL-2.1-or-mine"},
    }
    assert all(item["hashes"][0]["alg"] == "SHA-256" for item in packages.values())
    layers = {item["name"]: item for item in bill["components"] if item["bom-ref"].startswith("layer:")}
    assert "components" not in layers["wheels"]  # packages say their files themselves
    assert len(layers["installer"]["components"]) == 8
    assert layers["wheels"]["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert layers["installer"]["licenses"] == [{"license": {"id": "MIT"}}]  # this project's own files
    needs = {item["ref"]: item.get("dependsOn") for item in bill["dependencies"]}
    assert needs["layer:metal"] == ["pkg:pypi/mlx-metal@1.0"]


def test_it_is_delivered_published_and_verified_as_an_environment(whole, tmp_path):
    made, outputs, artifact = whole
    made.results["bundle"] = StepResult(key=KEY, blobs=dict(outputs.blobs), facts=dict(outputs.facts))
    step = Step(name="bundle", action=bundle_action(made), needs=(), key=KEY, targets=(artifact.target,))
    plan = Plan(targets=(artifact.target,), steps=(step,))
    world = World(tmp_path)
    deliver(plan, made.results, made.services, tmp_path / "dist", release="2026.11.0")
    found = FileComparison()
    verify_dist(tmp_path / "dist", found)
    assert (found.findings, found.verified) == ([], len(artifact.layers) + 4)  # bundle, manifest, two statements
    world.publish()
    targets = json.loads((world.repository / "metadata/1.env-mlx-lm.json").read_text())["signed"]["targets"]
    assert {f"envs/mlx-lm/{artifact.sha256}", "envs/mlx-lm/manifest.json"} <= set(targets)


def test_a_bundle_without_a_base_says_so(tmp_path):
    _, _, artifact = bundle(tmp_path / "host", packages=())
    assert artifact.environment is not None
    assert (artifact.environment.base, artifact.environment.channel, artifact.environment.packages) == (
        "host",
        None,
        (),
    )
