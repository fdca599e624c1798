"""Turns compiled files into a layer: strips them, keeps what was stripped apart, adds licenses, packs the tree."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pipeline.builders.separating import SEPARATIONS
from pipeline.errors import BuildError, UsageError
from pipeline.events import StepProgress
from pipeline.make.outputs import Outputs, Results, made
from pipeline.make.packing import pack_layer
from pipeline.make.part_versions import read_versions
from pipeline.ports import Command

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from pipeline.builders.separating import Separation
    from pipeline.model.actions import MakeLayer
    from pipeline.model.recipe import LicenseFile
    from pipeline.ports import Services

_STRIP_TIMEOUT_SECONDS = 300


def make_layer(action: MakeLayer, step: str, services: Services, results: Results, work: Path) -> Outputs:
    """Make a layer and, beside it, one with the debug files.

    Debug files lie where debuggers look for them, as ``builders.separating`` says.

    Raises:
        BuildError: a program that separates failed.
        UsageError: a license text or a version is not where the recipe says.
    """
    compiled = results[action.compiled].trees["compiled"]
    services.store.verify_tree(compiled)
    layer_dir, debug_dir = work / "layer", work / "debug"
    shutil.copytree(services.store.tree_path(compiled), layer_dir, symlinks=True)
    separation = SEPARATIONS[action.separation or "gnu"]
    files = sorted(path for path in layer_dir.rglob("*") if path.is_file() and not path.is_symlink())
    for done, path in enumerate(files):
        services.events.emit(StepProgress(step, done, len(files), "files", path.name))
        card = services.binaries.inspect(path)
        if card is not None and separation.applies(card):
            kept = separation.debug.replace("{name}", path.name)
            _separate(path, debug_dir / path.parent.relative_to(layer_dir) / kept, separation, services, work)
    source = results[action.source].trees["source"]
    if action.licenses:
        services.store.verify_tree(source)
    source_dir = services.store.tree_path(source)
    for text in action.licenses:
        _write_license(text, source_dir, layer_dir / "licenses")
    services.events.emit(StepProgress(step, len(files), len(files), "files", "packing"))
    packed = pack_layer(layer_dir, action, step, services=services, work=work)
    trees, blobs = {"layer": packed.tree}, {"layer": packed.archive}
    if any(path.is_file() for path in debug_dir.rglob("*")):
        debug = pack_layer(debug_dir, action, step, services=services, work=work, name=f"{action.layer_name}-debug")
        trees["debug"], blobs["debug"] = debug.tree, debug.archive
    facts: dict[str, JsonValue] = {
        "name": action.layer_name,
        "role": action.role,
        "part_versions": {**read_versions(action.licenses, source_dir)},
    }
    return made(trees=trees, blobs=blobs, facts=facts, summary=packed.summary)


def _separate(path: Path, debug: Path, separation: Separation, services: Services, work: Path) -> None:
    """Move symbols of a binary to a file of their own, which the binary leads to."""
    debug.parent.mkdir(parents=True, exist_ok=True)
    stripped = work / "stripped"
    for name, *arguments in separation.argvs(name=path.name, debug=str(debug), stripped=str(stripped)):
        _run(services, path, name, arguments)
    if stripped.exists():
        shutil.copymode(path, stripped)
        stripped.replace(path)
    if debug.is_file():
        debug.chmod(0o644)


def _run(services: Services, path: Path, name: str, arguments: list[str]) -> None:
    tool = services.host.tool(name)
    if tool is None:
        raise BuildError(f"{name} was there when the plan was made and is gone now", hint="install it and run again")
    kept = {name: value for name, value in services.base_env.items() if name in {"PATH", "DEVELOPER_DIR"}}
    env = {"PATH": "", **kept, "LC_ALL": "C"}
    command = Command((tool.path, *arguments), cwd=path.parent, env=env, timeout_seconds=_STRIP_TIMEOUT_SECONDS)
    outcome = services.commands.run(command)
    if outcome.exit_code != 0:
        said = outcome.tail[-1] if outcome.tail else "it said nothing"
        raise BuildError(f"{name} of {path.name} failed: {said}", hint="see docs/errors/build.md")


def _write_license(text: LicenseFile, source_dir: Path, folder: Path) -> None:
    path = source_dir / text.path
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(
            f"license of {text.name}: the source has no {text.path}", hint="correct [[licenses]] in the engine's recipe"
        ) from error
    lines = content.splitlines()
    first = _find(lines, text.begin, 0, text)
    last = _find(lines, text.end, first, text) if text.end else len(lines) - 1
    folder.mkdir(exist_ok=True)
    (folder / f"{text.name}.txt").write_text("\n".join(lines[first : last + 1]).strip("\n") + "\n", encoding="utf-8")


def _find(lines: list[str], wanted: str | None, start: int, text: LicenseFile) -> int:
    if wanted is None:
        return 0
    for number in range(start, len(lines)):
        if wanted in lines[number]:
            return number
    raise UsageError(
        f"license of {text.name}: {text.path} has no line with {wanted!r}",
        hint="correct [[licenses]] in the engine's recipe",
    )
