"""CUDA without a CUDA installation: the toolkit is made of packages, and compiles files of llama.cpp's real backend.

The whole backend takes more than an hour of processor time; a few files show that toolkit, flags and options fit.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.make.compile import compile_component
from pipeline.make.run import _run_step
from pipeline.model.actions import Compile
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, look_around, make_plan
from pipeline.system.binaries import FileInspector
from tests.simulators.kept_cache import CACHE_DIR

pytestmark = pytest.mark.slow

CUDA = parse_target("llama.cpp/linux-x86_64-cuda-13.0")
OBJECTS = "ggml/src/ggml-cuda/CMakeFiles/ggml-cuda.dir"
FILES = ("scale.cu.o", "softmax.cu.o", "ggml-cuda.cu.o")
ARCHITECTURES = ("sm_86", "compute_90")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """Return the build folder of a few files of the backend, compiled with the toolkit of packages."""
    settings = load_settings(Flags(cache_dir=CACHE_DIR))
    catalog = load(settings.recipes_dir)
    request = BuildRequest((CUDA,), source="build", prove="none", toolkit="packaged", architectures=ARCHITECTURES)
    work = tmp_path_factory.mktemp("cuda")
    with build_services(settings) as services:
        plan = make_plan(request, catalog, look_around(request, catalog, services))
        step = next(s for s in plan.steps if isinstance(s.action, Compile) and s.action.toolkit)
        needed = [step.needs, *(s.needs for s in plan.steps if s.name in step.needs)]
        results = {}
        for one in (s for s in plan.steps if any(s.name in names for names in needed)):
            results[one.name] = services.store.result(one.key) or _run_step(one, "a test", services, results)[0]
        targets = ("ggml-base", *(f"{OBJECTS}/{name}" for name in FILES))
        changes = {"cmake_targets": targets, "outputs": ("libggml-base.so*",)}
        component = step.action.component.model_copy(update=changes)
        action = step.action.model_copy(update={"component": component})
        compile_component(action, step, services, results, work)
    return work / "build"


def test_objects_have_code_for_the_gpus_that_were_asked_for(compiled):
    for name in FILES:
        card = FileInspector().inspect(compiled / OBJECTS / name)
        assert card is not None
        assert set(card.gpu_architectures) == set(ARCHITECTURES), name


def test_no_place_of_this_machine_is_left_in_what_was_compiled(compiled):
    for name in FILES:
        data = (compiled / OBJECTS / name).read_bytes()
        assert str(compiled.parent).encode() not in data, name
        assert b"/trees/" not in data, name
