"""How a recipe of a compiled engine says that its bundles are proven."""

from __future__ import annotations

from pydantic import Field, field_validator

from pipeline.model.filling import fill, require_pattern
from pipeline.model.frozen import FileName, Frozen, Name
from pipeline.model.program_arguments import ServerArgs


class ProofRecipe(Frozen):
    """How to prove that a bundle works.

    Attributes:
        server: program that serves the model.
        version_args: arguments that make ``server`` print its version.
        version_pattern: regular expression that the output must match; ``{build_number}`` is filled in.
        device_program: program that lists compute devices.
        device_args: its arguments.
        server_args: arguments of the server; ``{model}``, ``{port}`` and ``{host}`` are filled in.
        model: name of a recipe under recipes/models/.
        prompt: what to ask.
        minimum_tokens: a generation shorter than this has failed.
        ready_timeout_seconds: until /health answers.
    """

    server: FileName
    version_args: tuple[str, ...]
    version_pattern: str
    device_program: FileName
    device_args: tuple[str, ...]
    server_args: ServerArgs
    model: Name
    prompt: str
    minimum_tokens: int = Field(ge=1)
    ready_timeout_seconds: int = Field(gt=0)

    @field_validator("version_pattern")
    @classmethod
    def _version_pattern_can_be_filled(cls, pattern: str) -> str:
        require_pattern(fill(pattern, build_number="1"))
        return pattern
