"""A small world to lock in: an environment for two platforms, the recorded channel, and an index on loopback."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.app.locking import BUILTIN, lock_tools
from pipeline.app.services import build_services, disk
from pipeline.app.settings import Flags, load_settings
from pipeline.lock import LockOutcome, LockRequest, lock_environment
from pipeline.ports import Disk
from pipeline.system.processes import ProcessRunner
from tests.simulators.engine_world import Recorder
from tests.simulators.wheel_index import WheelIndex

PROJECT = Path(__file__).resolve().parents[2]
RECORDED_CHANNEL = PROJECT / "envs" / "recorded-channel"
PLATFORMS = ("macos-arm64", "linux-x86_64")
ENVIRONMENT = """\
name: tiny
channels: [conda-forge]
platforms: [osx-arm64, linux-64]
dependencies:
  - python 3.14.*
"""
FLOORS = """\
subdirs:
  osx-arm64: {packages: {__unix: "0", __osx: "14.0"}}
  linux-64: {packages: {__unix: "0", __linux: "5.10", __glibc: "2.35"}}
"""
_CONDA = """\
#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps([os.environ.get("CONDA_SUBDIR"), *sys.argv[1:]]) + "\\n")
if sys.argv[1:] == ["--version"]:
    print("conda 26.7.0")
else:
    print((folder / (os.environ["CONDA_SUBDIR"] + ".json")).read_text())
    sys.exit(int((folder / "code").read_text()))
"""


def _python_without(module: str) -> tuple[str, ...]:
    """Return a Python that runs modules with -m as the real one, except for one that it has not."""
    code = "import runpy, sys; module = sys.argv[2]; del sys.argv[1:2]; del sys.argv[0]"
    code += f"; sys.exit('No module named {module}') if module == {module!r} else None"
    return (sys.executable, "-P", "-c", f"{code}; runpy.run_module(module, run_name='__main__', alter_sys=True)")


@dataclass
class LockWorld:
    """An environment called tiny, whose one wheel is thing 1.0.

    Attributes:
        home: everything lies below it.
        index: what uv asks.
        variables: of the environment that commands run in.
        said: the events of every lock.
    """

    home: Path
    index: WheelIndex
    variables: dict[str, str] = field(default_factory=dict)
    said: Recorder = field(default_factory=Recorder)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "environment.yml").write_text(ENVIRONMENT)
        (self.folder / "virtual-packages.yml").write_text(FLOORS)
        self.require("thing==1.0")
        shutil.copytree(RECORDED_CHANNEL, self.channel)

    @property
    def folder(self) -> Path:
        return self.home / "envs" / "tiny"

    @property
    def channel(self) -> Path:
        return self.home / "channel"

    def require(self, *lines: str) -> None:
        (self.folder / "requirements.in").write_text("".join(f"{line}\n" for line in lines))

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text()
        assert old in text
        (self.folder / name).write_text(text.replace(old, new))

    def edit_records(self, subdir: str, change: Callable[[dict[str, dict[str, object]]], None]) -> None:
        """Change the records of the channel's packages, by file name."""
        path = self.channel / subdir / "repodata.json"
        document = json.loads(path.read_text())
        change(document["packages.conda"])
        path.write_text(json.dumps(document))

    def files(self) -> dict[str, str]:
        """Return the text of each file of the environment."""
        return {path.name: path.read_text() for path in sorted(self.folder.iterdir()) if path.is_file()}

    def lock(
        self,
        *platforms: str,
        channel: str | None = "",
        conda: str = BUILTIN,
        dry_run: bool = False,
        offline: bool = False,
        complete: bool | None = None,
        using: Disk | None = None,
        without_rattler: bool = False,
        without_module: str = "",
    ) -> LockOutcome:
        """Lock, with the world's channel unless another or none (None) is named."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        settings = load_settings(Flags(cache_dir=self.home / "cache", offline=offline), environment)
        # Both, so that no lock asks pip: that takes half a second.
        indexes = {"UV_DEFAULT_INDEX": self.index.url, "UV_EXTRA_INDEX_URL": self.index.url}
        tools = lock_tools(settings, conda=conda, commands=ProcessRunner(), environment={**indexes, **self.variables})
        if without_rattler:
            python, safe, flag, start, *rest = tools.front
            front = (python, safe, flag, f"import sys; sys.modules['rattler'] = None; {start}", *rest)
            tools = dataclasses.replace(tools, front=front)
        if without_module:
            tools = dataclasses.replace(tools, python=(*_python_without(without_module),))
        request = LockRequest(
            folder=self.folder,
            platforms=platforms or PLATFORMS,
            complete=not platforms if complete is None else complete,
            channel=str(self.channel) if channel == "" else channel,
            dry_run=dry_run,
        )
        with build_services(settings) as real:
            services = dataclasses.replace(real, events=self.said)
            return lock_environment(request, tools, services, disk=using or disk())

    def stand_in_conda(self, answers: dict[str, object], *, name: str = "conda", code: int = 0) -> Path:
        """Write a program that answers each subdir as a real conda would; its calls are in ``conda_calls``."""
        folder = self.home / "conda"
        folder.mkdir(exist_ok=True)
        for subdir, answer in answers.items():
            (folder / f"{subdir}.json").write_text(answer if isinstance(answer, str) else json.dumps(answer))
        (folder / "code").write_text(str(code))
        program = folder / name
        program.write_text(_CONDA.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        return program

    def conda_calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.home / "conda" / "calls").read_text().splitlines()]
