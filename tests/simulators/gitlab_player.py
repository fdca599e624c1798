"""Plays a job of .gitlab-ci.yml here: its script with bash, its variables, its artifacts, a package registry.

The registry is real HTTP on loopback: generic packages that are put and got, and releases that are posted.
"""

from __future__ import annotations

import http.server
import itertools
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

import yaml

KEYS = {
    "after_script", "allow_failure", "artifacts", "before_script", "cache", "environment", "extends", "image",
    "interruptible", "needs", "resource_group", "rules", "script", "stage", "tags", "timeout", "variables",
}  # fmt: skip
_ZSTANDARD = b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1


class Registry:
    """GitLab's package registry and its releases.

    Attributes:
        url: what CI_API_V4_URL is.
        files: path to what was put there.
        puts: each path as often as something was put there.
        releases: what was posted.
        damage: in files with this in their path, a byte of the first bundle changes on the way up.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.releases: list[dict[str, str]] = []
        self.damage = ""
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _body(self) -> bytes:
                assert self.headers["JOB-TOKEN"] == "t"
                return self.rfile.read(int(self.headers["Content-Length"] or 0))

            def _answer(self, status: int, data: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                found = registry.files.get(self.path)
                self._answer(404 if found is None else 200, found or b"")

            def do_PUT(self) -> None:
                data = self._body()
                if registry.damage and registry.damage in self.path:
                    place = data.index(_ZSTANDARD) + 20
                    data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
                registry.files[self.path] = data
                registry.puts.append(self.path)
                self._answer(201)

            def do_POST(self) -> None:
                assert self.path == "/projects/7/releases"
                asked = {name: values[0] for name, values in parse_qs(self._body().decode()).items()}
                registry.releases.append(asked)
                self._answer(201)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Project:
    """A project of GitLab's.

    Attributes:
        folder: everything lies below it.
        checkout: what the runner checks out.
        programs: folder of programs that come first.
        variables: of the project and the pipeline.
        without: parts of scripts that this machine cannot run, by how they begin.
        left_out: those of them that were met.
    """

    folder: Path
    checkout: Path
    programs: Path
    variables: dict[str, str]
    without: tuple[str, ...] = ()
    left_out: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=itertools.count)

    @property
    def document(self) -> dict[str, Any]:
        return yaml.safe_load((self.checkout / ".gitlab-ci.yml").read_text(encoding="utf-8"))

    def play(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a job; what it leaves as artifacts, later jobs find."""
        job = self._resolved(name)
        assert set(job) <= KEYS, f"{set(job) - KEYS} is not known here"
        workspace = self.folder / f"job-{next(self.numbers)}"
        shutil.copytree(self.checkout, workspace, symlinks=True)
        artifacts = self.folder / "artifacts"
        artifacts.mkdir(exist_ok=True)
        shutil.copytree(artifacts, workspace, dirs_exist_ok=True)
        whole = [*job.get("before_script", ()), *job["script"]]
        self.left_out |= {start for start in self.without for line in whole if line.startswith(start)}
        lines = [line for line in whole if not line.startswith(self.without)]
        done = subprocess.run(
            ("bash", "-e", "-o", "pipefail", "-c", "\n".join(lines)),
            cwd=workspace,
            env={
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "HOME": str(workspace),
                **self._variables(name, job, workspace),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode == 0:
            for path in job.get("artifacts", {}).get("paths", ()):
                source = workspace / path
                shutil.copytree(source, artifacts / path, dirs_exist_ok=True) if source.is_dir() else shutil.copy(
                    source, artifacts
                )
        return done

    def _variables(self, name: str, job: dict[str, Any], workspace: Path) -> dict[str, str]:
        found = {"CI_JOB_NAME": name, "CI_JOB_TOKEN": "t", "CI_PROJECT_DIR": str(workspace), **self.variables}
        for key, value in {**self.document["variables"], **job.get("variables", {})}.items():
            filled = str(value)
            for other in sorted(found, key=len, reverse=True):
                filled = filled.replace(f"${other}", found[other])
            found[key] = filled
        return found

    def _resolved(self, name: str) -> dict[str, Any]:
        job = self.document[name]
        if "extends" not in job:
            return dict(job)
        above = self._resolved(job["extends"])
        variables = {**above.get("variables", {}), **job.get("variables", {})}
        return {**above, **job, **({"variables": variables} if variables else {})}
