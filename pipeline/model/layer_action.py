"""What all actions that make a layer say of it, whatever they make it of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pipeline.model.manifest import LayerRole


@runtime_checkable
class LayerAction(Protocol):
    """An action of a step that makes a layer; see ``model.actions``."""

    @property
    def layer_name(self) -> str:
        """Name of the layer, and of its archive."""

    @property
    def role(self) -> LayerRole:
        """What it is for in a bundle."""

    @property
    def zstd_level(self) -> int:
        """Level of the archive."""

    @property
    def epoch_seconds(self) -> int:
        """Time stamp of every file in the archive."""
