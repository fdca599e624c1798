from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pipeline.cli import main as command_line
from pipeline.cli.main import run
from pipeline.cli.options import Command, common_options
from pipeline.cli.registry import COMMANDS, Entry
from pipeline.errors import IntegrityError

ROOT = Path(__file__).parents[3]
HEAVY = (
    "pydantic",
    "httpx",
    "rich",
    "tuf",
    "securesystemslib",
    "sigstore",
    "lief",
    "zstandard",
    "filelock",
    "cryptography",
)


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE_PIPELINE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def failing(monkeypatch):
    """Register a command ``fail`` whose body a test chooses."""

    def register(body):
        @click.command("fail", cls=Command)
        @common_options
        def command(session):
            body(session)

        module = type(sys)("pipeline.cli.commands.fail")
        module.command = command
        monkeypatch.setitem(sys.modules, "pipeline.cli.commands.fail", module)
        monkeypatch.setitem(COMMANDS, "fail", Entry("Make", "fail", "Fail."))

    return register


def raiser(error):
    def body(_session):
        raise error

    return body


def test_help_imports_nothing_heavy_and_no_command():
    script = (
        "import sys\nfrom pipeline.cli.main import run\nassert run(['--help']) == 0\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stderr.split()
    assert "build" in done.stdout
    assert [name for name in loaded if name.split(".")[0] in HEAVY] == []
    assert [name for name in loaded if name.startswith("pipeline.cli.commands")] == []


def test_the_program_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "pipeline", "--version"], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.strip()[:1].isdigit()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_real_help(name, capsys):
    assert run([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"pipeline {name}" in text
    assert len(text.splitlines()) > 6


def test_every_command_takes_the_common_options(capsys):
    for name in COMMANDS:
        groups = {"keys": ["init"], "upstream": ["classify"], "mirror": ["create"], "generate": ["installers"]}
        inner = groups.get(name, [])
        arguments = [name, *inner, "--help"]
        assert run(arguments) == 0
        text = capsys.readouterr().out
        for option in (
            "--json",
            "--offline",
            "--locked",
            "--jobs",
            "--cache-dir",
            "--progress",
            "--quiet",
            "--verbose",
        ):
            assert option in text, name


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "words",
    [
        ("keys", "status", "--keys", "nowhere"),
        ("mirror", "du", "nowhere"),
        ("generate", "installers", "--from", "nowhere", "--to", "out"),
        ("upstream", "classify", "no-name"),
    ],
    ids=lambda words: words[0],
)
def test_common_options_may_stand_before_within_and_behind_the_words_of_a_command(words, place, capsys, tmp_path):
    assert run([*words[:place], "--json", "--jobs", "2", *words[place:]]) == 2
    within = json.loads(capsys.readouterr().out)
    assert within["error"]["code"] == 2
    assert run([*words, "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == within


def test_what_stands_behind_a_groups_name_counts(capsys):
    name = "llama-b1-bin-win-vulkan-x64.zip"
    assert run(["upstream", "--json", "classify", name]) == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == name


@pytest.mark.parametrize("name", ["install", "use", "unpack", "verify", "schema", "completion"])
def test_help_lists_an_argument_once(name, capsys):
    assert run([name, "--help"]) == 0
    _, _, options = capsys.readouterr().out.partition("\nOptions:")
    own = options.partition("\nCommon options:")[0]
    assert [line for line in own.splitlines() if line.startswith("  ") and line[2] not in "- "] == []


@pytest.mark.parametrize(("name", "argument"), [("install", "[TARGET]"), ("schema", "[NAME]"), ("verify", " PATH")])
def test_the_usage_line_shows_what_may_be_left_out(name, argument, capsys):
    assert run([name, "--help"]) == 0
    assert argument in capsys.readouterr().out.splitlines()[0]


def test_no_arguments_show_the_help_and_exit_2(capsys):
    assert run([]) == 2
    assert "Usage:" in capsys.readouterr().err


def test_an_unknown_command_names_near_ones(capsys):
    assert run(["buld"]) == 2
    assert "build" in capsys.readouterr().err


def test_a_wrong_flag_exits_2_and_points_to_the_help(capsys):
    assert run(["check", "--nonsense"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "check --help" in captured.err


def test_a_wrong_flag_with_json_is_an_object_on_stdout(capsys):
    assert run(["--json", "check", "--nonsense"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"]["code"] == 2
    assert captured.err == ""


@pytest.mark.parametrize("arguments", [["--json", "check"], ["check", "--json"]])
def test_common_options_stand_before_or_after_the_command(arguments, capsys):
    assert run(arguments) == 0
    assert "llama.cpp" in json.loads(capsys.readouterr().out)["engines"]


def test_an_option_after_the_command_wins_over_one_before_it(failing):
    seen = []
    failing(lambda session: seen.append(session.settings))
    assert run(["--jobs", "2", "--cache-dir", "/before", "fail", "--jobs", "5"]) == 0
    assert (seen[0].jobs, seen[0].cache_dir) == (5, Path("/before"))


@pytest.mark.parametrize(("flag", "verbosity"), [("--quiet", "quiet"), ("-v", "verbose"), (None, "normal")])
def test_verbosity_is_one_of_three(failing, flag, verbosity):
    seen = []
    failing(lambda session: seen.append(session.settings.verbosity))
    assert run([flag, "fail"] if flag else ["fail"]) == 0
    assert seen == [verbosity]


def test_a_known_error_goes_to_stderr_with_its_code(failing, capsys):
    failing(raiser(IntegrityError("bytes differ", hint="get them again")))
    assert run(["fail"]) == 7
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "error: bytes differ",
        "next:  get them again",
        "docs:  docs/errors/integrity.md",
    ]


def test_a_known_error_with_json_is_the_one_document_on_stdout(failing, capsys):
    failing(raiser(IntegrityError("bytes differ")))
    assert run(["fail", "--json"]) == 7
    assert json.loads(capsys.readouterr().out)["error"]["class"] == "IntegrityError"


def test_a_bug_exits_70_and_leaves_its_traceback_in_a_file(failing, capsys, tmp_path):
    failing(raiser(KeyError("core")))
    assert run(["fail"]) == 70
    (report,) = (tmp_path / "cache" / "logs").iterdir()
    assert "KeyError: 'core'" in report.read_text()
    captured = capsys.readouterr()
    assert str(report) in captured.err
    assert "Traceback" not in captured.err


def test_a_bug_with_verbose_shows_its_traceback(failing, capsys):
    failing(raiser(KeyError("core")))
    assert run(["-v", "fail"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_interruption_exits_130_and_says_that_it_goes_on(failing, capsys):
    failing(raiser(KeyboardInterrupt()))
    assert run(["fail"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_result_that_is_itself_a_report_is_the_only_json_document(failing, capsys):
    def body(session):
        session.show({"ok": False}, lambda: "not well")
        session.end_with(IntegrityError("not well"))

    failing(body)
    assert run(["fail", "--json"]) == 7
    assert json.loads(capsys.readouterr().out) == {"ok": False}
    assert run(["fail"]) == 7
    captured = capsys.readouterr()
    assert (captured.out, captured.err.splitlines()[0]) == ("not well\n", "error: not well")


def test_hints_are_for_people_alone(failing, capsys):
    failing(lambda session: session.hint("next: that"))
    for arguments, expected in ((["fail"], "next: that\n"), (["fail", "--json"], ""), (["fail", "-q"], "")):
        run(arguments)
        assert capsys.readouterr().err == expected


def test_what_fails_after_the_result_was_shown_writes_no_second_document(failing, capsys):
    def body(session):
        session.show({"url": "http://127.0.0.1:1"}, str)
        raise KeyboardInterrupt

    failing(body)
    assert run(["fail", "--json"]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out) == {"url": "http://127.0.0.1:1"}
    assert "error: interrupted" in err


def test_a_reader_that_has_gone_is_no_error_to_talk_about():
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m pipeline schema plan | true"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_with_130(how):
    script = (
        "import sys, time, pipeline.cli.failures\nfrom pipeline import __main__ as entry\n"
        "import pipeline.cli.main as m\n"
        "def slow(*a, **k):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "m.pipeline.main = slow\nentry.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.lstrip().startswith("error: interrupted")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_program_loads_ends_it_with_130_and_no_traceback(how):
    script = (
        "import sys, time\nfrom pipeline import __main__ as entry\n"
        "class Slow:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pipeline.cli.main':\n            print('ready', flush=True)\n            time.sleep(60)\n"
        "sys.meta_path.insert(0, Slow())\nentry.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "error: interrupted\n")


def test_a_shell_is_told_the_commands_without_importing_one(monkeypatch, capsys):
    monkeypatch.setenv(command_line.COMPLETE_VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "engine-pipeline in")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert run([]) == 0
    assert capsys.readouterr().out.split() == ["plain,install"]


def test_a_shell_is_told_the_targets(monkeypatch, capsys):
    monkeypatch.setenv(command_line.COMPLETE_VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "engine-pipeline plan --target linux-x86_64-a")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert run([]) == 0
    assert capsys.readouterr().out.split() == ["plain,linux-x86_64-avx2"]


@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_the_script_for_bash_is_one(capsys, tmp_path):
    assert run(["completion", "bash", "--for", "./ci/pipeline"]) == 0
    script = capsys.readouterr().out
    done = subprocess.run(
        ["/bin/bash", "--norc", "-c", f"{script}\ncomplete -p ./ci/pipeline"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_completion ./ci/pipeline" in done.stdout


def test_a_path_in_zsh_is_not_looked_up_as_a_command(capsys):
    assert run(["completion", "zsh", "--for", "./ci/pipeline"]) == 0
    assert "$+commands" not in capsys.readouterr().out
    assert run(["completion", "zsh"]) == 0
    assert "$+commands[engine-pipeline]" in capsys.readouterr().out
