"""Changing a mirror: one process at a time, after what an earlier one left half-made was removed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.deploy.steps import warn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.deploy.mirror.layout import MirrorLayout
    from pipeline.ports import Disk, Services


@contextmanager
def changing_mirror(layout: MirrorLayout, services: Services, disk: Disk) -> Iterator[None]:
    """Hold a mirror and give it an empty staging folder; the lock ends with the process.

    Raises:
        HostError, NoSpaceError: it cannot be written.
    """
    disk.make_dirs(layout.state_dir)
    with disk.lock(
        layout.lock_path, waiting=lambda: warn(services, f"another process changes {layout.folder}; waiting")
    ):
        disk.remove(layout.staging_dir)
        disk.make_dirs(layout.staging_dir, durable=False)
        try:
            yield
        finally:
            disk.remove(layout.staging_dir)
