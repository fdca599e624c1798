from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.model.actions import MakeBundle, Prove
from pipeline.model.archive_actions import FetchArchive, SplitLayer
from pipeline.model.time_stamps import LASTING_EPOCH_SECONDS
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, PlanInputs, make_plan
from tests.simulators.pins import release, with_releases

CPU = parse_target("llama.cpp/windows-x86_64-cpu")
VULKAN = parse_target("llama.cpp/windows-x86_64-vulkan")
CUDA = parse_target("llama.cpp/windows-x86_64-cuda-12.4")
LINUX = parse_target("llama.cpp/linux-x86_64-cpu")
METAL = parse_target("llama.cpp/macos-arm64-metal")
CUDART = "cudart-llama-bin-win-cuda-12.4-x64.zip"
INPUTS = PlanInputs(platform="linux-x86_64", glibc="2.36", tools={})  # no compiler: none is needed


def targets(tag: str) -> dict[str, tuple[str, ...]]:
    return {
        "windows-x86_64-cpu": (f"llama-{tag}-bin-win-cpu-x64.zip",),
        "windows-x86_64-vulkan": (f"llama-{tag}-bin-win-vulkan-x64.zip",),
        "windows-x86_64-cuda-12.4": (f"llama-{tag}-bin-win-cuda-12.4-x64.zip", CUDART),
        "linux-x86_64-cpu": (f"llama-{tag}-bin-ubuntu-x64.tar.gz",),
        "macos-arm64-metal": (f"llama-{tag}-bin-macos-arm64.tar.gz",),
    }


@pytest.fixture
def pinned(catalog):
    return with_releases(catalog, *(release(tag, targets(tag)) for tag in ("b10892", "b10800")))


def plan(catalog, *wanted, **asked):
    return make_plan(BuildRequest(wanted, source="fetch", **asked), catalog, INPUTS)


def layers(found, target):
    """Return layer name to (role, archive) of the target's bundle, in order."""
    steps = {step.name: step.action for step in found.steps}
    bundle = next(a for a in steps.values() if isinstance(a, MakeBundle) and a.accel == target.accel)
    actions = [steps[name] for name in bundle.layers]
    assert all(isinstance(action, SplitLayer) for action in actions)
    return {action.layer_name: (action.role, action.archive.partition(" ")[2]) for action in actions}


def test_a_cuda_bundle_is_core_cpu_backend_and_the_vendors_runtime(pinned):
    archive = "b10892 llama-b10892-bin-win-cuda-12.4-x64.zip"
    assert layers(plan(pinned, CUDA), CUDA) == {
        "core": ("core", archive),
        "cpu": ("backend", archive),
        "cuda-12.4": ("backend", archive),
        "cuda-12.4-runtime": ("runtime", f"b10892 {CUDART}"),
    }


def test_a_cpu_bundle_has_the_cpu_layer_once(pinned):
    assert [*layers(plan(pinned, CPU), CPU)] == ["core", "cpu"]


def test_the_core_leaves_out_what_any_accelerator_claims(pinned):
    found = plan(pinned, CPU, CUDA)
    cores = [s.action for s in found.steps if isinstance(s.action, SplitLayer) and s.action.role == "core"]
    assert len(cores) == 2
    assert cores[0].exclude == cores[1].exclude
    assert {"ggml-cuda.dll", "ggml-cpu*.dll", "ggml-vulkan.dll"} <= set(cores[0].exclude)


def test_a_runtime_that_two_releases_share_is_made_once(pinned):
    old, new = (plan(pinned, CUDA, release=tag) for tag in ("b10800", "b10892"))
    runtime = {
        step.key
        for found in (old, new)
        for step in found.steps
        if isinstance(step.action, SplitLayer) and step.action.role == "runtime"
    }
    assert len(runtime) == 1


def stamps(found):
    """Return the time stamps of what a plan makes, by layer, and the bundle's."""
    layers = {s.action.layer_name: s.action.epoch_seconds for s in found.steps if isinstance(s.action, SplitLayer)}
    (bundle,) = (step.action for step in found.steps if isinstance(step.action, MakeBundle))
    return layers, bundle.epoch_seconds


def test_a_layers_time_stamp_is_that_of_no_release_and_a_bundles_is_its_own(pinned):
    layers, bundle = stamps(plan(pinned, CUDA))
    assert layers == dict.fromkeys(("core", "cpu", "cuda-12.4", "cuda-12.4-runtime"), LASTING_EPOCH_SECONDS)
    assert bundle == 1788992045  # 2026-09-09T22:14:05Z


