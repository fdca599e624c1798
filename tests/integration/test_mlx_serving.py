"""The real mlx_lm.server with a model made on the spot: asked, measured, stopped; and what is said when it fails.

Slow: the wheels of MLX are downloaded once, into an environment that is kept below the cache folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import pipeline.proofs.tiny_model
from pipeline.catalog.catalog import load
from pipeline.errors import ProofError
from pipeline.model.filling import fill
from pipeline.model.manifest import HealthCheck
from pipeline.ports import Command
from pipeline.proofs.programs import check_loads, clean_environment, make_model, own_environment
from pipeline.proofs.serving import Generation, generate
from pipeline.system.clock import SystemClock
from pipeline.system.loopback import LocalHttp
from pipeline.system.processes import ProcessRunner
from tests.simulators import mlx_environment as made
from tests.simulators.engine_world import Recorder
from tests.simulators.kept_cache import CACHE_DIR

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not made.can_run(), reason=f"the wheels of mlx need Linux on x86_64 with glibc {made.FLOOR}"),
]
TINY_MODEL = "share/engine-pipeline/tiny_model.py"
VERSION = made.NEWER.partition("==")[2]


def make_venv() -> Path:
    """Return an environment with the real wheels, made once for these requirements and this Python."""
    wanted = (made.MLX, made.NEWER)
    key = repr((wanted, made.EXCLUDE_NEWER, sys.version, platform.machine(), sys.base_prefix))
    folder = CACHE_DIR / "environments" / f"tests-mlx-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([made.uv(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
            install = [made.uv(), "pip", "install", "--quiet", "--only-binary", ":all:"]
            install += ["--exclude-newer", made.EXCLUDE_NEWER, "--python", folder / "bin/python", *wanted]
            subprocess.run(install, check=True)
            (folder / "complete").touch()
    return folder


@dataclass
class Ground:
    """An environment with its check, and what is needed to run it."""

    root: Path
    cwd: Path
    check: HealthCheck
    services: Services

    @property
    def env(self) -> dict[str, str]:
        return own_environment(self.check, self.root, clean_environment(self.cwd, {"PATH": "/usr/bin:/bin"}))

    def model(self, name: str = "model") -> Path:
        return make_model(
            self.check, self.root, self.cwd / name, commands=self.services.commands, env=self.env, cwd=self.cwd
        )

    def generate(self, model: Path | None = None, **changes: object) -> Generation:
        return generate(
            self.check.model_copy(update=changes),
            root=self.root,
            model=model,
            services=self.services,
            env=clean_environment(self.cwd, {"PATH": "/usr/bin:/bin"}),
            cwd=self.cwd,
            step="check",
        )


@dataclass
class Services:
    """The real things; ``commands`` remembers what it started."""

    commands: Watched
    loopback: LocalHttp
    clock: SystemClock
    events: Recorder


class Watched(ProcessRunner):
    """Remembers the servers that it started."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[int] = []

    def start(self, command: Command, *, log_path: Path | None = None):
        running = super().start(command, log_path=log_path)
        self.ids.append(running._process.pid)  # what is left of its session is looked for
        return running


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """Return a folder as an installed environment has it; its Python is the one of the kept environment."""
    folder = tmp_path_factory.mktemp("an installed tree")
    for path in (folder / "bin", (folder / TINY_MODEL).parent):
        path.mkdir(parents=True)
    shutil.copyfile(pipeline.proofs.tiny_model.__file__, folder / TINY_MODEL)
    (folder / "bin/python").write_text(f'#!/bin/sh\nexec {make_venv()}/bin/python "$@"\n')
    (folder / "bin/python").chmod(0o755)
    return folder


@pytest.fixture
def ground(tree, tmp_path) -> Ground:
    recipe = load(made.PROJECT / "recipes").environments["mlx-lm"].proof
    check = HealthCheck(
        program=recipe.program,
        version_args=recipe.version_args,
        version_pattern=fill(recipe.version_pattern, version=VERSION),
        device_program=recipe.program,
        device_args=recipe.device_args,
        expect_devices=recipe.expect_devices["linux-x86_64"],
        server_args=recipe.server_args,
        model_args=recipe.model_args,
        environment=recipe.environment,
        prompt=recipe.prompt,
        minimum_tokens=recipe.minimum_tokens,
        ready_timeout_seconds=recipe.ready_timeout_seconds,
    )
    (tmp_path / "scratch").mkdir()
    return Ground(tree, tmp_path / "scratch", check, Services(Watched(), LocalHttp(), SystemClock(), Recorder()))


