"""A user at a command line, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import run
from tests.simulators.engine_world import World


@dataclass
class User:
    """Runs commands and keeps what the last one wrote.

    Attributes:
        capsys: of the test.
        out: stdout of the last command.
        err: stderr of the last command.
    """

    capsys: pytest.CaptureFixture[str]
    out: str = ""
    err: str = ""

    def run(self, *arguments: object) -> int:
        code = run([str(argument) for argument in arguments])
        self.out, self.err = self.capsys.readouterr()
        return code

    def ok(self, *arguments: object) -> str:
        code = self.run(*arguments)
        assert code == 0, self.err
        return self.out

    def json(self, *arguments: object) -> Any:
        return json.loads(self.ok(*arguments, "--json"))


@pytest.fixture
def user(capsys, tmp_path, monkeypatch) -> User:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    return User(capsys)


@pytest.fixture
def world(tmp_path) -> World:
    """Return a world with keys and a dist folder of version 1; nothing is published yet."""
    folder = tmp_path / "world"
    folder.mkdir()
    found = World(folder)
    found.build("1")
    return found


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "engines"
