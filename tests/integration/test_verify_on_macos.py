"""ci/verify_on_macos of an engine that is compiled, as far as Linux can run it: the tiny engine stands for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.macos import verification
from ci.macos.compiled import CompiledVerification
from ci.macos.report import run_checks
from tests.integration.conftest import make_user

pytestmark = pytest.mark.slow
TARGET = "tiny-engine/linux-x86_64-cpu"


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    """Return another machine, that has built a bundle and run nothing of it."""
    user = make_user(tmp_path_factory.mktemp("maker"))
    user.ok("build", "--target", TARGET, "--source", "build", "--prove", "none")
    return user


@pytest.fixture
def run(maker, tmp_path, monkeypatch):
    for name, value in maker.environment().items():
        if name.startswith("ENGINE_PIPELINE_") or name == "PYTHONPATH":
            monkeypatch.setenv(name, value)
    dist, model = maker.home / "dist", maker.home / "model.gguf"
    return CompiledVerification(tmp_path, target=TARGET, dist=dist, model=model, codesign=("true",))


def outcomes_of(run) -> dict[str, tuple[str, str]]:
    return {outcome.name: (outcome.status, outcome.detail) for outcome in run_checks(run.checks(), tell=lambda _: None)}


def test_what_another_machine_built_is_installed_asked_and_looked_at(run):
    found = outcomes_of(run)
    signatures = found.pop("signatures")
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(found, "PASS"), found
    assert found["repository"][1].startswith("taken from ")
    assert found["install"][1].startswith("t2, 16 tokens, ready in ")
    assert found["devices"][1].startswith("CPU")
    assert signatures == ("FAIL", "0 of 0 files are refused\n"), "no file of Linux is one that codesign looks at"


def test_a_dist_that_is_none_fails_by_name_and_nothing_is_installed(run, tmp_path):
    run.dist = tmp_path / "nothing"
    found = outcomes_of(run)
    assert found["repository"][0] == "FAIL"
    assert found["install"] == ("SKIP", "needs repository")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--dist", "dist"], "--dist and --model need --target"),
        (["--target", "llama.cpp/macos-arm64-metal", "--from", "x", "--trusted-root", "y"], "--from is for mlx-lm/"),
    ],
)
def test_options_that_do_not_go_with_the_target_are_refused(capsys, arguments, why):
    with pytest.raises(SystemExit) as caught:
        verification.parse(arguments)
    assert caught.value.code == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["mlx-lm-openai/macos-arm64-mlx", "llama.cpp/linux-x86_64-cpu", "nothing"])
def test_a_target_that_is_not_compiled_for_such_a_mac_is_refused(capsys, asked):
    with pytest.raises(SystemExit) as caught:
        verification.parse(["--target", asked])
    assert caught.value.code == 2
    assert f"--target {asked} is no single target" in capsys.readouterr().err


def test_a_target_is_named_with_or_without_its_engine():
    assert verification.parse(["--target", "macos-arm64-metal"]).target == "llama.cpp/macos-arm64-metal"
    assert verification.parse([]).target == verification.TARGET


def test_a_target_that_is_compiled_is_looked_at_as_one():
    options = verification.parse(["--target", "llama.cpp/macos-arm64-metal", "--dist", "d"])
    run = verification.compiled_run(Path("/w"), options)
    assert (run.target, run.dist, run.model) == ("llama.cpp/macos-arm64-metal", Path("d").resolve(), None)
