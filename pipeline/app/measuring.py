"""Makes what reports need beyond the services of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ports import LayerReader, PictureMaker


def layer_reader() -> LayerReader:
    """Return what reads layers' archives without unpacking them."""
    from pipeline.system.layer_reading import LayerFileReader

    return LayerFileReader()


def picture_maker() -> PictureMaker:
    """Return what draws pictures.

    Raises:
        HostError: its library is not installed.
    """
    from pipeline.system.pictures import VegaPictures

    return VegaPictures()
