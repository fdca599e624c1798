"""A compiler cache on this machine's own disk that somebody wrote to: a real sccache, and the check of the gate."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.kept_cache import CACHE_DIR

pytestmark = pytest.mark.slow
TARGET = "linux-x86_64-cpu"


def build(user: CommandLine, *more: str) -> list[str]:
    """Build the tiny engine; return the digests of its layers."""
    user.ok("build", "--target", TARGET, "--prove", "none", "--jobs", "2", *more)
    (artifact,) = json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"]
    return [layer["tree_sha256"] for layer in artifact["layers"]]


def entries(user: CommandLine) -> dict[str, Path]:
    """Return the objects of a user's cache by their keys."""
    return {path.name: path for path in (user.cache_dir / "compiler-cache").rglob("*") if len(path.name) == 64}


def poison(user: CommandLine, forger: CommandLine) -> None:
    """Put the forger's objects into a user's cache, each in place of the honest one that it is most like."""
    words = forger.home / "source" / "src" / "words.cpp"
    assert "tiny" in words.read_text()
    words.write_text(words.read_text().replace("tiny", "evil"))
    build(forger)
    honest, all_of_forger = entries(user), entries(forger)
    forged = all_of_forger.keys() - honest.keys()
    assert honest
    assert forged
    for key in forged:
        size = all_of_forger[key].stat().st_size
        like = min(honest.values(), key=lambda path: abs(path.stat().st_size - size))
        shutil.copyfile(all_of_forger[key], like)


def as_if_new(user: CommandLine) -> None:
    """Forget what was built, and keep what the compilers made."""
    for path in user.cache_dir.iterdir():
        if path.name not in {"compiler-cache", "environments"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_reproducible(user: CommandLine) -> subprocess.CompletedProcess[str]:
    """Run the gate's own check with the tiny engine instead of llama.cpp."""
    (CACHE_DIR / "environments").mkdir(parents=True, exist_ok=True)
    (user.cache_dir / "environments").symlink_to(CACHE_DIR / "environments")
    argv = (PROJECT / "ci/check_reproducible", TARGET)
    return subprocess.run(argv, env=user.environment(), cwd=user.home, capture_output=True, text=True, check=False)


def test_a_poisoned_entry_on_the_disk_is_found_by_the_gates_comparison_with_a_clean_build(tmp_path):
    victim = make_user(tmp_path / "victim")
    clean = build(victim)
    poison(victim, make_user(tmp_path / "forger"))
    as_if_new(victim)
    assert build(victim) != clean, "the build believes what it finds under the right key"

    done = check_reproducible(victim)
    assert done.returncode == 1, done.stdout + done.stderr
    found = {
        line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line.startswith(("same", "DIFFERS"))
    }
    # Who is honest sees no difference: what differs is the poison's, and not what two builds make anyhow.
    honest = make_user(tmp_path / "honest")
    build(honest)
    as_if_new(honest)
    control = check_reproducible(honest)
    assert control.returncode == 0, control.stdout + control.stderr
    assert "DIFFERS" not in control.stdout
    assert found["bundle"] == "DIFFERS"
    assert "DIFFERS" in {found[name] for name in found if name not in {"bundle", "provenance", "sbom"}}


def test_an_entry_that_is_no_object_is_compiled_anew(tmp_path):
    user = make_user(tmp_path / "user")
    clean = build(user)
    assert entries(user)
    for path in entries(user).values():
        path.write_bytes(b"\0" * 100)
    as_if_new(user)
    assert build(user) == clean
