"""Makes the services that stages are given; each factory imports what it makes."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.app.downloading import ca_file, file_downloader
from pipeline.app.events import open_events
from pipeline.app.host_environment import device_environment
from pipeline.app.later_index import LaterIndex
from pipeline.app.open_store import open_store
from pipeline.app.settings import FOR_THE_NETWORK
from pipeline.ports import Services

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.events import EventSink
    from pipeline.ports import (
        Archiver,
        AttestationVerifier,
        Clock,
        CommandRunner,
        CondaTool,
        Disk,
        HostProbe,
        KeyFiles,
        LoopbackHttp,
        ReleaseApi,
        RemoteHasher,
        TreeReader,
    )


@contextlib.contextmanager
def build_services(settings: Settings, *, compiler_cache: bool = True, location: str = "") -> Iterator[Services]:
    """Give the services of one command, over the store in the cache folder.

    Args:
        settings: of this run.
        compiler_cache: whether compiled objects are kept.
        location: of a repository that is read besides; a host that it names without TLS may be asked so.

    Raises:
        HostError: the cache folder cannot be written.
        NoSpaceError: the disk is full.
        UsageError: the file for JSON lines cannot be written.
    """
    compiler_cache_dir = settings.cache_dir / "compiler-cache" if compiler_cache else None
    with open_services(
        settings, store_dir=settings.cache_dir, compiler_cache_dir=compiler_cache_dir, location=location
    ) as services:
        yield services


@contextlib.contextmanager
def install_services(
    settings: Settings, root: Path, *, location: str = "", may_be_new: bool = False, mend: bool = False
) -> Iterator[Services]:
    """Give the services of a command over an installation, whose downloads stay below its root.

    Args:
        settings: of this run.
        root: of the installation.
        location: of the repository; a host that it names without TLS may be asked so.
        may_be_new: whether ``root`` may be empty or not there.
        mend: whether a damaged format file is as good as none.

    Raises:
        UsageError: ``root`` is no installation; with ``may_be_new`` only when it holds something else.
        HostError, NoSpaceError: as for ``build_services``.
    """
    from pipeline.deploy.layout import Layout

    layout = Layout(root)
    layout.check(may_be_new=may_be_new, mend=mend)  # before anything is written there
    if may_be_new:
        disk().make_dirs(layout.root)  # the store makes its folders without waiting for the disk
    # Downloads are gone when their layer is unpacked, and every byte of them is checked then.
    with open_services(settings, store_dir=layout.downloads_dir, location=location, durable=False) as services:
        yield services


@dataclass(frozen=True, slots=True)
class SwitchServices:
    """What switching between installed versions needs; implements ``ports.Running``."""

    events: EventSink
    commands: CommandRunner
    clock: Clock
    base_env: Mapping[str, str]
    device_env: Mapping[str, str]

    @property
    def loopback(self) -> LoopbackHttp:
        """What talks to a server that was started; most switches start none."""
        from pipeline.system.loopback import LocalHttp

        return LocalHttp()


def switch_services(settings: Settings, events: EventSink) -> SwitchServices:
    """Return the services of a command that brings nothing: no store, no connections, and none of their imports."""
    from pipeline.system.processes import ProcessRunner

    return SwitchServices(events, ProcessRunner(), clock(), settings.child_env, device_environment())


@contextlib.contextmanager
def open_services(
    settings: Settings,
    *,
    store_dir: Path,
    compiler_cache_dir: Path | None = None,
    location: str = "",
    baseline: str = "",
    durable: bool = True,
) -> Iterator[Services]:
    """Give services over the store in ``store_dir``; otherwise as ``build_services``.

    ``baseline`` is the location of a second repository.
    """
    from pipeline.system.binaries import FileInspector
    from pipeline.system.loopback import LocalHttp
    from pipeline.system.processes import ProcessRunner

    time, commands = clock(), ProcessRunner()
    probe = host(settings, commands)
    with open_events(settings, time) as events, open_store(store_dir, settings, durable=durable) as store:
        downloader = file_downloader(settings, store, events=events, clock=time, locations=(location, baseline))
        yield Services(
            downloader=downloader,
            index=LaterIndex(downloader, commands, events),
            commands=commands,
            store=store,
            archiver=archiver(),
            trees=tree_reader(),
            binaries=FileInspector(),
            host=probe,
            clock=time,
            loopback=LocalHttp(),
            events=events,
            jobs=settings.jobs or probe.facts().cpu_count,
            compiler_cache_dir=compiler_cache_dir,
            compiler_cache=settings.compiler_cache,
            base_env=settings.child_env,
            device_env=device_environment(),
            offline=settings.offline,
            attestations=attestation_verifier(settings.sigstore_root),
            conda=conda_tool(),
            channels=settings.channels,
            disk=disk(),
            mirrors=_mirrors_in_words(settings),
        )


@contextlib.contextmanager
def release_services(settings: Settings, *, api: str | None = None) -> Iterator[tuple[Services, ReleaseApi]]:
    """Give the services of one command and the API that upstream's releases are listed by.

    Args:
        settings: of this run.
        api: its address; None for the one of the settings.

    Raises:
        UsageError: the address is none; otherwise as ``build_services``.
    """
    from pipeline.system.downloads import HttpDownloader
    from pipeline.system.release_api import CachedReleaseApi

    address = api or settings.github_api
    with open_services(settings, store_dir=settings.cache_dir, location=address) as services:
        if not isinstance(services.downloader, HttpDownloader):
            raise TypeError("the downloader has no documents")
        yield (
            services,
            CachedReleaseApi(
                services.downloader.documents,
                disk(),
                services.clock,
                api=address,
                token=settings.github_token,
                cache_dir=settings.cache_dir / "release-api",
                offline=settings.offline,
            ),
        )


def _mirrors_in_words(settings: Settings) -> tuple[str, ...]:
    """Return the mirrors as messages may name them: urls without what a password could be in."""
    from pipeline.system.transfer_faults import shown

    return tuple(shown(mirror) if "://" in mirror else mirror for mirror in settings.mirrors)


def attestation_verifier(trusted_root: Path | None = None) -> AttestationVerifier:
    """Return what verifies upstream's attestations, from the public Sigstore instance's root or that of a file."""
    from pipeline.system.attestations import SigstoreVerifier

    return SigstoreVerifier(trusted_root=trusted_root)


def remote_hasher(settings: Settings) -> RemoteHasher:
    """Return what reads files whose digest nobody has said yet."""
    from pipeline.system.http_client import HttpClient
    from pipeline.system.remote_digest import StreamHasher
    from pipeline.system.transfer_policy import DEFAULT_POLICY

    client = HttpClient(DEFAULT_POLICY, ca_file=ca_file())
    return StreamHasher(client, offline=settings.offline, clock=clock(), policy=DEFAULT_POLICY)


def archiver() -> Archiver:
    """Return what packs and unpacks archives."""
    from pipeline.system.archives import FileArchiver

    return FileArchiver()


def conda_tool() -> CondaTool | None:
    """Return what links, solves and unpacks conda packages that are at hand; None where py-rattler is missing."""
    from importlib.util import find_spec

    from pipeline.system.conda_tool import RattlerTool

    return None if find_spec("rattler") is None else RattlerTool()


def clock() -> Clock:
    """Return the machine's clocks."""
    from pipeline.system.clock import SystemClock

    return SystemClock()


