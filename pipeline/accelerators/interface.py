"""What an accelerator kind is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.model.recipe import AcceleratorRecipe


class AcceleratorKind(NamedTuple):
    """One kind of accelerator.

    Attributes:
        required_features: which CPU instruction set extensions a host must have, from the extensions that each backend
            library was compiled with (library name to extensions).
        example: a valid recipe, for the conformance tests.
    """

    required_features: Callable[[Mapping[str, frozenset[str]]], tuple[str, ...]]
    example: AcceleratorRecipe
