"""What a wheel that holds an engine says of itself: ``engine.json`` in its package."""

from __future__ import annotations

from typing import Literal

from pipeline.model.frozen import FileName, Frozen, Line, Name, RelativePath, Sha256
from pipeline.model.tree import TreeEntry


class RecordedLayer(Frozen):
    """One layer of the bundle that a wheel was made from.

    Attributes:
        name: ``core``, the accelerator's name ...
        tree_sha256: its identity, as the manifest has it.
        files: all of its files and links.
    """

    name: Name
    tree_sha256: Sha256
    files: tuple[TreeEntry, ...]


class WheelRecord(Frozen):
    """The files of a bundle, and under which names a wheel has them.

    A wheel cannot hold symbolic links (binary distribution format). So a file that has links lies in the wheel under
    the names that a loader asks for, which may be those of links; ``installed`` says which file of the tree each is.
    The digest of each layer follows from the installed files and this record.

    Attributes:
        schema_version: 1.
        engine: of the bundle.
        platform: of the bundle.
        accel: of the bundle.
        version: as upstream calls it.
        bundle_sha256: of the self-contained bundle.
        tree_sha256: of all layers together, as an installation lays them.
        layers: in order; what is optional is left out.
        installed: path below ``tree/`` in the package to the path in the layers of the file whose bytes it has.
        programs: program name to path below ``tree/``.
        host_libraries: shared libraries that the host must bring.
        licenses: SPDX identifiers.
    """

    schema_version: Literal[1]
    engine: Name
    platform: Name
    accel: Name
    version: Name
    bundle_sha256: Sha256
    tree_sha256: Sha256
    layers: tuple[RecordedLayer, ...]
    installed: dict[RelativePath, RelativePath]
    programs: dict[FileName, RelativePath]
    host_libraries: tuple[Line, ...]
    licenses: tuple[Line, ...]
