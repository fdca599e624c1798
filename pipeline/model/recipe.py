"""Recipes: what to make, as data. One file an engine, one an accelerator, one a smoke-test model."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.model.archives import ArchiveParts, ArchiveRecipe
from pipeline.model.budgets import Budgets
from pipeline.model.filling import fill
from pipeline.model.frozen import CommitId, FileName, Frozen, Name, RelativePath, UtcTime, require_relative
from pipeline.model.manifest import LayerRole
from pipeline.model.native import NativeBuild, NativePart
from pipeline.model.proof_recipe import ProofRecipe
from pipeline.model.source import Source
from pipeline.model.toolkit import Architectures, Toolkit


class Pin(Frozen):
    """One upstream release that can be built.

    Attributes:
        version: as upstream calls it (``b11434``).
        build_number: what upstream's build counts as; passed into the build so that ``--version`` says it.
        commit: of the tag; None where the pinned source does not say it.
        released: RFC 3339, UTC; becomes SOURCE_DATE_EPOCH of every file made from it.
        source: where its source comes from, with digests.
    """

    version: Name
    build_number: int = Field(gt=0)
    commit: CommitId | None = None
    released: UtcTime
    source: Source


class Component(Frozen):
    """One part that is compiled by itself and becomes one layer.

    Attributes:
        role: of the layer.
        options: CMake cache entries, added to the engine's.
        own_options: globs of names of CMake options that this component alone reads, or others that say so too: one
            that is given beside the recipes' goes to those components and to no other.
        cmake_targets: what to build; nothing else is.
        outputs: globs below the build's ``bin`` folder that the layer takes; each must match something.
        outputs_on: system (``macos``, ``windows``) to globs instead of those, where its files have other names.
        native: platform to what differs where its own compiler is used.
        unity: CMake target to unity batch size: 0 is one translation unit; a target not named here is left alone.
        unity_excluded: CMake target to ends of source paths that are compiled by themselves.
        languages: languages beside C and C++, as CMake calls them, to what is added to their flags.
        space_bytes: free space that compiling needs; checked before it begins.

    In ``options``, ``{toolkit}`` is the folder of the accelerator's toolkit, ``{architectures}`` the list of GPUs in
    CMake's words, and ``{cxx}`` the C++ compiler.
    """

    role: LayerRole
    options: dict[str, str] = {}
    own_options: tuple[str, ...] = ()
    cmake_targets: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = Field(min_length=1)
    outputs_on: dict[Literal["linux", "macos", "windows"], tuple[str, ...]] = {}
    native: dict[Name, NativePart] = {}
    unity: dict[str, int] = {}
    unity_excluded: dict[str, tuple[str, ...]] = {}
    languages: dict[Literal["CUDA", "HIP"], tuple[str, ...]] = {}
    space_bytes: int = Field(default=0, ge=0)

    @field_validator("options")
    @classmethod
    def _options_can_be_filled(cls, options: dict[str, str]) -> dict[str, str]:
        for value in options.values():
            fill(value, toolkit="t", architectures="a", cxx="c")
        return options

    @field_validator("outputs")
    @classmethod
    def _outputs_stay_in_bin(cls, globs: tuple[str, ...]) -> tuple[str, ...]:
        for glob in globs:
            require_relative(glob)
        return globs

    def owns(self, option: str) -> bool:
        """Tell whether ``own_options`` names a CMake option."""
        return any(fnmatchcase(option, glob) for glob in self.own_options)


class WebUi(Frozen):
    """The web interface that can be built into the server: off unless asked for.

    Attributes:
        subtree: folder of the source with its package.json.
        output: folder, below ``subtree``, that the build writes.
        enabled: the default.
        minimum_node: lowest Node.js version.
        options: CMake cache entries that change when it is on.
    """

    subtree: RelativePath
    output: RelativePath
    enabled: bool = False
    minimum_node: str
    options: dict[str, str] = {}


class VersionText(Frozen):
    """Where a part's source says its version.

    Attributes:
        path: within the source.
        pattern: regular expression with at least one group; what its groups match, joined by dots, is the version.
    """

    path: RelativePath
    pattern: str = Field(max_length=300)

    @field_validator("pattern")
    @classmethod
    def _pattern_has_groups(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        if groups == 0:
            raise ValueError("has no group that would match a version")
        return pattern


class LicenseFile(Frozen):
    """One license text that travels with the engine.

    Attributes:
        name: of the part it is for; the file's name in ``licenses/``.
        spdx: its SPDX identifier.
        path: within the source; for a header that carries its own license, the header.
        begin: text of the first line of the license within the file; None takes the whole file.
        end: text of its last line; None runs to the end of the file.
        version: where the source says the part's version; None where it does not.
    """

    name: FileName
    spdx: str
    path: RelativePath
    begin: str | None = None
    end: str | None = None
    version: VersionText | None = None


class EngineRecipe(Frozen):
    """An engine: its releases, how it is built, and how it is proven.

    Attributes:
        schema_version: 1.
        name: of the engine.
        repository: ``owner/name`` upstream.
        licenses: texts that travel with it.
        default_release: version of the pin that is built when none is asked for.
        releases: the pins.
        platforms: on which it can be built with their own compilers.
        native: platform of those to what differs there.
        minimum_tools: tool, or maker of a compiler (``gcc``, ``apple-clang``), to lowest version; an older system tool
            is passed over for the packaged one.
        options: CMake cache entries of every component.
        options_with_pin: cache entries with ``{build_number}`` and ``{commit}`` to fill in.
        compile_flags: compiler (``gcc``, ``clang``, ``apple-clang``) to what is added to its C and C++ flags.
        link_flags: added to the linker's flags.
        core: the component that all accelerators share.
        base: accelerator whose backend is in the bundle of every other one too: what is not on the GPU runs on it.
        entry_points: program name to path in the bundle.
        system_libraries: shared libraries a bundle may expect of the host; any other must be inside it. Platforms in
            ``native`` have those of ``archives`` instead.
        web_ui: the optional web interface.
        proof: how to prove a bundle.
        archives: how upstream's archives become layers, None for an engine of which none are fetched.
        budgets: what its bundles may weigh.
    """

    schema_version: Literal[1]
    name: Name
    repository: str
    licenses: tuple[LicenseFile, ...] = Field(min_length=1)
    default_release: Name
    releases: tuple[Pin, ...] = Field(min_length=1)
    platforms: tuple[Name, ...] = Field(min_length=1)
    native: dict[Name, NativeBuild] = {}
    minimum_tools: dict[Name, str]
    options: dict[str, str]
    options_with_pin: dict[str, str] = {}
    compile_flags: dict[Name, tuple[str, ...]] = {}
    link_flags: tuple[str, ...] = ()
    core: Component
    base: Name
    entry_points: dict[FileName, RelativePath] = Field(min_length=1)
    system_libraries: tuple[str, ...]
    web_ui: WebUi | None = None
    proof: ProofRecipe
    archives: ArchiveRecipe | None = None
    budgets: Budgets = Budgets()

    @field_validator("options_with_pin")
    @classmethod
    def _options_can_be_filled(cls, options: dict[str, str]) -> dict[str, str]:
        for value in options.values():
            fill(value, build_number="1", commit="c")
        return options

    @model_validator(mode="after")
    def _default_release_is_pinned(self) -> Self:
        versions = [pin.version for pin in self.releases]
        if self.default_release not in versions:
            raise ValueError(f"default_release {self.default_release!r} is not among releases ({', '.join(versions)})")
        if len(set(versions)) != len(versions):
            raise ValueError("two releases have the same version")
        return self

    @model_validator(mode="after")
    def _native_builds_have_a_system(self) -> Self:
        for platform in self.native:
            systems = self.archives.system_libraries if self.archives else {}
            if platform not in self.platforms:
                raise ValueError(f"native.{platform}: is none of platforms")
            if platform.partition("-")[0] not in systems:
                raise ValueError(f"native.{platform}: archives.system_libraries does not say what its hosts bring")
        return self


class AcceleratorRecipe(Frozen):
    """An accelerator: which backend it adds to which engine, and what it needs and promises.

    Attributes:
        schema_version: 1.
        name: of the contract's names, without its version where it has one (``cuda`` for ``cuda-12.4``).
        kind: of a registered accelerator kind.
        platforms: where it can be built.
        requires_cpu: instruction set extensions without which it does not run, lower case.
        expect_devices: regular expressions; each must match a device that the engine lists.
        toolkit: what compiles the backend beside a C++ compiler; None where nothing does.
        architectures: for which GPUs it is compiled; None where the driver compiles.
        software_environment: variables without which the engine passes over a device that computes on the processor;
            set for a proof on a machine that has no other.
        engines: engine to the component that carries the backend, where it is built.
        archives: engine to what is the accelerator's in upstream's archives, where it is fetched.
    """

    schema_version: Literal[1]
    name: Name
    kind: Name
    platforms: tuple[Name, ...] = Field(min_length=1)
    requires_cpu: tuple[str, ...] = ()
    expect_devices: tuple[str, ...] = ()
    toolkit: Toolkit | None = None
    architectures: Architectures | None = None
    software_environment: dict[str, str] = {}
    engines: dict[Name, Component] = {}
    archives: dict[Name, ArchiveParts] = {}

    @property
    def accels(self) -> tuple[str, ...]:
        """What targets are called: one for each version of the toolkit, where the name has one."""
        versions = self.toolkit.versions if self.toolkit else ()
        return tuple(f"{self.name}-{version}" for version in versions) or (self.name,)

    @model_validator(mode="after")
    def _options_need_what_is_there(self) -> Self:
        for engine, component in self.engines.items():
            text = " ".join(component.options.values())
            for word, there in (("{toolkit}", self.toolkit), ("{architectures}", self.architectures)):
                if word in text and there is None:
                    raise ValueError(f"engines.{engine}.options: {word} is used, and there is no [{word[1:-1]}]")
        return self
