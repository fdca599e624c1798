"""Recipes of engines that are Python environments, and of engines that cannot be made, with the reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.model.budgets import Budgets
from pipeline.model.filling import fill, require_pattern
from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath
from pipeline.model.program_arguments import ModelArgs, ProgramEnvironment, ServerArgs


class EnvironmentProof(Frozen):
    """How to prove that an environment works. Paths are within the installed environment.

    Attributes:
        program: that everything is run with: its Python.
        version_args: make ``program`` print the engine's version.
        version_pattern: regular expression that a line of it must match; ``{version}`` is filled in.
        device_args: make ``program`` list compute devices, in the form that ``proofs.devices`` reads.
        expect_devices: platform to regular expressions; each must match a device that is listed.
        server_args: make ``program`` serve; ``{model}``, ``{port}``, ``{host}`` and ``{tree}``, its folder, are
            filled in.
        model_args: make ``program`` write a small model with random weights into the new folder ``{model}``; ``{tree}``
            as above.
        environment: variables that are set for all of them; ``{tree}`` as above.
        prompt: what to ask.
        minimum_tokens: a shorter answer has failed.
        ready_timeout_seconds: until ``/health`` answers.
    """

    program: RelativePath
    version_args: tuple[str, ...]
    version_pattern: str
    device_args: tuple[str, ...]
    expect_devices: dict[Name, tuple[str, ...]]
    server_args: ServerArgs
    model_args: ModelArgs = ()
    environment: Annotated[dict[str, str], ProgramEnvironment] = {}
    prompt: str
    minimum_tokens: int = Field(ge=1)
    ready_timeout_seconds: int = Field(gt=0)

    @field_validator("version_pattern")
    @classmethod
    def _version_pattern_can_be_filled(cls, pattern: str) -> str:
        require_pattern(fill(pattern, version="1"))
        return pattern


class EnvironmentEngine(Frozen):
    """An engine that is a Python environment: ``recipes/engines/<name>.toml`` with ``kind = "environment"``.

    Attributes:
        schema_version: 1.
        kind: tells it from an engine that is compiled or fetched.
        name: of the engine.
        repository: ``owner/name`` upstream.
        environment: folder below envs/.
        package: project whose locked version is the engine's version.
        accel: of the contract's names.
        platforms: that it is locked for.
        entry_points: program name to path in the installed environment.
        runtimes: layer name to the projects whose wheels are a layer of their own, since they change less often.
        requires_cpu: instruction set extensions without which what was compiled for it does not run.
        licenses: SPDX identifier of a package, where its metadata says none or says it in other words.
        proof: how to prove it.
        budgets: what its bundles may weigh.
    """

    schema_version: Literal[1]
    kind: Literal["environment"]
    name: Name
    repository: str
    environment: Name
    package: Name
    accel: Name
    platforms: tuple[Name, ...] = Field(min_length=1)
    entry_points: dict[FileName, RelativePath] = Field(min_length=1)
    runtimes: dict[Name, tuple[Name, ...]] = {}
    requires_cpu: tuple[Line, ...] = ()
    licenses: dict[Name, str] = {}
    proof: EnvironmentProof
    budgets: Budgets = Budgets()


class UnsupportedEngine(Frozen):
    """An engine that people ask for and that cannot be made: ``kind = "unsupported"``.

    Attributes:
        schema_version: 1.
        kind: tells it from engines that can be made.
        name: of the engine.
        accel: of the contract's names.
        platforms: on which it would run.
        reason: why it cannot be made, one or two sentences.
        instead: engine to take.
    """

    schema_version: Literal[1]
    kind: Literal["unsupported"]
    name: Name
    accel: Name
    platforms: tuple[Name, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)
    instead: Name | None = None
