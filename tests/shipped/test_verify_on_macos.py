"""ci/verify_on_macos, as far as another system can run it: with stand-ins for Metal and codesign."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci.macos import verification
from ci.macos.report import Check, CheckFailedError, CheckSkippedError, document, run_checks, table
from ci.macos.served import judge_stream, stream_answer
from pipeline.model.manifest import HealthCheck
from tests.simulators import tiny_lm as tiny
from tests.simulators.binaries import fixture
from tests.simulators.environment_world import ENGINE, SITE, EnvironmentWorld, wheel_files

SCRIPT = Path(__file__).parents[2] / "ci" / "verify_on_macos"
TARGET = f"{ENGINE}/linux-x86_64-mlx"
NOT_A_MAC = pytest.mark.skipif(sys.platform == "darwin", reason="it would run")


@NOT_A_MAC
@pytest.mark.parametrize("arguments", [[], ["--from", "x"]])
def test_on_another_system_it_ends_with_5_and_says_why_before_anything_is_made(tmp_path, arguments):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [SCRIPT, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 5
    assert done.stderr.startswith("error: this checks what only macOS on Apple silicon can show; this is Linux on ")
    assert list(tmp_path.iterdir()) == []


@NOT_A_MAC
def test_the_program_itself_refuses_another_system_too(capsys):
    assert verification.main([]) == 5
    assert "this is Linux on " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--from", "repository"], "--from needs --trusted-root"),
        (["--older", "1.0"], "--trusted-root and --older need --from"),
        (["--from", "repository", "--trusted-root", "nowhere.json"], "nowhere.json is no file"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_a_command_line_that_makes_no_sense_ends_with_2(capsys, arguments, why):
    with pytest.raises(SystemExit) as caught:
        verification.parse(arguments)
    assert caught.value.code == 2
    assert why in capsys.readouterr().err


def failing() -> str:
    raise CheckFailedError("it is not so\nmore of it")


def skipping() -> str:
    raise CheckSkippedError("nothing to look at")


def broken() -> str:
    raise KeyError("health")


def test_a_check_without_what_it_needs_is_left_out_and_the_others_go_on():
    told = []
    checks = (
        Check("first", failing),
        Check("second", lambda: "not reached", ("first",)),
        Check("third", skipping),
        Check("fourth", broken),
        Check("fifth", lambda: "seen"),
        Check("sixth", lambda: "seen too", ("fifth",)),
    )
    outcomes = run_checks(checks, tell=told.append)
    assert [(outcome.status, outcome.detail) for outcome in outcomes] == [
        ("FAIL", "it is not so\nmore of it"),
        ("SKIP", "needs first"),
        ("SKIP", "nothing to look at"),
        ("FAIL", "KeyError: 'health'"),
        ("PASS", "seen"),
        ("PASS", "seen too"),
    ]
    assert "second ..." not in told


@pytest.mark.parametrize(
    ("look", "code", "word"), [(failing, 10, "FAIL"), (skipping, 0, "SKIP"), (lambda: "x", 0, "PASS")]
)
def test_table_report_and_exit_code_say_the_same(tmp_path, capsys, look, code, word):
    outcomes = run_checks((Check("only", look),), tell=lambda _: None)
    report = tmp_path / "report.json"
    assert verification.finish(outcomes, report, about={"target": "t"}) == code
    shown = capsys.readouterr().out
    assert shown.startswith(f"{word}  only")
    found = json.loads(report.read_text())
    assert (found["ok"], found["about"], found["checks"][0]["status"]) == (code == 0, {"target": "t"}, word)
    assert document(outcomes, about={})["ok"] is (code == 0)
    assert ("more of it" in shown) == (look is failing)
    assert "more of it" not in table(outcomes)


ROLE = b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}\n'
TEXT = b'data: {"choices": [{"delta": {"content": "a"}}]}\n'
LAST = b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n'
END = b"data: [DONE]\n"


def usage(tokens: int) -> bytes:
    return f'data: {{"choices": [], "usage": {{"completion_tokens": {tokens}}}}}\n'.encode()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([ROLE, TEXT, b"\n", b": a comment\n", TEXT, TEXT, LAST, END], "3 pieces, 3 tokens, the first after "),
        ([ROLE, TEXT, TEXT, LAST, usage(5), END], "2 pieces, 5 tokens, the first after "),
    ],
)
def test_a_stream_has_pieces_of_text_enough_tokens_and_an_end(lines, said):
    assert judge_stream(lines, minimum_tokens=3, began=0.0).startswith(said)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([TEXT, TEXT, TEXT], "3 pieces of text came, and the end did not come"),
        ([END], "0 pieces of text came, and the end came"),
        ([ROLE, ROLE, ROLE, LAST, usage(9), END], "0 pieces of text came, and the end came"),
        ([ROLE, TEXT, LAST, usage(9), END], "1 pieces of text came, and the end came"),
        ([TEXT, TEXT, LAST, END], "2 tokens came, at least 3 were asked for"),
        ([TEXT, TEXT, TEXT, usage(2), END], "2 tokens came, at least 3 were asked for"),
        ([b"data: <html>\n"], "another form than OpenAI's: '<html>'"),
        ([b"data: []\n"], "another form than OpenAI's"),
        ([b'data: {"choices": [{}]}\n'], "another form than OpenAI's"),
        ([b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n'], "another form than OpenAI's"),
        ([b'{"choices": []}\n'], "0 pieces of text came, and the end did not come"),
    ],
)
def test_an_answer_that_is_no_stream_fails(lines, why):
    with pytest.raises(CheckFailedError, match=why):
        judge_stream(lines, minimum_tokens=3, began=0.0)


def installed(folder: Path, server: str) -> Path:
    """Return the tree of a generation whose server is the given text, run by the Python of the tests."""
    tree = folder / "tree"
    (tree / "bin").mkdir(parents=True)
    python = tree / "bin/python"
    python.write_text(f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n")
    python.chmod(0o755)
    (tree / "tiny_server.py").write_text(server)
    (tree / "tiny_words.py").write_text("WORDS = ('a', 'few', 'words')\n")
    (tree / "config.json").write_text("{}")  # the tree is the model, too
    checked = health("1.0").model_copy(update={"environment": {"PYTHONPATH": "{tree}"}})
    generation = {"artifact": {"health": checked.model_dump(mode="json")}}
    (folder / "generation.json").write_text(json.dumps(generation))
    return tree


def test_a_server_is_asked_for_the_tokens_of_its_health_check(tmp_path):
    tree = installed(tmp_path, tiny.SERVER)
    assert stream_answer(tree, tree).startswith("16 pieces, 16 tokens, the first after ")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            "def main():",
            "import signal, os\nsignal.signal(15, lambda *_: os._exit(3))\n\ndef main():",
            "exit code 3 when",
        ),
        ('"content": word + " "', '"role": "assistant"', "0 pieces of text came"),
        ('word + " "}}]} for word in words]', '" ".join(words)}}]}]', "1 pieces of text came"),
        ('"completion_tokens": count,', '"completion_tokens": count - 1,', "15 tokens came, at least 16"),
    ],
)
def test_a_server_that_ends_badly_or_says_too_little_fails(tmp_path, old, new, why):
    assert old in tiny.SERVER
    tree = installed(tmp_path, tiny.SERVER.replace(old, new))
    with pytest.raises(CheckFailedError, match=why):
        stream_answer(tree, tree)


def test_binaries_are_found_by_what_they_are(tmp_path):
    for name, role in {"lib/a.dylib": "base", "bin/b": "program", "lib/c.so": "program-unsigned"}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(fixture("macos-arm64", role).read_bytes())
    (tmp_path / "lib/link.dylib").symlink_to("a.dylib")
    (tmp_path / "lib/cut.dylib").write_bytes(fixture("macos-arm64", "base").read_bytes()[:100])
    (tmp_path / "lib/text.dylib").write_text("INPUT(-lx)")
    (tmp_path / "lib/other.so").write_bytes(fixture("linux-x86_64", "base").read_bytes())
    found = [path.relative_to(tmp_path).as_posix() for path in verification.binaries_below(tmp_path)]
    assert found == ["bin/b", "lib/a.dylib", "lib/c.so", "lib/cut.dylib"]


def test_the_older_version_takes_the_place_of_the_one_that_is_asked_for():
    text = "# words\nmlx-lm==0.32.2\nmlx==0.32.4\n"
    assert verification.with_version(text, "0.32.1") == "# words\nmlx-lm==0.32.1\nmlx==0.32.4\n"
    with pytest.raises(CheckFailedError):
        verification.with_version("mlx==0.32.4\n", "0.32.1")


def health(version: str) -> HealthCheck:
    return HealthCheck(
        program="bin/python",
        version_args=("-c", "import mlx_lm; print('mlx-lm', mlx_lm.__version__)"),
        version_pattern=f"^mlx-lm {version}$",
        device_program="bin/python",
        device_args=("-c", "print('Available devices:'); print('  CPU: cpu')"),
        server_args=("-m", "tiny_server", "--model", "{model}", "--host", "{host}", "--port", "{port}"),
        model_args=("-m", "tiny_model", "{model}"),
        environment={"TINY": "{tree}"},
        prompt="Say something.",
        minimum_tokens=16,
    )


@pytest.fixture
def run(tmp_path, monkeypatch) -> verification.Verification:
    """Return a run over a repository with two versions of a tiny engine for this machine."""
    monkeypatch.setenv("PYTHONPATH", str(SCRIPT.parents[1]))
    world = EnvironmentWorld(tmp_path / "world")
    for version in ("1.0", "2.0"):
        files = wheel_files(version) | {
            f"{SITE}/tiny_server.py": tiny.SERVER.encode(),
            f"{SITE}/tiny_model.py": tiny.MODEL.encode(),
            f"{SITE}/tiny_words.py": b"WORDS = ('a', 'few', 'words')\n",
            f"{SITE}/core.so": fixture("macos-arm64", "base").read_bytes(),
        }
        world.build_environment(version, wheels=files, health=health(version))
    world.publish()
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    return verification.Verification(
        work_dir,
        target=TARGET,
        repository=str(world.repository),
        trusted_root=world.keys_dir / "root.json",
        older="1.0",
        codesign=("true",),
        device="^CPU: ",
    )


def outcomes_of(run: verification.Verification) -> dict[str, tuple[str, str]]:
    return {outcome.name: (outcome.status, outcome.detail) for outcome in run_checks(run.checks(), tell=lambda _: None)}


def test_all_checks_pass_over_an_environment_that_works(run):
    found = outcomes_of(run)
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(found, "PASS"), found
    assert found["signatures"][1] == "2 files"
    assert found["streaming"][1].startswith("16 pieces, 16 tokens")
    assert found["rollback"][1] == "1.0 was installed, and 2.0 runs again"


def test_what_is_not_so_fails_by_name_and_the_rest_is_looked_at(run):
    run.codesign, run.device, run.older = ("false",), "^Metal: ", None
    found = outcomes_of(run)
    assert found["device"] == ("FAIL", "no device like '^Metal: ' among CPU: cpu")
    assert found["signatures"][0] == "FAIL"
    assert "2 of 2 files are refused" in found["signatures"][1]
    assert found["rollback"] == ("SKIP", "the repository is not ours: say with --older which other version it has")
    assert found["streaming"][0] == "PASS"


def test_a_repository_that_cannot_be_installed_from_fails_once_and_the_rest_is_left_out(run, tmp_path):
    run.repository = str(tmp_path / "nowhere")
    found = outcomes_of(run)
    assert found["install"][0] == "FAIL"
    assert "install ended with exit code" in found["install"][1]
    assert found["streaming"] == ("SKIP", "needs install")
