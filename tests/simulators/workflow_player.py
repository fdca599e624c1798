"""Plays a job of a workflow here: every ``run:`` step with bash as GitHub starts it, known actions by stand-ins.

What a step needs of GitHub is real where it can be: files for outputs and the summary, a workspace, a temporary folder,
artifacts in a folder. An action, an expression or a key that is not known here is refused.
"""

from __future__ import annotations

import fnmatch
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.simulators.workflow_expressions import Expressions

STEP_KEYS = {"name", "id", "if", "env", "run", "uses", "with"}
_SHELL = ("bash", "--noprofile", "--norc", "-e", "-o", "pipefail")  # GitHub's for ``shell: bash``


@dataclass(frozen=True)
class Played:
    """One step.

    Attributes:
        name: of the step.
        outcome: ``success``, ``failure``, ``skipped``, or ``left out`` where this machine cannot run it.
        said: its stdout and stderr.
    """

    name: str
    outcome: str
    said: str = ""


@dataclass
class Hosted:
    """What GitHub has of a repository: variables, secrets, artifacts, releases.

    Attributes:
        folder: everything lies below it.
        checkout: what actions/checkout brings.
        programs: folder of programs that a runner's image has.
        github: the context of that name; its ``event`` is that of a public repository.
        inputs: of the run.
        secrets: of the repository or environment.
        variables: the context ``vars``.
        environment: more environment of every step.
        left_out: names of steps that this machine cannot run.
    """

    folder: Path
    checkout: Path
    programs: Path
    github: dict[str, str]
    inputs: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    attested: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=itertools.count)

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def play(self, workflow: Path, job: str, matrix: dict[str, Any] | None = None) -> list[Played]:
        """Run a job from its first step to its last."""
        document = yaml.safe_load(workflow.read_text(encoding="utf-8"))
        return _Job(self, document, document["jobs"][job], matrix or {}).play()


def read_matrix(workflow: Path, job: str) -> list[dict[str, Any]]:
    """Return the entries of a job's matrix; one that is more than a list of entries is refused."""
    strategy = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"][job]["strategy"]
    assert set(strategy["matrix"]) == {"include"}
    return list(strategy["matrix"]["include"])


class _Job:
    def __init__(self, hosted: Hosted, document: dict[str, Any], job: dict[str, Any], matrix: dict[str, Any]) -> None:
        self.hosted = hosted
        self.document = document
        self.job = job
        self.workspace = hosted.folder / f"job-{next(hosted.numbers)}" / "workspace"
        self.temp = self.workspace.parent / "temp"
        self.steps: dict[str, dict[str, Any]] = {}
        self.failed = False
        self.workspace.mkdir(parents=True)
        self.temp.mkdir()
        self.contexts = {
            "github": {
                **hosted.github,
                "event": {"repository": {"private": False}},
                "workspace": str(self.workspace),
            },
            "inputs": hosted.inputs,
            "matrix": matrix,
            "runner": {"temp": str(self.temp), "os": "Linux"},
            "secrets": hosted.secrets,
            "steps": self.steps,
            "vars": hosted.variables,
        }

    def play(self) -> list[Played]:
        assert self.document["defaults"] == {"run": {"shell": "bash"}}
        return [self._step(number, step) for number, step in enumerate(self.job["steps"])]

    def _step(self, number: int, step: dict[str, Any]) -> Played:
        assert set(step) <= STEP_KEYS, f"{set(step) - STEP_KEYS} is not known here"
        name, key = step["name"], step.get("id", f"step {number}")
        expressions = self._expressions()
        if not expressions.holds(str(step.get("if", "success()"))):
            played = Played(name, "skipped")
        elif name in self.hosted.left_out:
            played = Played(name, "left out")
        elif "run" in step:
            played = self._run(number, step)
        else:
            arguments = {key: expressions.fill(str(value)) for key, value in step.get("with", {}).items()}
            _ACTIONS[step["uses"].partition("@")[0]](self, **{k.replace("-", "_"): v for k, v in arguments.items()})
            played = Played(name, "success")
        self.failed = self.failed or played.outcome == "failure"
        self.steps[key] = {"outcome": played.outcome, "outputs": self.steps.get(key, {}).get("outputs", {})}
        return played

    def _expressions(self, environment: dict[str, str] | None = None) -> Expressions:
        return Expressions({**self.contexts, "env": environment or {}}, self.failed)

    def _run(self, number: int, step: dict[str, Any]) -> Played:
        environment: dict[str, str] = {}
        for level in (self.document, self.job, step):  # the narrower wins
            filled = {key: self._expressions().fill(str(value)) for key, value in level.get("env", {}).items()}
            environment.update(filled)
        script, output, summary = (self.temp / f"{number}.{kind}" for kind in ("sh", "output", "summary"))
        script.write_text(self._expressions(environment).fill(step["run"]), encoding="utf-8")
        output.touch()
        done = subprocess.run(
            (*_SHELL, str(script)),
            cwd=self.workspace,
            env={
                "PATH": f"{self.temp / 'bin'}:{self.hosted.programs}:{os.environ['PATH']}",
                "HOME": str(self.temp),
                **self.hosted.environment,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_SHA": self.hosted.github["sha"],
                "GITHUB_STEP_SUMMARY": str(summary),
                "RUNNER_TEMP": str(self.temp),
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        key = step.get("id", f"step {number}")
        self.steps[key] = {"outputs": dict(line.split("=", 1) for line in output.read_text().splitlines())}
        return Played(step["name"], "failure" if done.returncode else "success", done.stdout)

    def checkout(self, *, persist_credentials: str) -> None:
        assert persist_credentials == "False"
        shutil.copytree(self.hosted.checkout, self.workspace, dirs_exist_ok=True, symlinks=True)

    def setup_python(self, *, python_version: str) -> None:
        assert python_version
        program = self.temp / "bin" / "python"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)

    def cache(self, *, path: str, key: str, restore_keys: str) -> None:
        assert path.startswith(str(self.temp))
        assert key.startswith(restore_keys)

    def upload(self, *, name: str, path: str, if_no_files_found: str, **_others: str) -> None:
        assert if_no_files_found == "error"
        source = self.workspace / path
        place = self.hosted.artifacts / name
        assert not place.exists(), f"two jobs upload {name}"
        place.mkdir(parents=True)
        if source.is_dir():
            hidden = shutil.ignore_patterns(".*")  # include-hidden-files is false
            shutil.copytree(source, place, dirs_exist_ok=True, ignore=hidden)
        else:
            shutil.copy(source, place)

    def download(self, *, path: str, pattern: str = "", name: str = "") -> None:
        wanted = [each for each in self.hosted.artifacts.iterdir() if fnmatch.fnmatch(each.name, pattern or name)]
        assert wanted, f"there is no artifact {pattern or name}"
        for each in wanted:
            shutil.copytree(each, self.workspace / path / (each.name if pattern else ""), dirs_exist_ok=True)

    def attest(self, *, subject_path: str) -> None:
        permissions = self.job["permissions"]
        assert (permissions["id-token"], permissions["attestations"]) == ("write", "write")
        found = sorted(path.name for path in self.workspace.glob(subject_path))
        assert found
        self.hosted.attested += found


_ACTIONS = {
    "actions/attest-build-provenance": _Job.attest,
    "actions/cache": _Job.cache,
    "actions/checkout": _Job.checkout,
    "actions/download-artifact": _Job.download,
    "actions/setup-python": _Job.setup_python,
    "actions/upload-artifact": _Job.upload,
}
