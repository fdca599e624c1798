"""Everything that stages are given to touch the world with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.ports.compiler_cache import CompilerCacheChoice

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.events import EventSink
    from pipeline.ports.attestation import AttestationVerifier
    from pipeline.ports.commands import CommandRunner
    from pipeline.ports.environments import CondaTool
    from pipeline.ports.files import Archiver, BinaryInspector, Disk, TreeReader
    from pipeline.ports.host import Clock, HostProbe
    from pipeline.ports.network import Downloader, LoopbackHttp, PackageIndex
    from pipeline.ports.store import Store


class Reporting(Protocol):
    """What changes to an installation need of the services when nothing is brought from elsewhere."""

    @property
    def events(self) -> EventSink:
        """What is told of notices."""
        ...


class Running(Reporting, Protocol):
    """What starting an installed engine's programs needs of the services."""

    @property
    def commands(self) -> CommandRunner:
        """What runs programs."""
        ...

    @property
    def loopback(self) -> LoopbackHttp:
        """What talks to a server that was started."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def base_env(self) -> Mapping[str, str]:
        """What programs may inherit of this process's environment."""
        ...

    @property
    def device_env(self) -> Mapping[str, str]:
        """Where drivers' loaders are told to look."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What stages are given to touch the world with.

    Attributes:
        jobs: how many compilers or downloads may run at once.
        compiler_cache_dir: where compiled objects are kept for later builds here, None to keep none anywhere.
        compiler_cache: which compiler cache is used.
        base_env: what children may inherit of this process's environment.
        device_env: where drivers' loaders are told to look, for programs that compute.
        offline: whether the network is forbidden.
        attestations: what checks upstream's signed statements; None where nothing of upstream's is fetched.
        conda: what links and solves conda packages.
        channels: base of a conda channel, as it was locked, to the base that is configured instead.
        disk: how folders are changed; None where nothing makes environments.
        mirrors: where every file is asked for first, urls or folders, for messages; ``downloader`` asks them.
    """

    downloader: Downloader
    index: PackageIndex
    commands: CommandRunner
    store: Store
    archiver: Archiver
    trees: TreeReader
    binaries: BinaryInspector
    host: HostProbe
    clock: Clock
    loopback: LoopbackHttp
    events: EventSink
    jobs: int
    compiler_cache_dir: Path | None = None
    compiler_cache: CompilerCacheChoice = field(default_factory=CompilerCacheChoice)
    base_env: Mapping[str, str] = field(default_factory=dict)
    device_env: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    attestations: AttestationVerifier | None = None
    conda: CondaTool | None = None
    channels: Mapping[str, str] = field(default_factory=dict)
    disk: Disk | None = None
    mirrors: tuple[str, ...] = ()