def disk() -> Disk:
    """Return what changes folders so that a crash is survived."""
    from pipeline.system.durable import FileDisk

    return FileDisk()


def host(settings: Settings, commands: CommandRunner | None = None) -> HostProbe:
    """Return what looks at this machine; ``commands`` runs its tools, None for a runner of its own."""
    from pipeline.system.host import LocalHost
    from pipeline.system.processes import ProcessRunner

    base_env = {name: value for name, value in settings.child_env.items() if name not in FOR_THE_NETWORK}
    libraries = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}  # probes alone
    device_env = {**base_env, **device_environment(), **libraries}
    runner = commands or ProcessRunner()
    apple = None
    if sys.platform == "darwin":
        from pipeline.system.apple_tools import AppleTools

        developer = {name: os.environ[name] for name in ("DEVELOPER_DIR",) if name in os.environ}
        apple = AppleTools(runner, {**base_env, **developer}, macos=platform.mac_ver()[0])
    return LocalHost(runner, base_env, device_environment=device_env, variables=dict(os.environ), apple=apple)


def key_files() -> KeyFiles:
    """Return what reads and writes private keys."""
    from pipeline.system.keys import PrivateKeyFiles

    return PrivateKeyFiles()


def tree_reader() -> TreeReader:
    """Return what reads folders as values."""
    from pipeline.system.trees import FileTreeReader

    return FileTreeReader()