def left_of_session(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_its_programs_say_their_version_and_device(ground):
    found = check_loads(ground.check, ground.root, commands=ground.services.commands, env=ground.env, cwd=ground.cwd)
    assert found.version == f"mlx-lm {VERSION}"
    assert [device.partition(":")[0] for device in found.devices] == ["CPU"]


def test_a_model_made_on_the_spot_is_listed_asked_and_streamed(ground):
    done = ground.generate()
    assert (done.tokens, done.streamed_tokens, done.model) == (16, 16, "made on the spot")
    assert done.text.isascii()
    assert done.ready_seconds > 0
    assert 50_000_000 < done.resident_bytes < 2_000_000_000, "Python and MLX, and a model of half a megabyte"
    streamed = [event for event in ground.services.events.events if getattr(event, "detail", "") == "streaming"]
    assert len(streamed) >= 16
    (server,) = ground.services.commands.ids
    assert left_of_session(server) == []


def test_the_same_model_is_made_twice_and_gives_the_same_answer(ground):
    first, second = ground.model("one"), ground.model("two")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }
    assert ground.generate(first).text == ground.generate(second).text


def test_the_model_is_a_hundred_thousand_parameters_and_nothing_ends_its_answers(ground):
    folder = ground.model()
    size = int.from_bytes((folder / "model.safetensors").read_bytes()[:8], "little")
    head = json.loads((folder / "model.safetensors").read_bytes()[8 : 8 + size])
    counts = [entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in head.items() if name[0] != "_"]
    assert 100_000 < sum(counts) // 4 < 200_000
    assert ground.generate(folder, minimum_tokens=200).tokens == 200


def test_the_model_names_the_token_that_ends_a_text_as_other_servers_expect(ground):
    """mlx-openai-server 1.8.1 answers every question with 500 where a tokenizer has none."""
    folder = ground.model()
    vocabulary = json.loads((folder / "tokenizer.json").read_bytes())["model"]["vocab"]
    end = json.loads((folder / "tokenizer_config.json").read_bytes())["eos_token"]
    assert vocabulary[end] == json.loads((folder / "config.json").read_bytes())["eos_token_id"]


@pytest.mark.parametrize(("number", "exit_codes"), [(signal.SIGTERM, {-15}), (signal.SIGINT, {0, -2, -6})])
def test_a_signal_ends_it(ground, number, exit_codes):
    model, port = ground.model(), LocalHttp().free_port()
    values = {"model": str(model), "port": str(port), "host": "127.0.0.1", "tree": str(ground.root)}
    arguments = [fill(argument, **values) for argument in ground.check.server_args]
    server = subprocess.Popen(
        [ground.root / ground.check.program, *arguments],
        env=ground.env,
        cwd=ground.cwd,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(lambda: (answer := LocalHttp().get(port, "/health", timeout_seconds=1)) and answer.status == 200)
        server.send_signal(number)
        assert server.wait(30) in exit_codes
        assert left_of_session(server.pid) == []
    finally:
        server.kill()
        server.wait()


def test_a_damaged_model_is_reported_with_its_last_lines(ground):
    model = ground.model()
    (model / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ProofError, match=r"(?s)server .*safetensors"):
        ground.generate(model)
    assert left_of_session(ground.services.commands.ids[-1]) == []


def test_a_server_that_dies_is_reported_with_its_last_lines(ground):
    with pytest.raises(ProofError, match=r"(?s)ended with exit code 2 before it was ready.*unrecognized arguments"):
        ground.generate(ground.model(), server_args=(*ground.check.server_args, "--no-such-option"))


def test_a_model_that_cannot_be_made_is_reported(ground):
    with pytest.raises(ProofError, match=r"(?s)exit code 1:.*No module named 'no_such_module'"):
        ground.generate(model_args=("-c", "import no_such_module"))


def test_another_port_is_taken_where_somebody_was_faster(ground):
    class Late(LocalHttp):
        """Offers a port that is taken by the time it is used, once."""

        def __init__(self) -> None:
            self.offers = [taken.getsockname()[1]]

        def free_port(self) -> int:
            return self.offers.pop() if self.offers else super().free_port()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        ground.services.loopback = Late()
        assert ground.generate().tokens == 16
    first, second = ground.services.commands.ids
    assert left_of_session(first) == left_of_session(second) == []


def test_one_that_will_not_stop_is_killed_and_reported(ground, monkeypatch):
    monkeypatch.setattr("pipeline.proofs.serving._GRACE_SECONDS", 1.0)
    deaf = "import runpy, signal, sys; signal.signal(15, signal.SIG_IGN); sys.argv[0] = 'mlx_lm'; "
    serve = ("-c", deaf + "runpy.run_module('mlx_lm', run_name='__main__')", *ground.check.server_args[2:])
    with pytest.raises(ProofError, match=r"exit code -9 \(SIGKILL: .*\) when told to stop"):
        ground.generate(server_args=serve)
    assert left_of_session(ground.services.commands.ids[-1]) == []


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
