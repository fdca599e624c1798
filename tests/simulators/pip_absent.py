"""A Python beside which there is no pip, as in an environment that uv made."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pipeline.system.processes import ProcessRunner

if TYPE_CHECKING:
    from pipeline.ports import Command, CommandOutcome


class WithoutPip(ProcessRunner):
    """Starts Python without its site-packages, where pip is.

    Attributes:
        started: how often Python was started.
    """

    started = 0

    def run(self, command: Command, **options: object) -> CommandOutcome:
        """Run Python with ``-S``."""
        assert not options
        self.started += 1
        python, *arguments = command.argv
        return super().run(dataclasses.replace(command, argv=(python, "-S", *arguments)))
