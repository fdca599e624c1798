"""A build may die before any change of the file system: the next one finishes, and nothing half-made is ever used."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.app.services import build_services
from pipeline.app.settings import Flags, load_settings
from pipeline.catalog import load
from pipeline.make import run
from pipeline.names import parse_target
from pipeline.plan import BuildRequest, look_around, make_plan
from tests.integration.conftest import make_user
from tests.simulators.dying import dies_before

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulators.command_line import CommandLine

TARGET = parse_target("tiny-engine/linux-x86_64-cpu")
NEVER = 1 << 30


@pytest.fixture
def compiled() -> Iterator[CommandLine]:
    """A user for whom everything is compiled already, and nothing after that is done; in memory where there is room."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="build-crash-", dir=memory if memory.is_dir() else None))
    user = make_user(folder)
    user.ok("build", "--target", "linux-x86_64-cpu", "--prove", "none", "--output", "whole")
    for path in (user.cache_dir / "results").rglob("*.json"):
        if '"compiled"' not in path.read_text() and '"source"' not in path.read_text():
            path.unlink()
    shutil.rmtree(user.cache_dir / "compiler-cache", ignore_errors=True)
    (user.cache_dir).rename(folder / "template")
    yield user
    shutil.rmtree(folder)


def build(user: CommandLine) -> None:
    with redirect_stderr(StringIO()):
        settings = load_settings(Flags(cache_dir=user.cache_dir, verbosity="quiet"), user.environment())
        catalog = load(user.recipes)
        request = BuildRequest((TARGET,), prove="none", zstd_level=1)
        with build_services(settings, compiler_cache=False) as services:
            plan = make_plan(request, catalog, look_around(request, catalog, services))
            run(plan, services, user.home / "dist")


def test_a_build_that_dies_anywhere_after_compiling_is_finished_by_the_next_one(compiled):
    points = 0
    whole: set[bytes] = set()
    for number in range(1, NEVER):
        for name in ("cache", "dist"):
            shutil.rmtree(compiled.home / name, ignore_errors=True)
        shutil.copytree(compiled.home / "template", compiled.cache_dir, symlinks=True)
        died = dies_before(number, lambda: build(compiled))
        assert not dies_before(NEVER, lambda: build(compiled)), "the next build must finish"
        whole.add((compiled.home / "dist" / "manifest.json").read_bytes())
        left = [path for path in (compiled.cache_dir / "work").iterdir() if path.is_dir()]
        assert left == []
        if not died:
            break
        points = number
    assert points > 20
    assert len(whole) == 1, "every build ends with the same manifest"
