"""Turns some files of an archive of upstream's into a layer, their bytes untouched."""

from __future__ import annotations

import posixpath
import shutil
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.errors import IntegrityError, ProofError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.model.counts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pipeline.model.archive_actions import SplitLayer
    from pipeline.model.tree import TreeEntry
    from pipeline.ports import Services

_PROGRAM_SUFFIX = ".exe"  # zip archives made on Windows carry no modes


def split_layer(action: SplitLayer, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Make a layer of the files of an archive that match; they lie in ``bin/``, license texts in ``licenses/``.

    The archive may have them in a folder of any depth (``llama-b10892/``, ``build/bin/``) or in none.

    A vendor's runtime may be left to the system; there is no layer then.

    Raises:
        ProofError: nothing matches: the archive has no such backend inside.
        IntegrityError: the stored archive changed, or has no files.
    """
    archive = results[action.archive]
    source = services.store.tree_path(archive.trees["archive"])
    tree = services.trees.scan(source)
    if tree.sha256 != archive.trees["archive"].sha256:
        services.store.verify_tree(archive.trees["archive"])  # says what changed, and sets the tree aside
    chosen = place(tree.entries, action)
    if not any(path.startswith("bin/") for path in chosen.values()):
        if action.role == "runtime" and action.include:
            return made(summary="nothing: the system brings the runtime")  # the proof sees whether it really does
        name, wanted = str(archive.facts["name"]), ", ".join(action.include) or "any file"
        raise ProofError(
            f"{name} has no {action.layer_name} inside: nothing in it is called {wanted}",
            hint="upstream left it out or renamed it: look into the archive, and correct the accelerator's recipe",
        )
    layer_dir = work / "layer"
    for done, (origin, path) in enumerate(sorted(chosen.items())):
        services.events.emit(StepProgress(step, done, len(chosen), "files", path))
        destination = layer_dir / path
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / origin, destination, follow_symlinks=False)
        if path.lower().endswith(_PROGRAM_SUFFIX):
            destination.chmod(0o755)
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    return made(
        trees={"layer": packed.tree},
        blobs={"layer": packed.archive},
        facts={"name": action.layer_name, "role": action.role},
        summary=f"{counted(len(chosen), 'file')}, {packed.summary}",
    )


def place(entries: Sequence[TreeEntry], action: SplitLayer) -> dict[str, str]:
    """Return path in the archive to path in the layer, for the files that belong to it.

    A license text goes to ``licenses/`` with the core, and to ``licenses/<layer>/`` with any other layer: that of the
    files whose folder it is in, or of the whole archive.

    Raises:
        IntegrityError: the archive has no files but license texts, or two would be one file in the layer.
    """
    licenses = {entry.path for entry in entries if _matches(posixpath.basename(entry.path), action.licenses)}
    programs = [entry.path for entry in entries if entry.path not in licenses]
    if not programs:
        raise IntegrityError("the archive has no files beside license texts", hint="it is not an engine's archive")
    folder = _common_folder(programs)
    texts_dir = "licenses" if action.role == "core" else f"licenses/{action.layer_name}"
    chosen: dict[str, str] = {}
    for path in (*programs, *sorted(licenses)):
        is_text = path in licenses
        name = path.removeprefix(folder) if path.startswith(folder) else posixpath.basename(path)
        if (not action.include or _matches(name, action.include)) and not _matches(name, action.exclude):
            chosen[path] = f"{texts_dir if is_text else 'bin'}/{name}"
    if len(set(chosen.values())) < len(chosen):
        twice = next(path for path in chosen.values() if [*chosen.values()].count(path) > 1)
        raise IntegrityError(f"the archive has two files that would be {twice}", hint="look into the archive")
    return chosen


def _matches(name: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _common_folder(paths: Sequence[str]) -> str:
    """Return the deepest folder that all paths are in, with its slash; empty when that is the top."""
    folders = [path.split("/")[:-1] for path in paths]
    common: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return "".join(f"{part}/" for part in common)
