"""Which compiler cache the builds of one run use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.model.compiler_cache import CompilerCacheSettings


@dataclass(slots=True)
class CompilerCacheChoice:
    """Which compiler cache is used, and whether the shared one has been given up in this run.

    Attributes:
        settings: None for the local cache as it is without any configuration.
        secrets: environment variables of sccache that hold passwords and keys; its server alone gets them.
        fault: asks the shared cache; returns why it cannot be used, None when it answers or nobody knows.
        given_up: whether it failed once; the local cache is used from then on, and nobody is told twice.
    """

    settings: CompilerCacheSettings | None = None
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    fault: Callable[[], str | None] = lambda: None
    given_up: bool = False
