from __future__ import annotations

from dataclasses import dataclass

import pytest

from pipeline.errors import HostError, ProofError
from pipeline.make.linkage import Linkage
from pipeline.make.proof_level import provable
from pipeline.make.prove import check_floor
from pipeline.model.actions import Prove
from pipeline.model.host import HostFacts
from pipeline.model.manifest import HealthCheck, Requires
from tests.simulators.engine_world import Recorder

HEALTH = HealthCheck(
    program="bin/llama-server", version_args=(), version_pattern="x", device_program="bin/llama-bench", device_args=()
)


def proof(platform: str) -> Prove:
    return Prove(
        target=f"llama.cpp/{platform}-cpu",
        platform=platform,
        accelerator_kind="cpu",
        layers=(),
        compiled=(),
        level="run",
        health=HEALTH,
        requires_cpu=(),
        system_libraries=(),
    )


class OldHost:
    """A machine with an old C library."""

    def facts(self):
        return HostFacts(
            platform="linux-x86_64", system="old", cpu_count=1, cpu_features=(), glibc="2.31", memory_bytes=0
        )


@dataclass
class Around:
    host: OldHost
    events: Recorder


NEEDS = Requires(glibc="2.38", cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())


def test_what_this_machine_cannot_run_is_measured_only_and_that_is_said_loudly():
    around = Around(OldHost(), Recorder())
    assert provable(proof("linux-x86_64"), "linux-x86_64", NEEDS, around) == "none"
    (notice,) = around.events.events
    assert notice.level == "warning"
    assert "2.38" in notice.message
    assert "2.31" in notice.message


def test_a_proof_that_nothing_less_will_do_for_is_an_error_where_it_cannot_be_run():
    insisting = proof("linux-x86_64").model_copy(update={"insist": True})
    with pytest.raises(HostError, match=r"2\.38"):
        provable(insisting, "linux-x86_64", NEEDS, Around(OldHost(), Recorder()))


def test_a_machine_that_has_all_it_takes_runs_everything():
    fitting = NEEDS.model_copy(update={"glibc": "2.31"})
    assert provable(proof("linux-x86_64"), "linux-x86_64", fitting, Around(OldHost(), Recorder())) == "run"


def test_what_is_for_another_platform_is_not_run_whatever_this_machine_has():
    around = Around(OldHost(), Recorder())
    nothing = Requires(glibc=None, cpu=(), libraries=(), driver=None, macos="14.0", gpu_architectures=())
    assert provable(proof("macos-arm64"), "macos-arm64", nothing, around) == "none"
    assert "it is for macos-arm64, this is linux-x86_64" in around.events.events[0].message


def test_what_something_runs_here_is_run_whatever_this_machines_own_libraries_are():
    around = Around(OldHost(), Recorder())
    assert provable(proof("linux-arm64"), "linux-arm64", NEEDS, around, elsewhere=True) == "run"
    assert around.events.events == []


def test_a_promised_glibc_is_held():
    promised = proof("linux-arm64").model_copy(update={"glibc_floor": "2.28"})
    fine, newer = (Linkage(glibc=version, libstdcxx=None, libraries=(), files=1) for version in ("2.27", "2.34"))
    check_floor(promised, fine)
    check_floor(proof("linux-x86_64"), newer)
    with pytest.raises(ProofError, match=r"needs glibc 2\.34; its toolchain promises 2\.28"):
        check_floor(promised, newer)
