"""Makes what serving and drilling mirrors need beyond the services of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.ports import DrillGround, FolderServer


def drill_ground() -> DrillGround:
    """Return where a drill takes place."""
    from pipeline.system.drill_ground import IsolatedGround

    return IsolatedGround()


def folder_server() -> FolderServer:
    """Return what serves mirrors over http and https."""
    from pipeline.system.mirror_server import MirrorServer

    return MirrorServer()
