"""A server is asked everything that it promises, is stopped, and leaves nothing behind; what goes wrong is said."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.errors import ProofError
from pipeline.model.manifest import HealthCheck
from pipeline.proofs.programs import check_loads, clean_environment, make_model, own_environment
from pipeline.proofs.serving import first_token, generate
from pipeline.system.clock import SystemClock
from pipeline.system.loopback import LocalHttp
from pipeline.system.processes import ProcessRunner
from tests.simulators.engine_world import Recorder
from tests.simulators.model_server import health, write_environment


class Ground:
    """A small environment in a folder, and what is needed to run it."""

    def __init__(self, folder: Path, fault: str = "") -> None:
        self.child_path = folder / "child"
        self.root = write_environment(folder / "a tree", fault=fault, child_path=self.child_path)
        self.cwd = folder / "scratch"
        self.cwd.mkdir()
        self.env = clean_environment(self.cwd, {"PATH": "/usr/bin:/bin"})
        self.services = SimpleNamespace(
            commands=ProcessRunner(), loopback=LocalHttp(), clock=SystemClock(), events=Recorder()
        )

    def generate(self, check: HealthCheck | None = None, model: Path | None = None):
        return generate(
            check or health(),
            root=self.root,
            model=model,
            services=self.services,
            env=self.env,
            cwd=self.cwd,
            step="check",
        )


@pytest.fixture
def ground(tmp_path):
    return Ground(tmp_path)


def test_a_model_is_made_asked_and_streamed(ground):
    done = ground.generate()
    assert (done.tokens, done.streamed_tokens, done.text) == (4, 4, "The sea is wide")
    assert done.model == "made on the spot"
    assert 0 < done.ready_seconds < 20
    assert 1 << 20 < done.resident_bytes < 1 << 30


def test_each_piece_of_a_stream_is_told(ground):
    ground.generate()
    told = [event.done for event in ground.services.events.events if getattr(event, "detail", "") == "streaming"]
    assert told[:4] == [1, 2, 3, 4]
    assert told[-1] == 4


def test_a_model_that_is_given_is_taken(ground, tmp_path):
    model = tmp_path / "my model"
    model.mkdir()
    (model / "config.json").write_text("mine")
    assert ground.generate(model=model).model == "my model"
    assert not (ground.cwd / "tiny-model").exists()


def test_a_server_that_says_no_number_of_tokens_is_counted_by_pieces(tmp_path):
    assert Ground(tmp_path, "no usage").generate().streamed_tokens == 4


def test_a_port_that_was_taken_meanwhile_is_tried_again(tmp_path):
    assert Ground(tmp_path, "taken port").generate().tokens == 4


def test_a_check_without_a_model_of_its_own_needs_one(ground):
    with pytest.raises(ProofError, match="needs a model"):
        ground.generate(health().model_copy(update={"model_args": ()}))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("makes nothing", "should have made a model and wrote none"),
        ("cannot make", r"exit code 1:\n  no module named mlx"),
        ("dies", r"ended with exit code 1 before it was ready; it said:\n  ValueError: model type tiny"),
        ("gives up", "runs and says that it cannot serve"),
        ("taken ports", "port was taken 3 times"),
        ("models 404", "the list of models with status 404"),
        ("no models", "lists none"),
        ("no stream", "was asked for a stream and sent application/json"),
        ("stream 500", "streaming chat completion with status 500"),
        ("one piece", "4 tokens were streamed in 1 piece"),
        ("few", "only 2 tokens"),
        ("no json", "an event of the stream has another form than OpenAI's: 'token'"),
        ("no end", r"the stream ended after 6 events without \[DONE\]"),
        ("breaks off", r"the server ended with exit code 3 while it was asked; it said:"),
        ("illegal instruction", r"exit code -4 \(SIGILL: an instruction that this machine does not run\) while it was"),
    ],
)
def test_what_does_not_work_is_said(tmp_path, fault, says):
    with pytest.raises(ProofError, match=says):
        Ground(tmp_path, fault).generate()


def test_of_an_illegal_instruction_it_is_said_what_to_do(tmp_path):
    with pytest.raises(ProofError) as refused:
        Ground(tmp_path, "illegal instruction").generate()
    assert "another variant" in str(refused.value.hint)


def test_a_server_that_only_loads_is_waited_for(tmp_path):
    with pytest.raises(ProofError, match="not ready after 1 s"):
        Ground(tmp_path, "loads for ever").generate(health(ready_timeout_seconds=1))


def test_a_server_that_does_not_stop_is_killed_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.proofs.serving._GRACE_SECONDS", 0.3)
    with pytest.raises(ProofError, match=r"exit code -9 \(SIGKILL: .*\) when told to stop"):
        Ground(tmp_path, "deaf").generate()


def test_a_child_of_the_server_does_not_outlive_it(tmp_path):
    ground = Ground(tmp_path, "child")
    ground.generate()
    child = int(ground.child_path.read_text())
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_model_for_a_check_that_cannot_make_one_is_no_list_of_models(tmp_path):
    """An engine as llama.cpp's is asked what it was asked before, and no more."""
    ground = Ground(tmp_path, "models 404")
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("mine")
    check = health().model_copy(update={"model_args": ()})
    done = ground.generate(check, model)
    assert (done.tokens, done.streamed_tokens) == (4, None)


def test_what_a_check_sets_counts_more_and_knows_the_tree(ground):
    found = own_environment(health("7"), ground.root, {"TINY_VERSION": "1", "HOME": "/h"})
    assert found == {"TINY_VERSION": "7", "TINY_TREE": str(ground.root), "HOME": "/h"}


def test_programs_get_what_a_check_sets(ground):
    loaded = check_loads(health("1.0"), ground.root, commands=ground.services.commands, env=ground.env, cwd=ground.cwd)
    assert (loaded.version, loaded.devices) == ("tiny-lm 1.0", ("CPU: tiny",))


def test_a_model_is_made_where_nothing_is_yet(ground):
    env = own_environment(health(), ground.root, ground.env)
    made = make_model(
        health(), ground.root, ground.cwd / "m", commands=ground.services.commands, env=env, cwd=ground.cwd
    )
    assert [path.name for path in made.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    "change",
    [
        {"model_args": ("{tree}/make.py", "{port}")},
        {"server_args": ("--root", "{root}")},
        {"environment": {"HOME": "{home}"}},
        {"environment": {"A=B": "1"}},
    ],
)
def test_what_nobody_can_fill_in_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        HealthCheck.model_validate({**health().model_dump(), **change})


def test_the_first_token_is_timed_from_the_servers_start_and_from_the_question(ground):
    model = make_model(
        health(), ground.root, ground.cwd / "model", commands=ground.services.commands, cwd=ground.cwd,
        env=own_environment(health(), ground.root, ground.env),
    )  # fmt: skip
    began = time.monotonic()
    found = first_token(
        health(), root=ground.root, model=model, services=ground.services, env=ground.env, cwd=ground.cwd
    )
    spent = time.monotonic() - began
    assert found.text == "The"
    assert 0 < found.first_seconds < found.ready_seconds + found.first_seconds < spent


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("no stream", "said no word of it"),
        ("dies", "ended with exit code 1"),
        ("stream 500", "500"),
        ("illegal instruction", "SIGILL"),
    ],
)
def test_a_server_without_a_first_token_is_said(tmp_path, fault, says):
    ground = Ground(tmp_path, fault)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("model")
    with pytest.raises(ProofError, match=says):
        first_token(
            health(), root=ground.root, model=tmp_path / "model", services=ground.services, env=ground.env,
            cwd=ground.cwd,
        )  # fmt: skip
