"""A rehearsal's plan: that of the release, on any machine, with nothing to fetch, compile or prove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalog import load
from pipeline.model.actions import MakeBundle
from pipeline.model.rehearsal_actions import RehearseLayer
from pipeline.names import PLATFORMS, parse_target
from pipeline.plan import BuildRequest, PlanInputs, github_matrix, make_plan, make_rehearsal, release_plan
from tests.simulators.pins import release, with_releases

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
INPUTS = PlanInputs(platform="linux-x86_64", glibc="2.36", tools={})


@pytest.fixture(scope="module")
def shipped():
    return load(RECIPES)


def bundles(plan):
    found = [step.action for step in plan.steps if isinstance(step.action, MakeBundle)]
    return {f"{action.engine}/{action.platform}-{action.accel}": action for action in found}


def layers(plan, target):
    """Return name and role of the layers of a bundle, in order."""
    actions = {step.name: step.action for step in plan.steps}
    return [(actions[name].layer_name, actions[name].role) for name in bundles(plan)[target].layers]


def test_every_target_that_can_be_made_anywhere_is_rehearsed(shipped):
    found = make_rehearsal(BuildRequest(shipped.targets(), rehearsal=True), shipped)
    assert [*found.targets] == sorted(bundles(found)) == [str(target) for target in shipped.targets()]
    assert len({target.platform for target in shipped.targets()}) == 6


def test_nothing_is_fetched_compiled_or_proven(shipped):
    found = make_rehearsal(BuildRequest(shipped.targets(), rehearsal=True), shipped)
    assert {type(step.action) for step in found.steps} == {RehearseLayer, MakeBundle}
    assert sum(step.download_bytes for step in found.steps) == 0
    for action in bundles(found).values():
        assert action.rehearsal
        assert (action.proof, action.health, action.environment, action.parts) == (None, None, None, ())


@pytest.mark.parametrize("name", ["llama.cpp/windows-x86_64-cuda-12.4", "llama.cpp/macos-x86_64-cpu"])
def test_a_bundle_has_the_layers_version_and_programs_of_the_real_one(shipped, name):
    request = BuildRequest((parse_target(name),), prove="none")
    real = make_plan(request, shipped, INPUTS)
    found = make_rehearsal(replace(request, rehearsal=True), shipped)
    assert layers(found, name) == layers(real, name)
    for field in ("version", "origin", "entry_points", "licenses", "epoch_seconds"):
        assert getattr(bundles(found)[name], field) == getattr(bundles(real)[name], field)


def test_targets_share_the_layers_that_the_real_ones_share(shipped):
    names = ("llama.cpp/linux-x86_64-cpu", "llama.cpp/linux-x86_64-avx2")
    request = BuildRequest(tuple(map(parse_target, names)), source="build", rehearsal=True)
    found = make_rehearsal(request, shipped)
    cores = {bundles(found)[name].layers[0] for name in names}
    assert len(cores) == 1


def test_a_vendors_runtime_is_one_layer_for_all_releases(catalog):
    tags = ("b10892", "b10800")
    files = [(f"llama-{tag}-bin-win-cuda-12.4-x64.zip", "cudart-cuda-12.4.zip") for tag in tags]
    made_for = [{"windows-x86_64-cuda-12.4": names} for names in files]
    pinned = with_releases(catalog, *(release(tag, found) for tag, found in zip(tags, made_for, strict=True)))
    target = parse_target("llama.cpp/windows-x86_64-cuda-12.4")
    keys = []
    for tag in tags:
        found = make_rehearsal(BuildRequest((target,), source="fetch", release=tag, rehearsal=True), pinned)
        keys.append({s.action.layer_name: s.key for s in found.steps if isinstance(s.action, RehearseLayer)})
    assert keys[0]["cuda-12.4-runtime"] == keys[1]["cuda-12.4-runtime"]
    assert keys[0]["core"] != keys[1]["core"]


def test_the_release_plan_names_every_target_with_the_version_that_is_made(shipped):
    request = BuildRequest(shipped.targets(), rehearsal=True)
    made = {(decision.target, decision.version) for decision in make_rehearsal(request, shipped).decisions}
    assert {(bundle.target, bundle.version) for bundle in release_plan(request, shipped).bundles} == made


def test_the_jobs_of_a_matrix_are_told_that_they_rehearse(shipped):
    told, not_told = (
        github_matrix(
            shipped.targets(), runners=dict.fromkeys(PLATFORMS, "r"), release=None, source="auto", rehearsal=rehearsal
        )["include"]
        for rehearsal in (True, False)
    )
    assert all(job["rehearsal"] is True for job in told)
    assert not any("rehearsal" in job for job in not_told)
