from __future__ import annotations

import pytest

from pipeline.errors import NoSpaceError
from pipeline.make.compile import compile_component
from pipeline.model.actions import Compile
from pipeline.plan import BuildRequest, make_plan
from tests.simulators.engine_world import FixedHost, services_for
from tests.unit.plan.test_toolkit_steps import CUDA, INPUTS


def test_a_build_for_a_gpu_is_not_begun_without_the_space_that_it_needs(catalog, tmp_path):
    plan = make_plan(BuildRequest((CUDA,), source="build"), catalog, INPUTS)
    step = next(s for s in plan.steps if isinstance(s.action, Compile) and s.action.toolkit)
    services = services_for(tmp_path, host=FixedHost(free=1_000_000))
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(NoSpaceError, match=r"has 1 MB free and this needs 3000 MB") as caught:
        compile_component(step.action, step, services, {}, work)
    assert "--cache-dir" in caught.value.hint
    assert not list(work.iterdir())
