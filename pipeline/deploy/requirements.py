"""What an artifact needs of the host, compared with what the host has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.deploy.fitting import misfits
from pipeline.errors import HostError
from pipeline.ports import require_space

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.model.host import HostFacts
    from pipeline.model.manifest import Artifact, Layer
    from pipeline.ports import HostProbe

_SPARE_BYTES = 16 << 20  # for lists of files, pointers, and what the file system itself takes


def check_host(artifact: Artifact, facts: HostFacts) -> None:
    """Refuse an artifact that cannot run here, by the rules of ``fitting``.

    Raises:
        HostError: something lacks; all of it is named.
    """
    if lacks := misfits(artifact, facts):
        raise HostError(
            f"{artifact.target} {artifact.version} does not run on this host: {'; '.join(lacks)}",
            hint="choose another target or version, or --no-check-host to install it for another machine",
        )


def check_space(layers: Iterable[Layer], *, folder: Path, host: HostProbe, written_bytes: int = 0) -> None:
    """Refuse to begin what the disk cannot hold: all files, and the archives until they are unpacked.

    ``written_bytes`` are written beside the files of the layers.

    Raises:
        NoSpaceError: there is too little; both figures are named.
    """
    missing = tuple(layers)
    if not missing and not written_bytes:
        return
    needed = (
        written_bytes
        + sum(layer.installed_size for layer in missing)
        + sum(layer.size for layer in missing)
        + _SPARE_BYTES
    )
    hint = "free some space (`gc` removes old generations), or choose another root"
    require_space(folder, needed, host=host, hint=hint)
