"""What a step of a plan can be told to do for an engine that is built as a wheel."""

from __future__ import annotations

from typing import Literal

from pipeline.model.environment import WheelFile
from pipeline.model.environment_actions import StepName
from pipeline.model.frozen import Frozen, Line, Name, Version
from pipeline.model.wheel_recipe import WheelProof


class BuildWheel(Frozen):
    """Make the wheel of a source distribution with scikit-build-core, and tag it with what was measured.

    The step's facts have ``filename``, ``options``, ``requires`` (glibc, libstdcxx, libraries, cpu), ``tag`` and
    ``toolchain``.

    Attributes:
        project: of the index.
        version: of the project.
        platform: of the contract's names.
        place: name of the work folder; the compiler cache compares whole command lines, paths included.
        source: step that brings the source.
        options: CMake cache entries, each of which the source must know.
        options_if_known: CMake cache entries that are taken as far as the source declares them.
        variables: project within the source to CMake variables that are set as it begins.
        license_files: patterns of license texts in the source.
        exclude: patterns of files that CMake installs and that are left out.
        compile_flags: for C and C++.
        link_flags: for the linker.
        requires_cpu: instruction set extensions that files may be compiled for.
        system_libraries: names that files may need beside each other.
        toolchain: tool to version, also ``glibc`` and ``scikit-build-core``; part of the identity.
        epoch_seconds: SOURCE_DATE_EPOCH.
    """

    kind: Literal["build_wheel"] = "build_wheel"
    project: Name
    version: Name
    platform: Name
    place: str
    source: StepName
    options: dict[str, str]
    options_if_known: dict[str, str]
    variables: dict[Line, dict[Name, str]]
    license_files: tuple[Line, ...]
    exclude: tuple[str, ...]
    compile_flags: tuple[str, ...]
    link_flags: tuple[str, ...]
    requires_cpu: tuple[str, ...]
    system_libraries: tuple[str, ...]
    toolchain: dict[str, str]
    epoch_seconds: int


class ProveWheel(Frozen):
    """Install a wheel into a clean environment with no index, and have it generate.

    The step's facts have ``proof``: ``generated_tokens``, ``model`` and ``said``.

    Attributes:
        wheel: step that made it.
        fetched: step that brought what it needs.
        needs: the wheels that it needs.
        python: ``3.11``, that these are for.
        model: step that brings the model.
        proof: what to run.
    """

    kind: Literal["prove_wheel"] = "prove_wheel"
    wheel: StepName
    fetched: StepName
    needs: tuple[WheelFile, ...]
    python: Version
    model: StepName
    proof: WheelProof
