"""Steps of an installation, as events."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from pipeline.events import Notice, StepFailed, StepFinished, StepProgress, StepStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.ports import Reporting, Services


@contextmanager
def step(services: Services, name: str, *, why: str = "") -> Iterator[None]:
    """Tell that a step starts, and how it ends."""
    services.events.emit(StepStarted(name, why))
    began = services.clock.monotonic()
    try:
        yield
    except PipelineError as error:
        services.events.emit(StepFailed(name, error.message))
        raise
    services.events.emit(StepFinished(name, services.clock.monotonic() - began))


def byte_progress(services: Services, name: str) -> Callable[[int, int | None], None]:
    """Return what to call with (bytes done, bytes in all) within a step."""
    return lambda done, total: services.events.emit(StepProgress(name, done, total, "bytes"))


def warn(services: Reporting, message: str) -> None:
    """Tell the user something that must not be overlooked."""
    services.events.emit(Notice(message, "warning"))


def tell(services: Reporting, message: str) -> None:
    """Tell the user something that is good to know."""
    services.events.emit(Notice(message))
