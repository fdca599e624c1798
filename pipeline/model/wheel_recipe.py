"""Recipes of engines that are built as a Python wheel: ``recipes/engines/<name>.toml`` with ``kind = "wheel"``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipeline.model.budgets import Budgets
from pipeline.model.environment_recipe import EnvironmentProof
from pipeline.model.filling import fill, require_pattern
from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath, UtcTime, Version
from pipeline.model.source import Source


class WheelPin(Frozen):
    """One release that can be built.

    Attributes:
        version: of the project, as the index has it.
        released: RFC 3339, UTC; becomes SOURCE_DATE_EPOCH of every file made from it.
        source: where its source distribution comes from, with digests.
    """

    version: Name
    released: UtcTime
    source: Source


class WheelProof(Frozen):
    """How to prove a wheel that was installed into a clean environment.

    Attributes:
        code: Python that loads ``{model}``, answers ``{prompt}`` with ``{tokens}`` tokens, and prints a line that
            ``pattern`` matches; the placeholders become Python literals.
        pattern: regular expression; its group ``tokens`` is how many tokens were generated.
        model: name of a recipe under recipes/models/.
        prompt: what to ask.
        minimum_tokens: a generation shorter than this has failed.
        timeout_seconds: for all of it.
    """

    code: str
    pattern: str
    model: Name
    prompt: str
    minimum_tokens: int = Field(ge=1)
    timeout_seconds: int = Field(gt=0)

    @field_validator("code")
    @classmethod
    def _code_can_be_filled(cls, code: str) -> str:
        compile(fill(code, model="''", prompt="''", tokens="1"), "proof.code", "exec")
        return code

    @field_validator("pattern")
    @classmethod
    def _pattern_is_one(cls, pattern: str) -> str:
        if "(?P<tokens>" not in require_pattern(pattern):
            raise ValueError("has no group tokens")
        return pattern


class WheelBundle(Frozen):
    """How the wheel and what it needs become a bundle: a Python environment, as ``EnvironmentEngine`` describes one.

    Attributes:
        entry_points: program name to path in the installed environment.
        licenses: SPDX identifier of a package, where its metadata says none or says it in other words.
        proof: how to prove it.
    """

    entry_points: dict[FileName, RelativePath] = Field(min_length=1)
    licenses: dict[Name, str] = {}
    proof: EnvironmentProof


class WheelEngine(Frozen):
    """An engine whose source distribution scikit-build-core makes a wheel of.

    Its CMake options are those of another engine and of that engine's accelerators, so that each is said once.

    Attributes:
        schema_version: 1.
        kind: tells it from engines of other kinds.
        name: of the engine, which is its project on the index.
        repository: ``owner/name`` upstream.
        default_release: version of the pin that is built when none is asked for.
        releases: the pins.
        platforms: on which it can be built.
        options_of: engine whose options it takes as far as its source knows them, and whose accelerators it can have.
        base: accelerator whose options say what the processor must have, beside whatever else it computes on.
        refused: accelerator to the reason why there is no wheel for it.
        options: CMake cache entries of its own; they win over the others.
        variables: project within the source to CMake variables that are set as it begins, where the outer project
            leaves no other way.
        license_files: patterns of license texts in the source, for the wheel's metadata.
        exclude: patterns, as git ignores files, of what CMake installs and the package never reads.
        minimum_tools: tool to lowest version.
        system_libraries: shared libraries that a host may bring; no tag allows any other.
        environment: folder below envs/ with the wheels that it needs, for the Python that it is proven with.
        proof: how to prove a wheel.
        bundle: how it becomes a bundle.
        budgets: what that bundle may weigh.
    """

    schema_version: Literal[1]
    kind: Literal["wheel"]
    name: Name
    repository: str
    default_release: Name
    releases: tuple[WheelPin, ...] = Field(min_length=1)
    platforms: tuple[Name, ...] = Field(min_length=1)
    options_of: Name
    base: Name
    refused: dict[Name, str] = {}
    options: dict[str, str] = {}
    variables: dict[Line, dict[Name, str]] = {}
    license_files: tuple[Line, ...] = Field(min_length=1)
    exclude: tuple[str, ...] = ()
    minimum_tools: dict[Name, Version] = {}
    system_libraries: tuple[str, ...]
    environment: Name
    proof: WheelProof
    bundle: WheelBundle
    budgets: Budgets = Budgets()

    @model_validator(mode="after")
    def _default_release_is_pinned(self) -> Self:
        versions = [pin.version for pin in self.releases]
        if self.default_release not in versions or len(set(versions)) != len(versions):
            raise ValueError(f"default_release {self.default_release!r} is not once among releases: {versions}")
        return self
