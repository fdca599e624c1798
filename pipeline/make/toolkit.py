"""Makes a toolkit out of packages: one folder that compiles, the same on every machine."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.stubs import make_stub
from pipeline.make.wheel_layer import unpack_wheel
from pipeline.make.wheel_unpacking import LayerTree
from pipeline.model.counts import counted, sized

if TYPE_CHECKING:
    from pipeline.model.toolkit_actions import MakeToolkit
    from pipeline.ports import Services

_PYTHON = "3"  # wheels of toolkits are for any; their files lie in lib/python3/site-packages
_LICENSES = "licenses"
_LICENSE_TEXTS = "LICEN[CS]E*"  # where a wheel was made before PEP 639


def make_toolkit(action: MakeToolkit, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Lay the files of a toolkit's packages over each other, link what is linked, make what the driver has.

    The license texts of each package lie in ``licenses/<project>/``.

    Raises:
        IntegrityError: a package is damaged, or two of them have different files in one place.
        BuildError: a stub library could not be compiled.
        HostError: there is no C compiler.
    """
    packaged = action.packaged
    unpacked = LayerTree(work / "unpacked", python=_PYTHON)
    for done, wheel in enumerate(packaged.wheels):
        services.events.emit(StepProgress(step, done, len(packaged.wheels), "files", wheel.filename))
        blob = results[action.fetched].blobs[wheel.filename]
        path = work / wheel.filename
        services.store.copy_blob(blob, path)
        unpack_wheel(path, wheel, unpacked)
        path.unlink()
    top = work / "toolkit"
    site_packages = unpacked.folder / "lib" / f"python{_PYTHON}" / "site-packages"
    for glob in packaged.roots:
        for root in sorted(site_packages.glob(glob)):
            _lay(root, top, packaged.exclude)
    for dist_info in sorted(site_packages.glob("*.dist-info")):
        licenses = top / _LICENSES / dist_info.name.partition("-")[0]
        _lay(dist_info / "licenses", licenses, ())
        for text in sorted(dist_info.glob(_LICENSE_TEXTS)):
            licenses.mkdir(parents=True, exist_ok=True)
            text.replace(licenses / text.name)
    if packaged.prefix:
        _lay(unpacked.folder, top, (f"lib/python{_PYTHON}/*", *packaged.exclude))
    for name, leads_to in packaged.links.items():
        link = top / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not (link.parent / leads_to).exists():
            raise IntegrityError(
                f"{action.title} {packaged.version} has no {leads_to} for the link {name}",
                hint="correct links in the accelerator's recipe",
            )
        link.symlink_to(leads_to)
    for name, stub in packaged.stubs.items():
        make_stub(top / name, stub, services, work)
    tree = services.store.add_tree(top)
    return made(
        trees={"toolkit": tree},
        facts={"version": packaged.version},
        summary=f"{counted(len(packaged.wheels), 'package')}, {sized(tree.size_bytes)}",
    )


def _lay(root: Path, top: Path, exclude: tuple[str, ...]) -> None:
    """Move the files below a folder to the same places below another.

    Raises:
        IntegrityError: there is another file in one of these places.
    """
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            relative = path.relative_to(root).as_posix()
            if any(fnmatchcase(relative, glob) for glob in exclude):
                continue
            place = top / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists() and place.read_bytes() != path.read_bytes():
                raise IntegrityError(
                    f"two packages of the toolkit have different files at {relative}",
                    hint="the packages are of different versions: correct them in the accelerator's recipe",
                )
            path.replace(place)
