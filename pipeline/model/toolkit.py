"""Toolkits: what an accelerator's backend is compiled with, where it is found, and for which GPUs it compiles."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.model.environment import WheelFile
from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath, Sha256, Version, require_relative
from pipeline.names import version_key

ToolkitOrigin = Literal["system", "packaged"]

_BOUND = re.compile(r"(>=|<)(\d+(?:\.\d+)*)")


def _require_one_group(pattern: str, what: str) -> str:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"has {groups} groups; one must match {what}")
    return pattern


class StubLibrary(Frozen):
    """A library to link against of which only the driver has the real one.

    Attributes:
        soname: what a linked program asks the loader for.
        symbols: functions that it has.
    """

    soname: FileName
    symbols: tuple[Name, ...] = Field(min_length=1)


class PackagedToolkit(Frozen):
    """A whole toolkit out of packages, the same on every machine.

    Attributes:
        version: of the toolkit, as the accelerator's name has it (``13.0``).
        platform: of the machine that compiles.
        wheels: files of the package index, with their digests.
        roots: globs of folders within the wheels' modules that are laid over each other: the toolkit's top.
        prefix: whether that top has, too, what the wheels put beside Python's own folder (``lib``, ``share``).
        exclude: globs of files that are left out, relative to that top.
        links: path to where a symbolic link there leads.
        stubs: path to a library that is made with the host's compiler.
    """

    version: Version
    platform: Name
    wheels: tuple[WheelFile, ...] = Field(min_length=1)
    roots: tuple[RelativePath, ...] = ()
    prefix: bool = False
    exclude: tuple[str, ...] = ()
    links: dict[RelativePath, str] = {}
    stubs: dict[RelativePath, StubLibrary] = {}

    @model_validator(mode="after")
    def _something_is_laid(self) -> Self:
        if not self.roots and not self.prefix:
            raise ValueError("neither roots nor prefix says what is laid")
        return self

    @field_validator("links")
    @classmethod
    def _links_stay_inside(cls, links: dict[str, str]) -> dict[str, str]:
        for target in links.values():
            require_relative(target)
        return links


class DeviceCode(Frozen):
    """A folder of GPU code that a library looks for beside itself; a file whose name has a GPU's is for that one alone.

    Attributes:
        folder: glob below the libraries' folder; its place in a bundle is the same below ``bin/``.
        pattern: regular expression with one group, the architecture in a file's name; a file without one is for all.
        every: whether there must be code for each GPU: without it the library ends the program.
    """

    folder: RelativePath
    pattern: str = Field(max_length=200)
    every: bool = True

    @field_validator("pattern")
    @classmethod
    def _pattern_has_one_group(cls, pattern: str) -> str:
        return _require_one_group(pattern, "the architecture")


class RuntimeLibraries(Frozen):
    """What of a toolkit a bundle must bring, since no driver does: a layer that no release of an engine changes.

    Attributes:
        folders: below the toolkit, in one of which the libraries are; the first that has one is taken. Empty for the
            toolkit's own folder.
        files: globs below that folder; each must match something.
        optional: globs of what only some versions of the toolkit have.
        device_code: GPU code in files of its own, cut to the GPUs that a build is for.
        license_texts: globs below the toolkit.
        licenses: SPDX identifiers.
        packaged: packages that the libraries are taken from instead of the toolkit that compiles, by platform and,
            where the accelerator's name has a version, by that.
    """

    folders: tuple[RelativePath, ...] = ()
    files: tuple[RelativePath, ...] = Field(min_length=1)
    optional: tuple[RelativePath, ...] = ()
    device_code: tuple[DeviceCode, ...] = ()
    license_texts: tuple[RelativePath, ...] = ()
    licenses: tuple[Line, ...] = ()
    packaged: tuple[PackagedToolkit, ...] = ()

    def packages_for(self, wanted: str, platform: str) -> PackagedToolkit | None:
        """Return the packages that the libraries are taken from; None where they are the toolkit's own.

        Args:
            wanted: version in the accelerator's name; empty where it has none.
            platform: of the machine that compiles.
        """
        fitting = (each for each in self.packaged if each.platform == platform and wanted in {"", each.version})
        return next(fitting, None)


class Toolkit(Frozen):
    """What compiles an accelerator's backend, and how it is found.

    Attributes:
        title: what people call it.
        versions: that targets are named after (``cuda-13.0``); empty where an accelerator's name has no version.
        variables: environment variables that name the folder where it is; the first that is set is believed.
        places: folders to look into, in this order; ``{version}`` is filled in.
        program: below such a folder; without it there is no toolkit.
        version_args: arguments that make the program say its version.
        version_file: text below the folder that says it, where the program does not; None where it does.
        version_pattern: regular expression with one group, the version.
        files: globs below the folder that must match something for the toolkit to be whole.
        minimum: lowest version.
        below: the first version that is too new; None where none is known.
        cc: C compiler below the folder, None for the machine's own.
        cxx: C++ compiler below the folder.
        install: what to do where there is none.
        packaged: toolkits out of packages, by version and platform.
        runtime: what of it a bundle brings; None where the driver or the system brings all.
    """

    title: Line
    versions: tuple[Version, ...] = ()
    variables: tuple[Line, ...] = ()
    places: tuple[Line, ...] = Field(min_length=1)
    program: RelativePath
    version_args: tuple[str, ...] = ()
    version_file: RelativePath | None = None
    version_pattern: str = Field(max_length=200)
    files: tuple[RelativePath, ...] = ()
    minimum: Version | None = None
    below: Version | None = None
    cc: RelativePath | None = None
    cxx: RelativePath | None = None
    install: Line
    packaged: tuple[PackagedToolkit, ...] = ()
    runtime: RuntimeLibraries | None = None

    @field_validator("version_pattern")
    @classmethod
    def _pattern_has_one_group(cls, pattern: str) -> str:
        return _require_one_group(pattern, "the version")

    @model_validator(mode="after")
    def _version_is_said_in_one_way(self) -> Self:
        if bool(self.version_args) == (self.version_file is not None):
            raise ValueError("either version_args or version_file says where the version stands")
        return self

    @model_validator(mode="after")
    def _packages_are_of_its_versions(self) -> Self:
        unknown = sorted({packaged.version for packaged in self.packaged} - set(self.versions))
        if self.versions and unknown:
            raise ValueError(f"packaged: {', '.join(unknown)} is none of versions ({', '.join(self.versions)})")
        return self

    def packages_for(self, version: str, platform: str) -> PackagedToolkit | None:
        """Return the packages of a version for the machine that compiles; None where none are pinned."""
        return next((each for each in self.packaged if (each.version, each.platform) == (version, platform)), None)


class Architectures(Frozen):
    """For which GPUs a backend is compiled, stated once; what a compiler calls them is derived.

    Attributes:
        known: name, as binaries are said to have code for it (``sm_89``, ``compute_75``, ``gfx1100``), to the versions
            of the toolkit that compile for it: empty for all, ``>=12.8``, ``<13``, or both with a comma.
        short: those of a build that is only to be tried.
    """

    known: dict[Name, str] = Field(min_length=1)
    short: tuple[Name, ...] = Field(min_length=1)

    @field_validator("known")
    @classmethod
    def _bounds_can_be_read(cls, known: dict[str, str]) -> dict[str, str]:
        for name, bounds in known.items():
            for bound in filter(None, bounds.split(",")):
                if not _BOUND.fullmatch(bound.strip()):
                    raise ValueError(f"{name}: {bound!r} is neither >=VERSION nor <VERSION")
        return known

    @model_validator(mode="after")
    def _short_ones_are_known(self) -> Self:
        unknown = sorted(set(self.short) - self.known.keys())
        if unknown:
            raise ValueError(f"short: {', '.join(unknown)} is not in known")
        return self

    def compiled_by(self, version: str) -> tuple[str, ...]:
        """Return those that a version of the toolkit compiles for, in the order of the recipe."""
        return tuple(name for name, bounds in self.known.items() if _within(version, bounds))


def _within(version: str, bounds: str) -> bool:
    found = version_key(version)
    for bound in filter(None, bounds.split(",")):
        match = _BOUND.fullmatch(bound.strip())
        if match is None:
            raise AssertionError(f"{bound!r} passed validation")
        limit = version_key(match[2])
        if (match[1] == ">=" and found < limit) or (match[1] == "<" and found >= limit):
            return False
    return True


class FoundToolkit(Frozen):
    """The toolkit that a build takes on this machine.

    Attributes:
        origin: a folder of the system's, or packages.
        version: of it, as whole as it says.
        path: the folder; None for packages, which the plan brings.
        runtime_sha256: digest of the system's runtime libraries; None where they come from packages, which are pinned.
        why: the reason for it, where another one was passed over; empty otherwise.
        program: what its program says of itself, where ``version`` is of something else (Vulkan's headers).
    """

    origin: ToolkitOrigin
    version: Version
    path: str | None = None
    runtime_sha256: Sha256 | None = None
    why: str = ""
    program: str = ""


class ToolkitPlace(Frozen):
    """A folder that was looked into for a toolkit.

    Attributes:
        path: absolute, links resolved.
        version: that its program says; None where it says none.
        lacking: globs of the recipe that match nothing below it.
        variable: environment variable that names it; empty for one of the usual places.
        program: first line that its program says of itself, where the version stands elsewhere; empty otherwise.
    """

    path: str
    version: Version | None
    lacking: tuple[str, ...] = ()
    variable: str = ""
    program: str = ""
