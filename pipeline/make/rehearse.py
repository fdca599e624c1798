"""Makes the layers of a rehearsal: the same bytes each time, and no engine in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.make.outputs import Outputs, made
from pipeline.make.packing import pack_layer

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.rehearsal_actions import RehearseLayer
    from pipeline.ports import Services

_FOLDER = "rehearsal"


def rehearse_layer(action: RehearseLayer, step: str, services: Services, work: Path) -> Outputs:
    """Make a layer, and one for debug files beside it where the real one has that.

    Whoever starts a program of it on Linux or macOS is told what it is, and it ends with 1; on Windows it is no program
    at all.
    """
    layer_dir, debug_dir = work / "layer", work / "debug"
    _write_text(layer_dir / _FOLDER / f"{action.layer_name}.txt", f"{_said(action, action.layer_name)}\n")
    for path in action.programs:
        place = layer_dir / path
        _write_text(place, f'#!/bin/sh\necho "{path}: {_said(action, action.layer_name)}" >&2\nexit 1\n')
        place.chmod(0o755)
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    trees, blobs = {"layer": packed.tree}, {"layer": packed.archive}
    if action.with_debug:
        name = f"{action.layer_name}-debug"
        _write_text(debug_dir / _FOLDER / f"{name}.txt", f"{_said(action, name)}\n")
        debug = pack_layer(debug_dir, action, step, services=services, work=work, name=name)
        trees["debug"], blobs["debug"] = debug.tree, debug.archive
    facts = {"name": action.layer_name, "role": action.role}
    return made(trees=trees, blobs=blobs, facts=facts, summary="no engine is in it")


def _said(action: RehearseLayer, layer_name: str) -> str:
    return f"a rehearsal of layer {layer_name} of {action.stands_for}; there is no engine in it"


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    path.chmod(0o644)
