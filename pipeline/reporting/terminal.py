"""A live display: one moving line for each running step, plain lines for what is done."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

from pipeline.events import Event, Notice, StepFailed, StepFinished, StepProgress, StepReused, StepStarted
from pipeline.model.clean_text import presentable
from pipeline.reporting import figures
from pipeline.reporting.lines import notice_line, outcome_line

if TYPE_CHECKING:
    from pipeline.ports import Clock

REFRESHES_PER_SECOND = 4.0
_STYLES = {StepStarted: "", StepReused: "dim", StepFinished: "green", StepFailed: "red"}


def _column(text: str, *, ratio: int | None = None, style: str = "none") -> TextColumn:
    column = Column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    return TextColumn(text, style=style, markup=False, table_column=column)


class TerminalSink:
    """Draws running steps below the lines of finished ones.

    Attributes:
        verbosity: as for ``LinesSink``.
    """

    def __init__(
        self, stream: TextIO, clock: Clock, *, verbosity: Literal["quiet", "normal", "verbose"], color: bool
    ) -> None:
        self.verbosity = verbosity
        self._clock = clock
        self._lock = threading.Lock()
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, figures.Pace] = {}
        self._console = Console(file=stream, no_color=not color, highlight=False)
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            _column("{task.description}"),
            BarColumn(bar_width=16),
            TimeElapsedColumn(),
            _column("{task.fields[figures]}"),
            _column("{task.fields[detail]}", ratio=1, style="dim"),
            console=self._console,
            redirect_stdout=False,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            expand=True,
        )

    def emit(self, event: Event) -> None:
        """Draw one event."""
        with self._lock:
            match event:
                case Notice():
                    line = notice_line(event, self.verbosity)
                    if line is not None:
                        self._print(line, "yellow" if event.level == "warning" else "")
                case _ if self.verbosity == "quiet":
                    return
                case StepStarted():
                    self._start(event.step)
                case StepProgress():
                    self._advance(event)
                case StepReused() | StepFinished() | StepFailed():
                    self._end(event.step)
                    self._print(outcome_line(event), _STYLES[type(event)])

    def close(self) -> None:
        """Take the moving lines away and give the cursor back."""
        with self._lock:
            self._progress.stop()

    def _start(self, step: str) -> None:
        self._progress.start()
        self._paces[step] = figures.Pace()
        self._tasks[step] = self._progress.add_task(presentable(step), total=None, figures="", detail="")

    def _advance(self, event: StepProgress) -> None:
        if event.step not in self._tasks:
            self._start(event.step)
        pace = self._paces[event.step]
        pace.add(self._clock.monotonic(), event.done)
        shown = ", ".join(part for part in (figures.progress(event), figures.pace(pace, event)) if part)
        self._progress.update(
            self._tasks[event.step],
            completed=event.done,
            total=event.total,
            figures=shown,
            detail=presentable(event.detail),
        )

    def _end(self, step: str) -> None:
        task = self._tasks.pop(step, None)
        if task is not None:
            self._progress.remove_task(task)

    def _print(self, line: str, style: str) -> None:
        self._console.print(Text(presentable(line), style=style), soft_wrap=True)
