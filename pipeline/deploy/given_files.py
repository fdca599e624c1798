"""Archives that are at hand: recognised by the size and digest that are signed, and used instead of a download.

A layer's archive is itself; a bundle begins with the archives of the layers that are in it, one after the other
(``make.bundle``), so each of them is a slice of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.digest import sha256_stream
from pipeline.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.model.manifest import Artifact


@dataclass(frozen=True, slots=True)
class FilePart:
    """A run of bytes within a file.

    Attributes:
        path: of the file.
        offset_bytes: where it begins.
        size_bytes: of it.
    """

    path: Path
    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GivenFiles:
    """Files that were recognised.

    Attributes:
        layers: sha256 of a layer's archive to where its bytes are.
        uses: file to the keys of the artifacts that it is of: their bundle, or one of their layers.
    """

    layers: Mapping[str, FilePart] = field(default_factory=dict)
    uses: Mapping[Path, frozenset[tuple[str, ...]]] = field(default_factory=dict)

    def narrow(self, offered: Iterable[Artifact]) -> list[Artifact]:
        """Return the artifacts that every file is of.

        Raises:
            UsageError: the files are of different ones.
        """
        artifacts = [a for a in offered if all(a.key in keys for keys in self.uses.values())]
        if self.uses and not artifacts:
            names = ", ".join(path.name for path in self.uses)
            raise UsageError(
                f"no variant is made of all these files: {names}",
                hint="give the bundle, or the layers, of one target in one version",
            )
        return artifacts


def recognise(paths: Sequence[Path], offered: Sequence[Artifact]) -> GivenFiles:
    """Find out what each file is, by its size first and then by its digest; every byte is read.

    Args:
        paths: of the files.
        offered: by the signed manifests.

    Raises:
        UsageError: a file cannot be read.
        IntegrityError: a file is nothing that the manifests name.
    """
    sizes = {a.size for a in offered} | {layer.size for a in offered for layer in a.layers}
    layers: dict[str, FilePart] = {}
    uses: dict[Path, frozenset[tuple[str, ...]]] = {}
    for path in paths:
        sha256, size = _digest(path, sizes)
        own = [a for a in offered if (a.sha256, a.size) == (sha256, size)]
        as_layer = {a.key for a in offered if (sha256, size) in {(layer.sha256, layer.size) for layer in a.layers}}
        if not own and not as_layer:
            raise IntegrityError(
                f"{path} is nothing that the signed manifest names: it has {size} bytes and the sha256 {sha256}",
                hint="it is incomplete, was changed, or is of a release that the repository does not have; it was not"
                " used",
            )
        if as_layer:
            layers[sha256] = FilePart(path, 0, size)
        for artifact in own:
            layers |= _slices(artifact, path)
        uses[path] = frozenset(as_layer | {a.key for a in own})
    return GivenFiles(layers, uses)


def _slices(artifact: Artifact, path: Path) -> dict[str, FilePart]:
    """Return where the layers of a bundle are; each is verified by its own digest when it is taken."""
    parts: dict[str, FilePart] = {}
    offset = 0
    for layer in artifact.layers:
        if layer.is_bundled:
            parts[layer.sha256] = FilePart(path, offset, layer.size)
            offset += layer.size
    return parts


def _digest(path: Path, sizes: set[int]) -> tuple[str, int]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            if size not in sizes:
                raise IntegrityError(
                    f"{path} is nothing that the signed manifest names: nothing there has its {size} bytes",
                    hint="it is incomplete, was changed, or is of a release that the repository does not have; it was"
                    " not used",
                )
            stream.seek(0)
            return sha256_stream(stream)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="name the archives with --from-file"
        ) from error
