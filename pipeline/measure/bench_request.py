"""What a bench of strategies is asked for, and what it has prepared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact, Manifest
    from pipeline.model.profiles import Profiles
    from pipeline.model.strategy_runs import LinkProfile, Strategy
    from pipeline.ports.links import MakerChoice


class ModelFile(NamedTuple):
    """A model that engines are asked with.

    Attributes:
        path: of the file.
        sha256: of it.
        size_bytes: of it.
        name: that it is served under.
    """

    path: Path
    sha256: str
    size_bytes: int
    name: str


@dataclass(frozen=True, slots=True)
class BenchRequest:
    """What is to be measured.

    Attributes:
        location: of a repository, or the folder that ``build`` wrote.
        is_dist: whether it is the latter.
        trusted_root: root metadata of the repository; None for a ``dist`` folder, which is signed here.
        targets: names and globs; empty means all that this machine can run.
        profiles: links and rules.
        links: that are measured.
        strategies: that are run, in their order.
        forecasts: manifests whose artifacts are forecast where they are not measured.
        runs: of everything but builds.
        build_runs: of builds.
        maker: what makes the links.
        find_model: returns the model that engines are asked with, None where there is none; asked only when an engine
            makes none itself.
        find_sources: returns the files that a build of an artifact needs, by the names that they are looked for; they
            are served beside the model.
        environment: of commands.
        scratch: folder below which everything happens.
        package_dir: where an interpreter finds this program.
        versions: of this program and of what took part.
    """

    location: str
    is_dist: bool
    trusted_root: bytes | None
    targets: tuple[str, ...]
    profiles: Profiles
    links: tuple[LinkProfile, ...]
    strategies: tuple[Strategy, ...]
    forecasts: tuple[Manifest, ...]
    runs: int
    build_runs: int
    maker: MakerChoice
    find_model: Callable[[], ModelFile | None]
    find_sources: Callable[[Artifact], Mapping[str, Path]]
    environment: Mapping[str, str]
    scratch: Path
    package_dir: Path
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def near_links(self) -> tuple[str, ...]:
        """Names of the links that a mirror is reached by: those that profiles name, else the first that is measured."""
        return near_links(self.profiles, self.links)

    @property
    def build_links(self) -> tuple[str, ...]:
        """Names of the links that sources come over: those of profiles with a compiler, else the first."""
        wanted = {profile.link for profile in self.profiles.profiles if profile.compiler}
        return tuple(link.name for link in self.links if link.name in wanted) or (self.links[0].name,)


def near_links(profiles: Profiles, links: Sequence[LinkProfile]) -> tuple[str, ...]:
    """Return the names of the links that a mirror is reached by: those that profiles name, else the first."""
    wanted = {profile.near_link for profile in profiles.profiles}
    return tuple(link.name for link in links if link.name in wanted) or tuple(link.name for link in links[:1])


class Prepared(NamedTuple):
    """What was made before anything is measured.

    Attributes:
        folder: of the bench.
        served: repository with the model and the sources below ``models/``.
        trusted_root: file with its root metadata.
        measured: artifacts that run here.
        forecast: artifacts that do not, with the reason.
        model: that engines are asked with; None where all of them make one themselves.
    """

    folder: Path
    served: Path
    trusted_root: Path
    measured: tuple[Artifact, ...]
    forecast: tuple[tuple[Artifact, str], ...]
    model: ModelFile | None
