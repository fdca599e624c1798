"""Pictures with Vega-Lite, drawn by vl-convert: no browser, no network (ci/decisions/0065)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue


class VegaPictures:
    """Implements ``ports.PictureMaker``."""

    def __init__(self) -> None:
        """Find the library, before anything long is done.

        Raises:
            HostError: it is not installed.
        """
        try:
            import vl_convert  # noqa: PLC0415 - 84 MB that only reports need
        except ImportError as error:
            raise HostError(
                f"vl-convert, which draws the pictures of a report, is missing: {error}",
                hint="./ci/pipeline brings it; so does pip install 'engine-pipeline[report]'",
            ) from error
        self._draw = vl_convert.vegalite_to_svg

    def svg(self, specification: Mapping[str, JsonValue]) -> str:
        """Return a picture as an ``svg`` element."""
        return str(self._draw(dict(specification), vl_version="6.4", allowed_base_urls=[]))
