"""What `install` takes when it is told a target, and when it is not."""

from __future__ import annotations

import pytest

from pipeline.deploy.choosing import choose
from pipeline.deploy.generations import list_generations
from pipeline.deploy.select import NoAcceleratorError
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.events import Notice
from pipeline.model.host import HostFacts
from tests.simulators.engine_world import HOST, FixedHost, LayerFiles, World, core
from tests.simulators.variants import RTX_4090, artifact

GPU = HOST.model_copy(
    update={"nvidia_driver": RTX_4090.nvidia_driver, "nvidia_gpus": RTX_4090.nvidia_gpus, "adapters": RTX_4090.adapters}
)


class Unasked(FixedHost):
    """A host whose devices must not be looked for."""

    def survey(self) -> HostFacts:
        raise AssertionError("the devices were looked for")


@pytest.fixture
def both(world: World) -> World:
    """A repository with a cpu variant, and one each for a CUDA that the host's driver can and cannot run."""
    world.build("b1")
    for accel in ("cuda-12.8", "cuda-13.0"):
        world.build("b1", (core("b1"), LayerFiles(accel, {f"lib/{accel}.so": accel.encode()})), accel=accel)
    world.publish()
    return world


def installed(world: World, facts: HostFacts, **changes: object):
    services = world.services(host=FixedHost(facts))
    outcome = world.install(services=services, **changes)
    warnings = [e.message for e in services.events.events if isinstance(e, Notice) and e.level == "warning"]
    return outcome, warnings


def test_a_gpu_host_gets_the_newest_cuda_that_it_can_run_and_is_told_why(both: World):
    outcome, warnings = installed(both, GPU, require_accel=True)
    assert outcome.target == "llama.cpp/linux-x86_64-cuda-12.8"
    assert outcome.selection.why == "it fits, and is preferred over cpu"
    assert {r.target: r.reasons for r in outcome.selection.rejected} == {
        "llama.cpp/linux-x86_64-cpu": ("it fits, and cuda-12.8 is preferred",),
        "llama.cpp/linux-x86_64-cuda-13.0": ("CUDA 13.0 needs NVIDIA driver 580 or newer, this is 570.86.15",),
    }
    assert warnings == []


def test_a_gpu_host_that_ends_on_the_processor_is_warned(both: World):
    outcome, warnings = installed(both, GPU.model_copy(update={"nvidia_driver": "470.1.2"}))
    assert outcome.target == "llama.cpp/linux-x86_64-cpu"
    assert len(warnings) == 1
    assert "NVIDIA GeForce RTX 4090, which will NOT be used" in warnings[0]
    assert "cuda-12.8 b1: CUDA 12.8 needs NVIDIA driver 525" in warnings[0]


@pytest.mark.parametrize("named", [{}, {"target": "linux-x86_64-cpu"}])
def test_a_required_accelerator_that_is_not_to_be_had_installs_nothing(both: World, named: dict[str, str]):
    services = both.services(host=FixedHost(HOST))
    with pytest.raises(NoAcceleratorError):
        both.install(services=services, require_accel=True, **named)
    assert services.downloader.brought == []
    assert list_generations(both.root) == ()


def test_a_named_target_for_the_processor_starts_no_probe(both: World):
    services = both.services(host=Unasked())
    assert both.install(services=services, target="linux-x86_64-cpu").selection is None


@pytest.mark.parametrize("changes", [{}, {"check_host": False}, {"require_accel": True}])
def test_a_gpu_that_files_for_the_processor_leave_unused_is_said(both: World, changes: dict[str, bool]):
    files = (both.folder / "dist/llama.cpp-b1-cpu.tar.zst",)
    expected = (
        "this machine has NVIDIA GeForce RTX 4090, which will NOT be used:\n"
        "cuda-12.8 b1: it fits, but cpu is taken: it is what the given files are of\n"
        "cuda-13.0 b1: CUDA 13.0 needs NVIDIA driver 580 or newer, this is 570.86.15"
    )
    if "require_accel" in changes:
        with pytest.raises(NoAcceleratorError, match="which will NOT be used"):
            installed(both, GPU, files=files, **changes)
        return
    outcome, warnings = installed(both, GPU, files=files, **changes)
    assert outcome.target == "llama.cpp/linux-x86_64-cpu"
    assert warnings == [expected]


def test_a_gpu_that_the_only_variant_leaves_unused_is_said_without_a_check_of_the_host(published: World):
    _, warnings = installed(published, GPU, check_host=False)
    assert len(warnings) == 1
    assert "this machine has NVIDIA GeForce RTX 4090, which will NOT be used" in warnings[0]


def test_a_named_target_is_held_to_the_same_rules(both: World):
    with pytest.raises(HostError, match=r"CUDA 13\.0 needs NVIDIA driver 580 or newer, this is 570\.86\.15"):
        installed(both, GPU, target="linux-x86_64-cuda-13.0")
    with pytest.raises(HostError, match="no NVIDIA GPU with a working driver was found"):
        installed(both, HOST, target="linux-x86_64-cuda-12.8")
    outcome, _ = installed(both, HOST, target="linux-x86_64-cuda-12.8", check_host=False)
    assert outcome.target == "llama.cpp/linux-x86_64-cuda-12.8"


def test_a_host_for_which_nothing_is_made_is_told_of_every_variant(both: World):
    with pytest.raises(NothingSelectedError, match="linux-x86_64-cuda-12") as caught:
        installed(both, HOST.model_copy(update={"platform": "macos-arm64"}))
    assert caught.value.message.count("it is for linux-x86_64, this is macos-arm64") == 3


def test_the_engine_can_be_named(both: World):
    assert installed(both, HOST, engine="llama.cpp")[0].changed
    with pytest.raises(NothingSelectedError, match="'other'"):
        installed(both, HOST, engine="other")


def test_a_target_of_one_engine_with_the_name_of_another_is_refused(both: World):
    with pytest.raises(UsageError, match=r"llama\.cpp/linux-x86_64-cpu is of llama\.cpp, not of mlx"):
        installed(both, HOST, target="llama.cpp/linux-x86_64-cpu", engine="mlx")


def test_a_short_target_of_an_engine_that_is_not_offered_is_told_what_is(both: World):
    with pytest.raises(NothingSelectedError, match="there is no engine 'mlx'") as caught:
        installed(both, HOST, target="linux-x86_64-cpu", engine="mlx")
    assert caught.value.hint == "there is llama.cpp"


@pytest.mark.parametrize("named", ["mlx-lm", "mlx-lm/*"])
def test_only_targets_of_this_host_are_offered_where_several_are_named(named):
    offered = [artifact("mlx", engine="mlx-lm", platform=platform) for platform in ("linux-x86_64", "macos-arm64")]
    with pytest.raises(UsageError) as caught:
        choose(offered, target=named, version=None, platform="linux-x86_64", revoked={})
    assert caught.value.hint.endswith("name mlx-lm/linux-x86_64-mlx")
