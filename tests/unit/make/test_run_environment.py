"""Environments that are this machine's: made in a scratch prefix as an installation makes them, and started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.errors import HostError, ProofError
from pipeline.events import StepProgress
from pipeline.make.prove_environment import prove_environment
from pipeline.model.manifest import HealthCheck
from pipeline.system.binaries import FileInspector
from pipeline.system.conda_tool import RattlerTool
from pipeline.system.durable import FileDisk
from tests.simulators.engine_world import services_for
from tests.simulators.environment_steps import EnvironmentSteps, MadeWheel
from tests.simulators.environment_world import PYTHON, python_package

DEVICES = "print('Available devices:'); print('  CPU: ' + words.NAME)"
HEALTH = HealthCheck(
    program="bin/python",
    version_args=("-c", "import engine; print('engine', engine.__version__)"),
    version_pattern=r"^engine 1\.0$",
    device_program="bin/python",
    device_args=("-c", f"import words; {DEVICES}"),
    expect_devices=("^CPU",),
)


@pytest.fixture
def steps(tmp_path) -> EnvironmentSteps:
    """Return an environment of this machine's platform that starts."""
    services = replace(services_for(tmp_path / "store"), binaries=FileInspector(), conda=RattlerTool(), disk=FileDisk())
    (tmp_path / "steps").mkdir()
    return EnvironmentSteps(
        folder=tmp_path / "steps",
        services=services,
        platform="linux-x86_64",
        python=PYTHON,
        wheels=[
            MadeWheel("engine", files={"engine/__init__.py": b"__version__ = '1.0'\n"}),
            MadeWheel("words", files={"words.py": b"NAME = 'small'\n"}),
        ],
        conda=[python_package()],
        specs=(f"python {PYTHON}.*",),
        level="load",
        health=HEALTH,
    )


@pytest.fixture
def prove(steps, tmp_path):
    def run():
        action, results = steps.make()
        work = tmp_path / "a work folder"
        work.mkdir()
        return prove_environment(action, "prove", steps.services, results, work)

    return run


def test_an_environment_of_this_machine_is_linked_and_started(prove):
    proof = prove().facts["proof"]
    assert (proof["level"], proof["loads"], proof["version"]) == ("load", True, "engine 1.0")
    assert proof["devices"] == ["CPU: small"]


def test_how_far_the_proof_is_moves_from_layer_to_layer_and_from_file_to_file(steps, prove):
    prove()
    told = [event for event in steps.services.events.events if isinstance(event, StepProgress)]
    layers = [(event.done, event.total) for event in told if event.unit == "bytes"]
    assert layers[0][0] == 0 < layers[1][0] < layers[2][0] == layers[2][1]
    files = [(event.done, event.total) for event in told if event.unit == "files"]
    assert files == [(done, len(files)) for done in range(len(files))]
    assert len(files) > 5


def test_one_that_says_another_version_is_no_bundle(steps, prove):
    steps.wheels[0].files["engine/__init__.py"] = b"__version__ = '0.9'\n"
    with pytest.raises(ProofError, match="tiny/linux-x86_64-mlx: bin/python does not say the version"):
        prove()


def test_one_that_cannot_make_itself_a_model_has_not_run(steps, prove):
    steps.level = "run"
    with pytest.raises(ProofError, match="tiny/linux-x86_64-mlx: a run needs a model"):
        prove()


@pytest.mark.parametrize("insist", [False, True])
def test_wheels_alone_are_measured_where_there_is_no_python_for_them(steps, prove, insist):
    steps.conda, steps.insist = [], insist
    if insist:
        with pytest.raises(HostError, match=rf"cannot be run here: .* no python{PYTHON}"):
            prove()
    else:
        assert prove().facts["proof"]["level"] == "none"
