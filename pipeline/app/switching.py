"""Switching an installation: the quick way where it serves, else the long one, with as few imports as either needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeline.deploy.quick_switch import NotPlainError, quick_switch
from pipeline.system.durable import FileDisk

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.app.settings import Settings
    from pipeline.deploy.switching import Switching
    from pipeline.events import Event
    from pipeline.ports import Running


class _LeftToTheLongWay:
    """A sink for events of the quick way: what has something to tell goes the long way, which has a screen."""

    def emit(self, event: Event) -> None:
        """Refuse."""
        raise NotPlainError(event)


def switch(
    settings: Settings, root: Path, version: str | None, *, engine: str | None, how: Switching
) -> dict[str, Any]:
    """Switch to a kept version, or back when it is None; return the fields of ``SwitchOutcome``.

    Without a version and with ``how.unpin`` the engine is let go, and nothing is switched.

    Raises:
        PipelineError: as ``deploy.generations.use``, ``rollback`` and ``unpin``.
    """
    disk = FileDisk()
    if settings.json_events is None:
        jobs = settings.jobs or os.cpu_count() or 1
        if done := quick_switch(
            root, version, how=how, services=lambda: _quiet_services(settings), disk=disk, jobs=jobs, engine=engine
        ):
            return done
    from pipeline.app.events import open_events
    from pipeline.app.services import clock, switch_services
    from pipeline.deploy.generations import rollback, unpin, use

    with open_events(settings, clock()) as events:
        services = switch_services(settings, events)
        if version is not None:
            outcome = use(root, version, services=services, disk=disk, engine=engine, how=how)
        elif how.unpin:
            outcome = unpin(root, services=services, disk=disk, engine=engine, how=how)
        else:
            outcome = rollback(root, services=services, disk=disk, engine=engine, how=how)
    return outcome.model_dump(mode="json")


def _quiet_services(settings: Settings) -> Running:
    from pipeline.app.services import switch_services

    return switch_services(settings, _LeftToTheLongWay())
