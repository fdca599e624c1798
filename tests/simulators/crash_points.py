"""Every point at which a change of an installation may die, tried one after another."""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.deploy.layout import Layout
from pipeline.deploy.verify import verify
from tests.simulators.dying import dies_before

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulators.engine_world import World


@contextmanager
def in_memory() -> Iterator[Path]:
    """Give a folder for hundreds of copies: in memory where the system has a place for that."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="crash-points-", dir=memory if memory.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def running(root: Path) -> bytes | None:
    """Return what the current program says, None when nothing is installed."""
    pointer = root / "current/llama.cpp.json"
    if not pointer.exists():
        return None
    return (root / json.loads(pointer.read_text())["tree"] / "bin/llama-server").read_bytes()


def whole(world: World, root: Path) -> bool:
    services = world.services(world.folder / "verifier")
    return verify(root, services, disk=world.disk).ok and not list(Layout(root).staging_dir.iterdir())


def for_every_point(
    world: World, start: Path | None, action: Callable[[Path], object], check: Callable[[Path, int], None]
) -> int:
    """Let a copy of ``start`` die before each change that ``action`` makes; return how many there are."""
    root = world.folder / "dying"
    for number in range(1, 1000):
        shutil.rmtree(root, ignore_errors=True)
        if start is not None:
            shutil.copytree(start, root, symlinks=True)
        died = dies_before(number, lambda: action(root))
        check(root, number)
        if not died:
            return number - 1
    raise AssertionError("the action makes more changes than this test expects")
