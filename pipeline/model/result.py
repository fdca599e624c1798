"""What a step made, as it is kept in the store under the step's key."""

from __future__ import annotations

from pydantic import Field, JsonValue

from pipeline.model.frozen import FileName, Frozen, Sha256


class BlobRef(Frozen):
    """One file in the store.

    Attributes:
        sha256: of its bytes; the store's name for it.
        size_bytes: of the file.
        filename: what it is called outside the store.
    """

    sha256: Sha256
    size_bytes: int = Field(ge=0)
    filename: FileName


class TreeRef(Frozen):
    """One tree in the store.

    Attributes:
        sha256: ``digest.tree_digest`` of its entries.
        size_bytes: sum of its files.
    """

    sha256: Sha256
    size_bytes: int = Field(ge=0)


class StepResult(Frozen):
    """Outputs of a step by role.

    Attributes:
        key: of the step.
        trees: role to tree in the store.
        blobs: role to file in the store.
        facts: plain JSON that later steps and the manifest read.
    """

    key: Sha256
    trees: dict[str, TreeRef] = {}
    blobs: dict[str, BlobRef] = {}
    facts: dict[str, JsonValue] = {}