def test_source_date_epoch_is_the_time_stamp_of_all_but_a_vendors_runtime(pinned):
    layers, bundle = stamps(plan(pinned, CUDA, epoch_seconds=7))
    assert layers == {"core": 7, "cpu": 7, "cuda-12.4": 7, "cuda-12.4-runtime": LASTING_EPOCH_SECONDS}
    assert bundle == 7


def test_windows_programs_are_called_exe(pinned):
    bundles = {s.action.accel: s.action for s in plan(pinned, CUDA, METAL).steps if isinstance(s.action, MakeBundle)}
    assert bundles["cuda-12.4"].entry_points["llama-server"] == "bin/llama-server.exe"
    assert bundles["metal"].entry_points["llama-server"] == "bin/llama-server"
    assert {bundle.origin for bundle in bundles.values()} == {"fetched"}


def test_each_system_may_bring_its_own_libraries_and_the_driver_its_own(pinned):
    allowed = {s.action.target: s.action.system_libraries for s in plan(pinned, CUDA, METAL, LINUX).steps
               if isinstance(s.action, Prove)}  # fmt: skip
    assert {"nvcuda.dll", "kernel32.dll"} <= set(allowed[str(CUDA)])
    assert "nvcuda.dll" not in allowed[str(METAL)]
    assert "/usr/lib/libSystem.B.dylib" in allowed[str(METAL)]
    assert "libc.so.6" in allowed[str(LINUX)]


def test_macos_has_a_floor_and_nothing_else_has(pinned):
    floors = {s.action.platform: s.action.macos_floor for s in plan(pinned, CPU, METAL).steps
              if isinstance(s.action, Prove)}  # fmt: skip
    assert floors == {"windows-x86_64": None, "macos-arm64": "13.3"}


def test_what_is_downloaded_is_counted(pinned):
    fetches = [step for step in plan(pinned, CUDA).steps if isinstance(step.action, FetchArchive)]
    assert [step.download_bytes for step in fetches] == [1000, 1000]


def test_where_an_archive_is_does_not_enter_its_key_and_what_vouches_for_it_does(pinned):
    def key(**changes):
        first = pinned.upstream["llama.cpp"]["b10892"]
        assets = tuple(asset.model_copy(update=changes) for asset in first.assets)
        changed = with_releases(pinned, first.model_copy(update={"assets": assets}))
        return next(step.key for step in plan(changed, CPU).steps if isinstance(step.action, FetchArchive))

    assert key() == key(urls=("https://elsewhere.example/a",))
    assert len({key(), key(level="attested"), key(sha256="1" * 64)}) == 3


def test_the_processor_is_no_device_where_its_backend_is_linked(pinned):
    mac = parse_target("llama.cpp/macos-x86_64-cpu")
    more = with_releases(pinned, release("b10892", {**targets("b10892"), mac.short: ("mac.tar.gz",)}))
    expected = {s.action.target: s.action.health.expect_devices for s in plan(more, mac, LINUX, METAL).steps
                if isinstance(s.action, Prove)}  # fmt: skip
    assert expected[str(mac)] == ()
    assert expected[str(LINUX)] == ("^CPU$",)
    assert expected[str(METAL)] != ()


def test_a_vendors_terms_are_named_where_its_runtime_is_carried(pinned):
    bundles = {s.action.accel: s.action for s in plan(pinned, CUDA, CPU).steps if isinstance(s.action, MakeBundle)}
    vendor = "LicenseRef-NVIDIA-CUDA-EULA"
    assert (vendor in bundles["cuda-12.4"].licenses, vendor in bundles["cpu"].licenses) == (True, False)


def test_a_projects_default_options_keep_nothing_from_being_fetched(pinned):
    assert plan(pinned, CPU, cmake_options={"GGML_LTO": "ON"}).decisions[0].origin == "fetched"


@pytest.mark.parametrize("asked", [{"insisted_options": frozenset({"GGML_LTO"})}, {"web_ui": True}, {"web_ui": False}])
def test_options_of_a_build_are_refused_for_what_is_fetched(pinned, asked):
    with pytest.raises(UsageError, match="fetched as upstream compiled it"):
        plan(pinned, CPU, **asked)
