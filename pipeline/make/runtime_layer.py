"""Turns a vendor's runtime libraries into a layer that no release of an engine changes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.builders.libraries import digest_of_files, license_files, runtime_files
from pipeline.errors import IntegrityError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, Results, made, verified_tree
from pipeline.make.packing import pack_layer
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from pipeline.model.toolkit_actions import MakeRuntimeLayer
    from pipeline.ports import Services


def make_runtime_layer(
    action: MakeRuntimeLayer, step: str, services: Services, results: Results, work: Path
) -> Outputs:
    """Copy the libraries to ``bin/``, where a plug-in beside them finds them, and the license texts to ``licenses/``.

    GPU code that lies in files of its own keeps its folders below ``bin/``, where the libraries look for it.

    Raises:
        HostError: the toolkit has nothing that a glob of the recipe names, no license text, or no code for a GPU.
        IntegrityError: the system's libraries changed since the plan was made, or the stored toolkit did.
    """
    top = _toolkit_dir(action, services, results)
    files = runtime_files(top, action.libraries, action.architectures)
    layer_dir = work / "layer"
    copied: dict[str, Path] = {}
    for done, (place, path) in enumerate(files.items()):
        services.events.emit(StepProgress(step, done, len(files), "files", path.name))
        destination = layer_dir / "bin" / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)  # links are followed: what is loaded is called as it is asked for
        destination.chmod(0o644 if "/" in place else 0o755)
        copied[place] = destination
    texts = license_files(top, action.libraries)
    both = {**copied, **{str(path.relative_to(top)): path for path in texts}}
    if action.system_sha256 is not None and digest_of_files(both) != action.system_sha256:
        raise IntegrityError(
            f"the runtime libraries of {action.title} in {top} changed since the plan was made", hint="run again"
        )
    for path in texts:
        destination = layer_dir / "licenses" / action.layer_name / path.relative_to(top).as_posix().replace("/", "-")
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        destination.chmod(0o644)
    libraries = sum("/" not in place for place in files)
    code = f", {counted(len(files) - libraries, 'file')} of GPU code" if len(files) > libraries else ""
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={"name": action.layer_name, "role": action.role},
        summary=f"{counted(libraries, 'library', 'libraries')}{code}, {packed.summary}",
    )


def _toolkit_dir(action: MakeRuntimeLayer, services: Services, results: Results) -> Path:
    if action.toolkit is None:
        return Path(str(action.toolkit_dir))
    return verified_tree(results[action.toolkit].trees["toolkit"], services)
