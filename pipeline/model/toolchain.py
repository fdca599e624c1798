"""Toolchains: compilers that build for other platforms than their own, and what runs there what they made."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.model.filling import fill, require_pattern
from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath, Version
from pipeline.model.toolkit import PackagedToolkit
from pipeline.model.workflows import AptPackage

_QUOTE = "'"  # ends a text of the shell's that a wrapper is written in


class Runner(Frozen):
    """What runs a platform's programs on another one: an emulator, or a system made anew.

    Attributes:
        title: what people call it.
        hosts: platforms on which it does.
        programs: names on PATH or absolute paths; the first that says a version is taken.
        folders: places of the libraries that it needs (``{folder}`` in ``args``); the first that is there is taken, and
            without one there is no runner. Empty where it needs none.
        args: put between it and the program.
        environment: variables for it; ``{work}`` is an empty folder.
        prepare: arguments of a first run that makes what later ones need; empty for none.
        finish: program with arguments that ends what the runner left running; ``{beside}`` is the folder of the one
            of ``programs`` that was taken.
        slowness: how many times longer a program may take to be ready.
        install: what to do where there is none.
        apt: Debian packages that it is in, for CI.
    """

    title: Line
    hosts: tuple[Name, ...] = Field(min_length=1)
    programs: tuple[Line, ...] = Field(min_length=1)
    folders: tuple[Line, ...] = ()
    args: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    prepare: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    slowness: int = Field(default=1, ge=1, le=100)
    install: Line
    apt: tuple[AptPackage, ...] = ()

    @model_validator(mode="after")
    def _places_can_be_filled(self) -> Self:
        for argument in self.args:
            fill(argument, **({"folder": "f"} if self.folders else {}))
        for value in self.environment.values():
            fill(value, work="w")
        for argument in self.finish:
            fill(argument, beside="b")
        return self


class FoundRunner(Frozen):
    """A runner that is on this machine.

    Attributes:
        title: with its version, as the manifest names it.
        argv: that stands before a program.
        environment: variables; ``{work}`` is an empty folder.
        prepare: arguments of a first run; empty for none.
        finish: program with arguments of a last run; empty for none.
        slowness: how many times longer a program may take to be ready.
    """

    title: Line
    argv: tuple[str, ...] = Field(min_length=1)
    environment: dict[str, str] = {}
    prepare: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    slowness: int = 1


class CrossEngine(Frozen):
    """Accelerators of an engine that a toolchain builds for a platform in one way, and how that differs.

    Attributes:
        accelerators: names; no other is built for the platform with it.
        options: CMake cache entries, which count more than the engine's and the accelerator's.
        core_outputs: globs of the core's files, instead of the engine's; empty for those.
        files: name to text of files beside the wrappers, for options that name them.
        linked: whether core and backend become one program and one layer, where shared libraries cannot be made.
        unity: whether the engine's unity builds are used.
    """

    accelerators: tuple[Name, ...] = Field(min_length=1)
    options: dict[str, str] = {}
    core_outputs: tuple[str, ...] = ()
    files: dict[FileName, str] = {}
    linked: bool = False
    unity: bool = True


class Rewrite(Frozen):
    r"""A flag of other compilers in this one's words.

    Attributes:
        pattern: extended regular expression of what is replaced in a flag, as sed(1) has them.
        by: what stands there instead; ``\1`` is the first group.
    """

    pattern: str = Field(min_length=1, max_length=200)
    by: str = Field(max_length=200)

    @field_validator("pattern", "by")
    @classmethod
    def _can_stand_in_a_script(cls, text: str) -> str:
        if _QUOTE in text or "\n" in text or "|" in text:
            raise ValueError("has a quote, a bar or a line's end, which a wrapper cannot have")
        return text

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        return require_pattern(pattern)


class CrossTarget(Frozen):
    """A platform that a toolchain builds for.

    Attributes:
        platform: of the contract's names.
        triple: what the compiler calls it, with the oldest system that it is for.
        floor: that oldest system: of glibc, or of macOS; None where there is none.
        options: CMake cache entries that say what is built for; ``{wrappers}`` is the folder of the wrappers.
        flags: for its compilers, whatever they do.
        rewritten: starts of flags that are rewritten.
        rewrites: applied to such a flag, one after the other.
        files: name to text of files beside the wrappers, for options that name them.
        link_flags: instead of the engine's.
        system_libraries: names or globs of what the platform's hosts bring; anything else must be in a bundle.
        engines: engine to what is built of it, each accelerator in one way.
        runner: what runs what was built on the machine that built it; None where nothing does.
    """

    platform: Name
    triple: str = Field(pattern=r"^[a-z0-9_.-]+$")
    floor: Version | None = None
    options: dict[str, str] = {}
    flags: tuple[Annotated[str, Field(pattern=r"^-[A-Za-z0-9=_.-]+$")], ...] = ()
    rewritten: tuple[Annotated[str, Field(pattern=r"^-[A-Za-z0-9=-]+$")], ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    files: dict[FileName, str] = {}
    link_flags: tuple[str, ...] = ()
    system_libraries: tuple[str, ...] = Field(min_length=1)
    engines: dict[Name, tuple[CrossEngine, ...]] = {}
    runner: Runner | None = None

    @field_validator("options")
    @classmethod
    def _options_can_be_filled(cls, options: dict[str, str]) -> dict[str, str]:
        for value in options.values():
            fill(value, wrappers="w")
        return options

    @field_validator("engines")
    @classmethod
    def _accelerators_stand_once(
        cls, engines: dict[Name, tuple[CrossEngine, ...]]
    ) -> dict[Name, tuple[CrossEngine, ...]]:
        for engine, ways in engines.items():
            names = [accel for way in ways for accel in way.accelerators]
            if len(set(names)) != len(names):
                raise ValueError(f"{engine}: an accelerator stands there twice")
        return engines

    def engine(self, name: str, accel: str) -> CrossEngine | None:
        """Return how an engine is built for an accelerator; None where it is not."""
        return next((way for way in self.engines.get(name, ()) if accel in way.accelerators), None)

    def builds(self, engine: str, accel: str) -> bool:
        """Tell whether an engine is built for an accelerator."""
        return self.engine(engine, accel) is not None


class Toolchain(Frozen):
    """A compiler that builds for several platforms, out of packages.

    Attributes:
        schema_version: 1.
        name: what ``--toolchain`` and the compiler flags of engines call it.
        title: what people call it.
        packaged: it, by the platform that compiles.
        program: below its folder.
        commands: name of a wrapper (``cc``, ``c++``, ``ar``, ``ranlib``) to the program's first arguments; ``{triple}``
            is filled in.
        environment: variables for the program; ``{kept}`` is a folder that all builds share, ``{work}`` that of one.
        targets: platforms that it builds for.
    """

    schema_version: Literal[1]
    name: Name
    title: Line
    packaged: tuple[PackagedToolkit, ...] = Field(min_length=1)
    program: RelativePath
    commands: dict[FileName, tuple[str, ...]] = Field(min_length=1)
    environment: dict[str, str] = {}
    targets: tuple[CrossTarget, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_two_compilers(self) -> Self:
        if missing := {"cc", "c++"} - self.commands.keys():
            raise ValueError(f"commands: {' and '.join(sorted(missing))} is missing")
        for arguments in self.commands.values():
            for argument in arguments:
                if not re.fullmatch(r"[A-Za-z0-9{}_=+.-]+", fill(argument, triple="t")):
                    raise ValueError(f"commands: {argument!r} has something that a wrapper cannot have")
        for value in self.environment.values():
            fill(value, kept="k", work="w")
        return self

    @model_validator(mode="after")
    def _platforms_stand_once(self) -> Self:
        for what, names in (("targets", [t.platform for t in self.targets]), ("packaged", self.hosts)):
            if len(set(names)) != len(names):
                raise ValueError(f"{what}: a platform stands there twice")
        return self

    @property
    def hosts(self) -> tuple[str, ...]:
        """Platforms that it compiles on."""
        return tuple(packaged.platform for packaged in self.packaged)

    def target(self, platform: str) -> CrossTarget | None:
        """Return how it builds for a platform; None where it does not."""
        return next((target for target in self.targets if target.platform == platform), None)

    def builds(self, engine: str, platform: str, accel: str) -> bool:
        """Tell whether it builds an engine for a platform and an accelerator."""
        target = self.target(platform)
        return target is not None and target.builds(engine, accel)

    def packages_for(self, platform: str) -> PackagedToolkit | None:
        """Return its packages for the machine that compiles; None where none are pinned."""
        return next((packaged for packaged in self.packaged if packaged.platform == platform), None)


class CrossCompiler(Frozen):
    """How one component is compiled with a toolchain: the part of a step.

    Attributes:
        title: with its version.
        program: below the toolchain's folder.
        wrappers: file name to text of the scripts that stand before the program.
        environment: as ``Toolchain``'s.
        options: CMake cache entries; ``{wrappers}`` is the folder of the wrappers.
    """

    title: Line
    program: RelativePath
    wrappers: dict[str, str]
    environment: dict[str, str] = {}
    options: dict[str, str] = {}
