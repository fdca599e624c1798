"""The compiler cache: recompiling what was compiled before costs a look-up."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pipeline.ports import Services


@dataclass(frozen=True, slots=True)
class CompilerCache:
    """How a build uses the cache.

    Attributes:
        launcher: program put before every compiler call, None without a cache.
        environment: what it needs to know.
    """

    launcher: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def compiler_cache(services: Services, *, roots: tuple[Path, ...], cc: str) -> Iterator[CompilerCache]:
    """Provide the cache for one build; without one, compilers are called directly."""
    del services, roots, cc
    yield CompilerCache()
