"""Everything that touches the world, as Protocols, and the bundle of services that stages are given.

Only ``pipeline.system`` implements these; tests use the real thing on loopback, or tests/simulators.
"""

from pipeline.ports.attestation import AttestationVerifier
from pipeline.ports.commands import Command, CommandOutcome, CommandRunner, RunningCommand
from pipeline.ports.compiler_cache import CompilerCacheChoice
from pipeline.ports.drills import DrillGround
from pipeline.ports.environments import CondaTool
from pipeline.ports.files import Archiver, BinaryInspector, Disk, KeyFiles, LayerReader, TreeReader
from pipeline.ports.host import Clock, HostProbe
from pipeline.ports.network import (
    Downloader,
    DownloadRequest,
    EventStream,
    FolderServer,
    HttpAnswer,
    LoopbackHttp,
    PackageIndex,
)
from pipeline.ports.pictures import PictureMaker
from pipeline.ports.placed_tree import PlacedTree
from pipeline.ports.releases import ApiDocument, ReleaseApi, RemoteHasher
from pipeline.ports.services import Reporting, Running, Services
from pipeline.ports.space import require_space
from pipeline.ports.store import Store

__all__ = [
    "ApiDocument",
    "Archiver",
    "AttestationVerifier",
    "BinaryInspector",
    "Clock",
    "Command",
    "CommandOutcome",
    "CommandRunner",
    "CompilerCacheChoice",
    "CondaTool",
    "Disk",
    "DownloadRequest",
    "Downloader",
    "DrillGround",
    "EventStream",
    "FolderServer",
    "HostProbe",
    "HttpAnswer",
    "KeyFiles",
    "LayerReader",
    "LoopbackHttp",
    "PackageIndex",
    "PictureMaker",
    "PlacedTree",
    "ReleaseApi",
    "RemoteHasher",
    "Reporting",
    "Running",
    "RunningCommand",
    "Services",
    "Store",
    "TreeReader",
    "require_space",
]
