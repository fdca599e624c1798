"""The variables of pip and uv that name package indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# uv asks those of UV_INDEX before its default one (docs.astral.sh/uv/concepts/indexes).
FIRST_INDEXES = ("UV_INDEX",)
PRIMARY_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")  # those of uv are set for this alone
EXTRA_INDEXES = ("UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
INDEX_VARIABLES = (*FIRST_INDEXES, *PRIMARY_INDEXES, *EXTRA_INDEXES)


def index_urls(environment: Mapping[str, str], variable: str) -> list[str]:
    """Return the urls that a variable holds, parted by spaces, without the names that uv lets them have."""
    return [without_name(word) for word in environment.get(variable, "").split()]


def without_name(word: str) -> str:
    """Return the url of ``url`` or ``name=url``."""
    name, equals, url = word.partition("=")
    return url if equals and ":" not in name else word  # a url may hold a = too, after its scheme
