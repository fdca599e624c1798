"""Pictures of figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue


class PictureMaker(Protocol):
    """Draws Vega-Lite specifications."""

    def svg(self, specification: Mapping[str, JsonValue]) -> str:
        """Return a picture as an ``svg`` element; the same specification gives the same bytes.

        Colours stand in it as they stand in the specification, so that they may be CSS variables.
        """
        ...
