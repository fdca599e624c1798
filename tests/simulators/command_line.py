"""Runs `python -m pipeline` as a user does: a process of its own, in a home folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CommandLine:
    """A user with a home folder.

    Attributes:
        home: everything that a command keeps lies below it.
        recipes: recipe folder, None for the shipped one.
        variables: more environment.
    """

    home: Path
    recipes: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def cache_dir(self) -> Path:
        return self.home / "cache"

    def environment(self) -> dict[str, str]:
        """Return the environment of a command."""
        kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
        more = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "COVERAGE_"))}
        chosen = {"ENGINE_PIPELINE_RECIPES": str(self.recipes)} if self.recipes else {}
        return {
            **kept,
            **more,
            **chosen,
            "HOME": str(self.home),
            "PYTHONPATH": str(PROJECT),
            "ENGINE_PIPELINE_CACHE_DIR": str(self.cache_dir),
            **self.variables,
        }

    def start(self, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        argv = (*prefix, sys.executable, "-m", "pipeline", *map(str, arguments))
        return subprocess.Popen(
            argv,
            cwd=self.home,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever it exits with."""
        process = self.start(*arguments, prefix=prefix)
        out, err = process.communicate(timeout=3600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def ok(self, *arguments: str | Path) -> str:
        """Run a command that must succeed; return its stdout."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str | Path) -> dict:
        """Run a command with --json that must succeed; return its document."""
        return json.loads(self.ok(*arguments, "--json"))
