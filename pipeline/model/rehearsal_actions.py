"""What a step of a rehearsal's plan can be told to do: plain data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.model.frozen import Frozen, Name, RelativePath
from pipeline.model.manifest import LayerRole


class RehearseLayer(Frozen):
    """Make a layer with no engine in it: files of a few lines that say so, under the names of a real layer.

    Attributes:
        layer_name: of the real layer.
        role: of the real layer.
        stands_for: whose layer it is, for the text in it; without a version where a real one changes with none.
        programs: paths of entry points that are in it; each ends with 1 after saying what it is.
        with_debug: whether a layer of debug files stands beside it.
        zstd_level: of the archive.
        epoch_seconds: time stamp of every file.
    """

    kind: Literal["rehearse_layer"] = "rehearse_layer"
    layer_name: Name
    role: LayerRole
    stands_for: str = Field(min_length=1)
    programs: tuple[RelativePath, ...] = ()
    with_debug: bool = False
    zstd_level: int
    epoch_seconds: int
