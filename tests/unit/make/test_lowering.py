"""A proof that a machine could not give is said at each build, and given as soon as the machine can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import HostError
from pipeline.make.lowering import lowered, proved_less, settle
from pipeline.model.actions import Prove
from pipeline.model.manifest import HealthCheck, Requires
from pipeline.model.plan import Plan, Step
from pipeline.model.result import StepResult
from pipeline.plan.keys import step_key
from pipeline.ports import Services
from tests.simulators.engine_world import HOST, FixedHost, services_for

NEEDS = Requires(glibc="2.38", cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
OLD, NEW = FixedHost(HOST.model_copy(update={"glibc": "2.31"})), FixedHost(HOST.model_copy(update={"glibc": "2.40"}))


def proof(*, insist: bool = False) -> Prove:
    return Prove(
        target="llama.cpp/linux-x86_64-cpu",
        platform="linux-x86_64",
        accelerator_kind="cpu",
        layers=(),
        compiled=(),
        level="run",
        insist=insist,
        health=HealthCheck(
            program="bin/server", version_args=(), version_pattern="x", device_program="bin/server", device_args=()
        ),
        requires_cpu=(),
        system_libraries=(),
    )


def plan_of(action: Prove) -> Plan:
    """Return a plan of three steps: one before the proof, the proof, and what needs it."""
    before = Step(name="before", action=action, needs=(), key="0" * 64, targets=())
    prove = Step(name="prove", action=action, needs=("before",), key=step_key(action, [before.key]), targets=())
    after = Step(name="after", action=action, needs=("prove",), key=step_key(action, [prove.key]), targets=())
    return Plan(targets=(), steps=(before, prove, after))


@pytest.fixture
def services(tmp_path) -> Services:
    """Return services of a machine with an old C library."""
    return services_for(tmp_path, host=OLD)


def keep(plan: Plan, name: str, services: Services, *, level: str) -> None:
    """Keep what a proof said under its key."""
    key = next(step.key for step in plan.steps if step.name == name)
    facts = {"proof": {"level": level}, "requires": NEEDS.model_dump(mode="json")}
    services.store.put_result(StepResult(key=key, facts=facts))


def warnings(services: Services) -> list[str]:
    return [event.message for event in services.events.events if getattr(event, "level", "") == "warning"]


def test_less_than_was_planned_is_not_kept_under_the_key_of_the_plan():
    step = plan_of(proof()).steps[1]
    assert proved_less(step, {"proof": {"level": "none"}})
    assert not proved_less(step, {"proof": {"level": "run"}})


def test_a_lowered_proof_and_what_needs_it_have_other_keys_and_nothing_else_has():
    plan = plan_of(proof(insist=True))
    other = lowered(plan, "prove")
    assert [a.key == b.key for a, b in zip(plan.steps, other.steps, strict=True)] == [True, False, False]
    assert (other.steps[1].action.level, other.steps[1].action.insist) == ("none", False)
    assert other.steps[1].key == step_key(proof().model_copy(update={"level": "none"}), ["0" * 64])
    assert other.steps[2].key == step_key(proof(insist=True), [other.steps[1].key])


def test_a_machine_that_could_not_and_still_cannot_reuses_and_says_it_each_time(services):
    plan = plan_of(proof())
    keep(lowered(plan, "prove"), "prove", services, level="none")
    for time in (1, 2):
        assert settle(plan, services) == lowered(plan, "prove")
        said = warnings(services)
        assert len(said) == time
        assert "it needs glibc 2.38, this has 2.31" in said[-1]


def test_a_machine_that_can_by_now_proves_again(services):
    plan = plan_of(proof())
    keep(lowered(plan, "prove"), "prove", services, level="none")
    assert settle(plan, replace(services, host=NEW)) == plan
    assert warnings(services) == []


def test_a_proof_that_was_given_in_full_is_reused_as_it_is(services):
    plan = plan_of(proof())
    keep(lowered(plan, "prove"), "prove", services, level="none")
    keep(plan, "prove", services, level="run")
    assert settle(plan, services) == plan


def test_a_proof_that_nothing_less_will_do_for_is_refused_although_less_is_there(services):
    plan = plan_of(proof(insist=True))
    keep(lowered(plan, "prove"), "prove", services, level="none")
    with pytest.raises(HostError, match=r"2\.38"):
        settle(plan, services)
