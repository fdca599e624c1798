"""Switching an installation: the quick way where it serves, else the long one, with as few imports as either needs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pipeline.deploy.quick_switch import quick_switch
from pipeline.system.durable import FileDisk

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.app.settings import Settings


def switch(settings: Settings, root: Path, version: str | None, *, engine: str | None) -> dict[str, Any]:
    """Switch to a kept version, or back when it is None; return the fields of ``SwitchOutcome``.

    Raises:
        PipelineError: as ``deploy.generations.use`` and ``rollback``.
    """
    disk = FileDisk()
    jobs = settings.jobs or os.cpu_count() or 1
    if settings.json_events is None and (done := quick_switch(root, version, disk=disk, jobs=jobs, engine=engine)):
        return done
    from pipeline.app.services import switch_services
    from pipeline.deploy.generations import rollback, use

    with switch_services(settings) as services:
        if version is None:
            outcome = rollback(root, services=services, disk=disk, engine=engine)
        else:
            outcome = use(root, version, services=services, disk=disk, engine=engine)
    return outcome.model_dump(mode="json")
