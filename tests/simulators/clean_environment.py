"""A clean virtual environment, into which pip installs from a folder and from nowhere else."""

from __future__ import annotations

import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CleanEnvironment:
    """A virtual environment in ``home``."""

    home: Path

    @classmethod
    def make(cls, home: Path) -> CleanEnvironment:
        """Make one with pip and nothing else."""
        venv.create(home, with_pip=True)
        return cls(home)

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"

    def pip(self, *arguments: str | Path) -> str:
        """Run pip; it reads no configuration."""
        return self.run(self.python, "-m", "pip", "--isolated", "--disable-pip-version-check", *arguments)

    def install(self, project: str, folder: Path) -> None:
        """Install a project from the wheels of a folder."""
        self.pip("install", "--quiet", "--no-index", "--find-links", folder, project)

    def run(self, *argv: str | Path, joined: bool = False) -> str:
        """Run a program to its end with nothing in its environment; return its stdout, with ``joined`` stderr too."""
        done = subprocess.run(argv, env={"PATH": ""}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr if joined else done.stdout

    def package(self, name: str) -> Path:
        """Return the folder of an installed package."""
        return next(self.home.glob(f"lib/python*/site-packages/{name}"))
