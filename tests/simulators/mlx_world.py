"""Users of the mlx environment: who builds it from a made channel and real wheels, and who installs it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulators import mlx_environment as made
from tests.simulators.command_line import CommandLine
from tests.simulators.conda_channel import CondaChannel

TARGET = "mlx-lm/linux-x86_64-mlx"
CHANNEL_VARIABLE = "ENGINE_PIPELINE_CHANNELS"


@dataclass(frozen=True)
class MlxWorld:
    """What an environment is built from.

    Attributes:
        folder: everything lies below it.
        channel: has the conda packages.
        records: file name to the channel's record.
        wheels: requirement of mlx-lm to what is locked for it.
    """

    folder: Path
    channel: CondaChannel
    records: dict[str, dict[str, Any]]
    wheels: dict[str, list[dict[str, Any]]]

    def builder(self, name: str = "builder", *, mlx_lm: str = made.NEWER) -> CommandLine:
        """Return someone with a copy of the recipes and this environment in it; the same name is the same one."""
        home = self.folder / name
        if not home.exists():
            home.mkdir(parents=True)
            made.copy_recipes(home)
        self.lock(home, mlx_lm=mlx_lm)
        return CommandLine(home, home / "recipes", {CHANNEL_VARIABLE: f"{made.CONDA_FORGE}={self.channel.url}"})

    def lock(self, home: Path, *, mlx_lm: str) -> None:
        """Write a builder's environment anew, with another version of mlx-lm."""
        made.write_environment(home / "envs" / "mlx", self.records, self.wheels[mlx_lm], (made.MLX, mlx_lm))


def make_world(folder: Path) -> MlxWorld:
    """Make the channel and lock the wheels of both versions; the channel serves from when it is entered."""
    records = made.make_channel(folder / "channel")
    wheels = {
        version: made.lock_wheels((made.MLX, version), folder / "locking" / version)
        for version in (made.OLDER, made.NEWER)
    }
    return MlxWorld(folder, CondaChannel(folder / "channel"), records, wheels)


def make_model(tree: Path, folder: Path) -> Path:
    """Have an installed environment write the tiny model that it is checked with; return its folder."""
    program = tree / "share" / "engine-pipeline" / "tiny_model.py"
    subprocess.run([tree / "bin" / "python", program, folder], check=True, env={"HF_HUB_OFFLINE": "1"})
    return folder


def only_artifact(dist: Path) -> dict[str, Any]:
    """Return the one artifact of a manifest."""
    (artifact,) = json.loads((dist / "manifest.json").read_text())["artifacts"]
    return artifact
