"""Builds with a platform's own compiler, where they differ from what the engine's recipe says of all."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline.model.filling import fill
from pipeline.model.frozen import Frozen, Line, Name, require_relative

SeparationName = Literal["gnu", "apple"]
"""How symbols and debug information leave a file; ``builders.separating`` has what each runs."""


class NativeBuild(Frozen):
    """How an engine is compiled on one platform with that platform's own compiler.

    Attributes:
        options: CMake cache entries, which count more than the engine's and less than a component's.
        link_flags: instead of the engine's.
        tools: of the machine, beside compilers, CMake and Ninja, whose versions decide what is made (``ld``, ``sdk``).
        separation: how symbols and debug information leave its files.
        reason: what of it no other machine has, for whoever asks for a build elsewhere; empty for nothing.

    What the platform's hosts bring is what ``archives.system_libraries`` says of its system. In ``options``, ``{sdk}``
    is the folder of the system's headers and libraries (the tool ``sdk``) and ``{macos_floor}`` the oldest macOS that
    ``archives`` promises.
    """

    options: dict[str, str] = {}
    link_flags: tuple[str, ...] = ()
    tools: tuple[Name, ...] = ()
    separation: SeparationName = "gnu"
    reason: Line | Literal[""] = ""

    @field_validator("options")
    @classmethod
    def _options_can_be_filled(cls, options: dict[str, str]) -> dict[str, str]:
        for value in options.values():
            fill(value, sdk="s", macos_floor="1")
        return options


class NativePart(Frozen):
    """What of a component differs where it is compiled with a platform's own compiler.

    Attributes:
        options: CMake cache entries, which count more than the component's.
        outputs: globs instead of the component's; empty for those.
    """

    options: dict[str, str] = {}
    outputs: tuple[str, ...] = Field(default=())

    @field_validator("outputs")
    @classmethod
    def _outputs_stay_in_bin(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        for glob in globs:
            require_relative(glob)
        return globs
