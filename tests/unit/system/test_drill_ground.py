"""Commands without a network, and a folder that goes with its owner."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.ports import Command
from pipeline.system import no_network
from pipeline.system.drill_ground import IsolatedGround
from pipeline.system.processes import ProcessRunner


def run(*argv: str, stderr: Path, prefix: tuple[str, ...] = ()):
    command = IsolatedGround().without_network(argv, stderr_path=stderr)
    return ProcessRunner().run(Command(argv=(*prefix, *command), cwd=stderr.parent, env={"PATH": os.environ["PATH"]}))


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "stderr"


@pytest.fixture(autouse=True)
def _namespaces_can_be_made(tmp_path):
    if run(stderr=tmp_path / "probe").exit_code == no_network.REFUSED:
        pytest.skip("no network namespace can be made here")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", code)


def test_it_says_what_it_sees(log):
    outcome = run(stderr=log)
    assert outcome.exit_code == 0
    assert outcome.tail[-1].startswith("no route, no interface but lo")
    assert IsolatedGround().refusal(outcome) is None


def test_a_server_of_this_machine_cannot_be_reached_and_one_of_its_own_can(log):
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        outcome = run(
            *python(
                f"""
import socket
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=5)
    print("reached")
except ConnectionRefusedError:
    print("refused")
own = socket.create_server(("127.0.0.1", 0))
socket.create_connection(own.getsockname(), timeout=5)
print("own")
"""
            ),
            stderr=log,
        )
    assert outcome.tail == ("refused", "own")


def test_what_a_command_says_and_ends_with_comes_through(log):
    outcome = run(*python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(13)"), stderr=log)
    assert (outcome.exit_code, outcome.tail) == (13, ("out",))
    assert log.read_text() == "err\n"
    assert IsolatedGround().refusal(outcome) is None


def test_a_command_that_is_not_there_is_refused(log):
    outcome = run("/nothing/there", stderr=log)
    assert "No such file" in IsolatedGround().refusal(outcome)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_who_is_not_root_gets_one_with_a_user_namespace():
    interpreter = "/usr/bin/python3"
    if not Path(interpreter).exists():
        pytest.skip("no interpreter that everybody may run")
    text = Path(no_network.__file__).read_text(encoding="utf-8")
    # A process that changed its user owns its own /proc again only after exec.
    code = (
        "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        f"os.execv({interpreter!r}, [{interpreter!r}, '-I', '-c', {text!r}])"
    )
    done = subprocess.run([interpreter, "-I", "-c", code], capture_output=True, text=True, check=False, cwd="/")
    if "user namespace" in done.stdout:
        pytest.skip("users may make no namespaces here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("no route")


def test_a_namespace_that_has_a_way_out_is_refused(tmp_path, monkeypatch, capsys):
    # Told to leave nothing, the program finds this machine's own network, or none where the tests have none.
    monkeypatch.setattr(no_network, "_leave_network", lambda: None)
    monkeypatch.setattr(no_network, "_bring_loopback_up", lambda: None)
    if len(Path("/proc/self/net/route").read_text().splitlines()) < 2:
        pytest.skip("this machine has no route")
    assert no_network.main([str(tmp_path / "log"), sys.executable, "-c", "raise SystemExit(0)"]) == no_network.REFUSED
    assert capsys.readouterr().out.startswith(no_network.MARK)


def test_the_folder_goes_at_the_end_and_after_an_error(tmp_path):
    with IsolatedGround().folder(tmp_path / "scratch") as place:
        (place / "file").write_text("x")
        assert place.stat().st_mode & 0o777 == 0o700
    assert not place.exists()
    with pytest.raises(RuntimeError), IsolatedGround().folder(tmp_path / "scratch") as place:
        raise RuntimeError
    assert not place.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_folder_goes_when_its_owner_is_killed(tmp_path, number):
    code = (
        "import sys, time; from pathlib import Path; from pipeline.system.drill_ground import IsolatedGround\n"
        f"with IsolatedGround().folder(Path({str(tmp_path)!r})) as place:\n"
        "    (place / 'sub').mkdir(); (place / 'sub/file').write_text('x'); print(place, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    place = Path(owner.stdout.readline().strip())
    assert (place / "sub/file").exists()
    owner.send_signal(number)
    owner.communicate()
    deadline = time.monotonic() + 60
    while place.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
