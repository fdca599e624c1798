"""Makes what brings files: into the cache, or into a folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.app.hosts_without_tls import hosts_without_tls
from pipeline.app.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.events import EventSink
    from pipeline.ports import Clock, Services
    from pipeline.system.downloads import HttpDownloader
    from pipeline.system.store import FileStore


def file_downloader(
    settings: Settings, store: FileStore, *, events: EventSink, clock: Clock, locations: tuple[str, ...]
) -> HttpDownloader:
    """Return what brings files into a store.

    Args:
        settings: of this run.
        store: that files enter.
        events: take notices.
        clock: for waits.
        locations: of repositories; a host that one names without TLS may be asked so.

    Raises:
        UsageError: a configured url is none.
    """
    from pipeline.system.downloads import HttpDownloader

    return HttpDownloader(
        store,
        offline=settings.offline,
        events=events,
        clock=clock,
        mirrors=settings.mirrors,
        ca_file=ca_file(),
        http_hosts=hosts_without_tls(os.environ, *settings.mirrors, *settings.channels.values(), *locations),
    )


@contextlib.contextmanager
def passing_downloads(services: Services, settings: Settings, folder: Path, *, location: str) -> Iterator[Services]:
    """Give services whose downloads go into an empty folder, which its owner removes, and never into the cache.

    Args:
        services: of the command.
        settings: of this run.
        folder: for the downloads.
        location: of the repository that they are of.

    Raises:
        HostError, NoSpaceError, UsageError: as for ``build_services``.
    """
    with open_store(folder, settings, durable=False) as store:
        downloader = file_downloader(
            settings, store, events=services.events, clock=services.clock, locations=(location,)
        )
        yield replace(services, store=store, downloader=downloader)


def ca_file() -> str | None:
    """Return the certificates that pip is told to trust, where nothing else is said."""
    return None if os.environ.get("SSL_CERT_FILE") else os.environ.get("PIP_CERT")
