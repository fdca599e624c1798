"""How long the steps of several machines took, in one list; a release is none the worse without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.events import Notice
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.step_times import TIMES_FILE, StepTimes, joined_times

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.events import EventSink


def joined_step_times(folders: Sequence[Path], events: EventSink) -> bytes | None:
    """Return the times of dist folders in one document, None where none has any; what is damaged is left out."""
    known = []
    for folder in folders:
        path = folder / TIMES_FILE
        try:
            known.append(read_document(StepTimes, path.read_bytes(), what=str(path)))
        except FileNotFoundError:
            continue
        except IntegrityError as error:
            events.emit(Notice(f"{path} is left out: {error.message}", "warning"))
    return write_document(joined_times(*known)) if known else None
