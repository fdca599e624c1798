"""What a step of a plan can be told to do about archives of upstream's: plain data, one class a stage."""

from __future__ import annotations

from typing import Literal

from pipeline.model.environment_actions import StepName
from pipeline.model.frozen import Frozen
from pipeline.model.manifest import LayerRole
from pipeline.model.upstream import PinnedAsset


class FetchArchive(Frozen):
    """Bring one archive of upstream's into the store, unpacked as it is.

    Attributes:
        asset: which, with its digest and how that is vouched for.
        repository: ``owner/name`` that released it.
        tag: of the release.
        attestation: file with upstream's signed statement about it; None when none is at hand.
    """

    kind: Literal["fetch_archive"] = "fetch_archive"
    asset: PinnedAsset
    repository: str
    tag: str
    attestation: str | None = None


class SplitLayer(Frozen):
    """Turn some files of an archive of upstream's into a layer; their bytes stay as upstream made them.

    Attributes:
        layer_name: of the layer.
        role: of the layer.
        archive: step that brought the archive.
        include: patterns of its files; empty for all of them.
        exclude: patterns of files that belong to other layers.
        licenses: patterns of the names of license texts.
        zstd_level: of the layer's archive.
        epoch_seconds: time stamp of every file in it.
    """

    kind: Literal["split_layer"] = "split_layer"
    layer_name: str
    role: LayerRole
    archive: StepName
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    licenses: tuple[str, ...]
    zstd_level: int
    epoch_seconds: int
