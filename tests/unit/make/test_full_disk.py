"""A cache on a small disk: what does not fit is not begun where that is known, and said with its folder where not."""

from __future__ import annotations

import dataclasses
import re

import pytest

from pipeline.errors import NoSpaceError
from pipeline.events import StepFailed
from pipeline.make import run
from pipeline.make.downloads import require_space_for_downloads
from pipeline.model.actions import MakeBundle
from pipeline.model.environment import Floors
from pipeline.model.environment_actions import FetchPackages, MakeWheelLayer
from pipeline.model.plan import Plan, Step
from pipeline.model.result import StepResult
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, look_around, make_plan
from tests.simulators.engine_world import FixedHost, services_for
from tests.simulators.mounts import mounted
from tests.simulators.small_wheels import SmallWheel

FETCH, LAYER = "a" * 64, "b" * 64
GIBI = 1 << 30


@pytest.fixture
def plan(catalog, tmp_path) -> Plan:
    """Return the plan of an environment of wheels alone."""
    request = BuildRequest((parse_target("mlx-lm/linux-x86_64-mlx"),), prove="none", wheels_only=True)
    return make_plan(request, catalog, look_around(request, catalog, services_for(tmp_path / "planning")))


def wheels_of(plan: Plan) -> FetchPackages:
    (action,) = (step.action for step in plan.steps if isinstance(step.action, FetchPackages))
    return action


def test_what_the_cache_has_no_room_for_is_not_begun_and_both_figures_are_named(plan, tmp_path):
    needed = sum(file.size_bytes for file in wheels_of(plan).files)
    services = services_for(tmp_path, host=FixedHost(free=needed - 1))
    with pytest.raises(NoSpaceError) as caught:
        run(plan, services, tmp_path / "dist")
    cache = re.escape(str(tmp_path / "downloads"))
    assert re.fullmatch(rf"{cache} has \d+ MB free and this needs {needed / 1e6:.0f} MB", caught.value.message)
    assert "--cache-dir" in caught.value.hint
    assert services.downloader.brought == []


def test_what_came_before_is_not_asked_for_twice(plan, tmp_path):
    whole, part, *_ = sorted(wheels_of(plan).files, key=lambda file: -file.size_bytes)
    needed = sum(file.size_bytes for file in wheels_of(plan).files)
    services = services_for(tmp_path)
    blob = services.store.blob_path(whole.sha256)
    blob.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(b"it is there")
    partials = tmp_path / "downloads" / "partials"
    partials.mkdir(exist_ok=True)
    (partials / f"{part.sha256}.part").write_bytes(b"x" * 40960)
    enough = needed - whole.size_bytes - 40960
    require_space_for_downloads(plan.steps, dataclasses.replace(services, host=FixedHost(free=enough)))
    with pytest.raises(NoSpaceError):
        require_space_for_downloads(plan.steps, dataclasses.replace(services, host=FixedHost(free=enough - 1)))


def test_nothing_to_download_needs_no_room(plan, tmp_path):
    others = [step for step in plan.steps if not step.download_bytes]
    assert others
    require_space_for_downloads(others, services_for(tmp_path, host=FixedHost(free=0)))


def test_a_disk_that_becomes_full_in_a_step_is_named_and_the_step_has_failed(plan, tmp_path):
    large = SmallWheel("large", files={"large/zeros": b"\0" * (3 << 20)})
    entry = large.write(tmp_path)
    with mounted(tmp_path / "cache", "-t", "tmpfs", "-o", "size=8m", "tmpfs") as disk:
        services = services_for(disk, host=FixedHost(free=GIBI))
        blob = services.store.add_blob(tmp_path / large.filename, filename=large.filename)
        services.store.put_result(StepResult(key=FETCH, blobs={large.filename: blob}))
        action = MakeWheelLayer(
            layer_name="wheels", role="wheels", fetched="fetch", wheels=(entry,), python="3.14", zstd_level=1,
            epoch_seconds=0, platform="macos-arm64", floors=Floors(macos="14.0"),
        )  # fmt: skip
        fetch = Step(name="fetch", action=wheels_of(plan), needs=(), key=FETCH, targets=plan.targets)
        layer = Step(name="layer wheels", action=action, needs=("fetch",), key=LAYER, targets=plan.targets)
        (bundle,) = (step for step in plan.steps if isinstance(step.action, MakeBundle))
        small = Plan(targets=plan.targets, steps=(fetch, layer, bundle.model_copy(update={"needs": ("layer wheels",)})))
        with pytest.raises(NoSpaceError) as caught:
            run(small, services, tmp_path / "dist")
        services.store.close()
    assert str(disk / "downloads") in caught.value.message
    assert "MB free" in caught.value.hint
    failed = [event for event in services.events.events if isinstance(event, StepFailed)]
    assert [(event.step, event.message) for event in failed] == [("layer wheels", caught.value.message)]
