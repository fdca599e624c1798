"""How upstream's own archives become layers, as data: what in them is the core, a backend, a vendor's runtime."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from pipeline.model.frozen import Frozen, require_relative

System = Literal["linux", "macos", "windows"]
FileGlob = Annotated[str, AfterValidator(require_relative)]
"""Shell pattern over a path below the folder of the archive that holds the programs; ``*`` crosses slashes."""


class ArchiveParts(Frozen):
    """Which files of an engine's archive belong to an accelerator.

    Attributes:
        backend: the plug-in of the engine; an archive without any of these has no such accelerator inside.
        runtime: the vendor's libraries, where the same archive brings them; they become a layer of their own.
        companion: whether the vendor's runtime is an archive of its own, without which there is no bundle.
        system_libraries: patterns of what the driver or the system brings, never a bundle.
        runtime_licenses: SPDX identifiers of the vendor's libraries that bundles carry.
    """

    backend: tuple[FileGlob, ...] = Field(min_length=1)
    runtime: tuple[FileGlob, ...] = ()
    companion: bool = False
    system_libraries: tuple[str, ...] = ()
    runtime_licenses: tuple[str, ...] = ()


class ArchiveRecipe(Frozen):
    """What all archives of an engine have in common.

    Attributes:
        linked_base_systems: where the backend of the engine's ``base`` is linked and no plug-in, so that the engine
            lists no device for it.
        licenses: names of license texts, in whatever folder; they go to ``licenses/``.
        system_libraries: system to patterns of what every host of it brings.
        macos_floor: a file that asks for a newer macOS than this fails the proof.
    """

    linked_base_systems: tuple[System, ...] = ()
    licenses: tuple[FileGlob, ...] = Field(min_length=1)
    system_libraries: dict[System, tuple[str, ...]]
    macos_floor: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)*$")]
