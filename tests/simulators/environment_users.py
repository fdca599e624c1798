"""Who builds an environment from a made channel, and who installs it: with real MLX wheels, or with tiny ones."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.simulators import mlx_environment as made
from tests.simulators import tiny_lm as tiny
from tests.simulators.command_line import CommandLine
from tests.simulators.conda_channel import CondaChannel
from tests.simulators.http_server import FaultyServer

if TYPE_CHECKING:
    from collections.abc import Mapping

CHANNEL_VARIABLE = "ENGINE_PIPELINE_CHANNELS"


@dataclass(frozen=True)
class EnvironmentWorld:
    """What an environment is built from; use it as a context, in which channel and index answer.

    Attributes:
        folder: everything lies below it.
        engine, environment: what is built of it, and its folder below envs/.
        records: file name of a conda package to the channel's record.
        locks: version of the engine to what is asked of uv, and what is locked.
        channel: has the conda packages.
        index: has the wheels, of the tiny environment alone.
        variables: for who builds.
        cache: folder that who builds keeps downloads in; None for one in its home.
    """

    folder: Path
    engine: str
    environment: str
    records: dict[str, dict[str, Any]]
    locks: dict[str, tuple[tuple[str, ...], list[dict[str, Any]]]]
    channel: CondaChannel
    index: FaultyServer = field(default_factory=FaultyServer)
    variables: dict[str, str] = field(default_factory=dict)
    cache: Path | None = None

    def __enter__(self) -> Self:
        self.channel.__enter__()
        self.index.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.index.__exit__()
        self.channel.__exit__()

    @property
    def target(self) -> str:
        """What is built."""
        return f"{self.engine}/{made.PLATFORM}-mlx"

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of the engine, the oldest first."""
        return tuple(self.locks)

    def builder(self, name: str = "builder", *, version: str = "") -> CommandLine:
        """Return someone with a copy of the recipes and this environment in it; the same name is the same one."""
        home = self.folder / name
        if not home.exists():
            home.mkdir(parents=True)
            made.copy_recipes(home)
            if self.engine == tiny.ENGINE:
                tiny.write_recipe(home / "recipes")
        self.lock(home, version or self.versions[-1])
        variables = {CHANNEL_VARIABLE: f"{made.CONDA_FORGE}={self.channel.url}", **self.variables}
        kept = {"ENGINE_PIPELINE_CACHE_DIR": str(self.cache)} if self.cache else {}
        return CommandLine(home, home / "recipes", variables | kept)

    def lock(self, home: Path, version: str) -> None:
        """Write a builder's environment anew, with another version of the engine."""
        asked, wheels = self.locks[version]
        made.write_environment(home / "envs" / self.environment, self.records, wheels, asked)

    def customer(self, home: Path, builder: CommandLine) -> CommandLine:
        """Return someone who trusts a builder's keys."""
        home.mkdir(parents=True, exist_ok=True)
        return CommandLine(home, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(builder.home / "keys" / "root.json")})

    def publish(self, user: CommandLine, *, prove: str = "none") -> Path:
        """Build every version and publish them; return the repository."""
        user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
        for version in self.versions:
            self.lock(user.home, version)
            user.ok("build", "--target", self.target, "--prove", prove, "--output", version)
            publish(user, version)
        return user.home / "repository"


def publish(user: CommandLine, dist: str) -> None:
    """Add what was built to a builder's repository."""
    user.ok("publish", "--allow-development", "--to", "repository", "--from", dist, "--keys", "keys")


def make_mlx_world(folder: Path, *, cache: Path) -> EnvironmentWorld:
    """Return the world of the real MLX wheels: those of two versions of mlx-lm, locked by uv for this Python.

    Args:
        folder: that is made and filled.
        cache: that the wheels are kept in.
    """
    locks = {
        asked.partition("==")[2]: ((made.MLX, asked), made.lock_wheels((made.MLX, asked), folder / "locking" / asked))
        for asked in (made.OLDER, made.NEWER)
    }
    return _world(folder, "mlx-lm", "mlx", locks, cache=cache)


def make_tiny_world(folder: Path) -> EnvironmentWorld:
    """Return a world with an engine of a few files, in two versions."""
    wheels: dict[str, bytes] = {}
    locks = {}
    for version in ("1.0", "2.0"):
        own = tiny.make_wheels(version)
        wheels |= own
        locks[version] = ((f"{tiny.ENGINE}=={version}",), tiny.locked(own))
    world = _world(folder, tiny.ENGINE, tiny.ENVIRONMENT, locks)
    url = tiny.host_index(world.index, wheels)
    world.variables.update({"PIP_INDEX_URL": url, "PIP_EXTRA_INDEX_URL": url, "UV_DEFAULT_INDEX": url})
    return world


def _world(
    folder: Path, engine: str, environment: str, locks: Mapping[str, Any], *, cache: Path | None = None
) -> EnvironmentWorld:
    records = made.make_channel(folder / "channel")
    channel = CondaChannel(folder / "channel")
    return EnvironmentWorld(folder, engine, environment, records, dict(locks), channel, cache=cache)


def only_artifact(dist: Path) -> dict[str, Any]:
    """Return the one artifact of a manifest."""
    (artifact,) = json.loads((dist / "manifest.json").read_text())["artifacts"]
    return artifact
