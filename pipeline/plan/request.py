"""What is asked for, and what must be known of the machine before a plan can be made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.errors import PipelineError
    from pipeline.model.environment import LockedEnvironment, MiniforgeInstaller
    from pipeline.model.host import Tool
    from pipeline.model.manifest import ProofLevel
    from pipeline.model.toolchain import FoundRunner
    from pipeline.model.toolkit import FoundToolkit
    from pipeline.names import Target

SourceChoice = Literal["auto", "fetch", "build"]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What a user asks ``build`` or ``plan`` for.

    Attributes:
        targets: what to make.
        patterns: that named them, as they were given; a target that only a glob took may be left out.
        release: pinned release, None for each engine's default.
        release_is_default: whether a project's defaults name it, which an engine that is locked need not heed.
        prove: how much to prove; None for all that this machine can.
        model_file: a GGUF of the user's own for the proof, None for the recipe's model.
        web_ui: None for the recipe's default.
        source: where the engine comes from.
        cmake_options: overrides, recorded in the manifest.
        insisted_options: those of them that were asked for in this very command; a project's defaults do not keep
            anything from being fetched.
        base: accelerator of the processor whose backend every bundle has; None for the recipe's.
        toolchain: ``auto``, ``native``, or a recipe's name: what compiles.
        toolkit: ``auto``, ``system``, ``packaged``, or the folder of the one toolkit that is meant.
        architectures: GPUs to compile for: ``release``, ``short``, or names.
        wheels_only: whether environments are made without their conda packages, for a Python that is there.
        with_miniforge: whether environments are bundled with Miniforge's installer, for machines without any conda.
        zstd_level: of layer archives.
        epoch_seconds: SOURCE_DATE_EPOCH for everything that is made but a vendor's runtime; None for the date of the
            release, and in layers for 1980-01-01, which a vendor's runtime always has.
        builder_version: of this program, for statements about what it makes.
        rehearsal: whether bundles are made with no engine in them.
    """

    targets: tuple[Target, ...]
    patterns: tuple[str, ...] = ()
    release: str | None = None
    release_is_default: bool = False
    prove: ProofLevel | None = None
    model_file: Path | None = None
    web_ui: bool | None = None
    source: SourceChoice = "auto"
    cmake_options: Mapping[str, str] = field(default_factory=dict)
    insisted_options: frozenset[str] = frozenset()
    base: str | None = None
    toolchain: str = "auto"
    toolkit: str = "auto"
    architectures: tuple[str, ...] = ("release",)
    wheels_only: bool = False
    with_miniforge: bool = False
    zstd_level: int = 19
    epoch_seconds: int | None = None
    builder_version: str = ""
    rehearsal: bool = False

    @property
    def insists_on_build(self) -> bool:
        """Whether something was asked for that only a build can give."""
        return bool(self.build_options_given)

    @property
    def build_options_given(self) -> tuple[str, ...]:
        """What was given of the options that decide how something is compiled, as typed."""
        options = tuple(f"--cmake-option {name}" for name in sorted(self.insisted_options))
        given = (
            *(("--base",) if self.base else ()),
            *(("--toolchain",) if self.toolchain != "auto" else ()),
            *(("--toolkit",) if self.toolkit != "auto" else ()),
            *(("--architectures",) if self.architectures != ("release",) else ()),
        )
        web_ui = {True: ("--web-ui",), False: ("--no-web-ui",), None: ()}[self.web_ui]
        return (*options, *given, *web_ui)

    @property
    def options_given(self) -> tuple[str, ...]:
        """The same, and what it is proven with."""
        return (*self.build_options_given, *(() if self.model_file is None else ("--model",)))


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What the plan depends on besides the request and the catalog; taken once, so that planning itself is pure.

    Attributes:
        platform: of this host.
        glibc: of this host, None off Linux.
        tools: programs by name.
        local_trees: path of a ``local_tree`` source to its tree digest.
        model_sha256: of ``BuildRequest.model_file``.
        unreachable: target to the reason why upstream's archives for it cannot be had now; others can, or need not.
        no_device: target of a GPU, or environment that brings no Python, to the reason why it cannot be run here, empty
            where it can.
        environments: target that is an environment to what is locked for it.
        toolkits: target that is built with a toolkit to the one that is taken.
        no_toolkit: target that this machine has no toolkit for to the reason.
        runners: target for another platform to what runs its programs here.
        no_runner: target for another platform to the reason why what could run its programs is not here.
        miniforge: target that is an environment to the installer that is bundled with it.
    """

    platform: str
    glibc: str | None
    tools: Mapping[str, Tool]
    local_trees: Mapping[str, str] = field(default_factory=dict)
    model_sha256: str | None = None
    unreachable: Mapping[str, str] = field(default_factory=dict)
    no_device: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, LockedEnvironment] = field(default_factory=dict)
    miniforge: Mapping[str, MiniforgeInstaller] = field(default_factory=dict)
    toolkits: Mapping[str, FoundToolkit] = field(default_factory=dict)
    no_toolkit: Mapping[str, PipelineError] = field(default_factory=dict)
    runners: Mapping[str, FoundRunner] = field(default_factory=dict)
    no_runner: Mapping[str, str] = field(default_factory=dict)
