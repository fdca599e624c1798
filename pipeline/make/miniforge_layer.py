"""Makes the layer of Miniforge's installer, byte for byte as it is published; it travels in a bundle and no further."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packageurl import PackageURL

from pipeline.errors import IntegrityError
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.model.statements import Part

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.environment import MiniforgeInstaller
    from pipeline.model.environment_actions import MakeMiniforgeLayer
    from pipeline.ports import Services

MINIFORGE_DIR = "miniforge"
"""Folder within a bundle."""
CARRIED = f"{MINIFORGE_DIR}/Miniforge3-"
"""What its files begin with: ``install-offline.sh`` runs what is called so, ``finish.py`` lays none of it."""


def make_miniforge_layer(
    action: MakeMiniforgeLayer, step: str, services: Services, results: Results, work: Path
) -> Outputs:
    """Lay the installer into ``miniforge/``, and beside it its digest as the release writes it.

    Raises:
        IntegrityError: the installer is not what was pinned.
    """
    installer = action.installer
    blob = results[action.fetched].blobs.get(installer.filename)
    if blob is None or blob.sha256 != installer.sha256:
        raise IntegrityError(f"{installer.filename} was not brought as it is pinned", hint="this is a bug")
    layer_dir = work / "layer"
    folder = layer_dir / MINIFORGE_DIR
    folder.mkdir(parents=True)
    services.store.copy_blob(blob, folder / installer.filename)
    (folder / f"{installer.filename}.sha256").write_text(f"{installer.sha256}  ./{installer.filename}\n")
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={
            "name": action.layer_name,
            "role": action.role,
            "packages": [_part(installer).model_dump(mode="json")],
        },
        summary=packed.summary,
    )


def _part(installer: MiniforgeInstaller) -> Part:
    """Return the installer as the bill of materials lists it; purl specification, type generic."""
    qualifiers = {
        "checksum": f"sha256:{installer.sha256}",
        "download_url": f"{installer.releases}/{installer.version}/{installer.filename}",
        "file_name": installer.filename,
    }
    purl = PackageURL(type="generic", name="miniforge3", version=installer.version, qualifiers=qualifiers)
    return Part(
        name="miniforge3",
        license=installer.license,
        version=installer.version,
        purl=purl.to_string(),
        sha256=installer.sha256,
    )
