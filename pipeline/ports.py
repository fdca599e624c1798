"""Everything that touches the world, as Protocols, and the bundle of services that stages are given.

Only ``pipeline.system`` implements these; tests use the real thing on loopback, or tests/simulators.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.events import EventSink
    from pipeline.model.binary import BinaryCard
    from pipeline.model.host import HostFacts, Tool
    from pipeline.model.result import BlobRef, StepResult, TreeRef
    from pipeline.model.tree import Tree


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """One file to bring.

    Attributes:
        what: for messages, for example ``source of llama.cpp b11434``.
        urls: tried in order: https, http (loopback or allowed hosts), file.
        sha256: lower-case hex that the bytes must have.
        size_bytes: that the file must have; None where only the digest is known.
        filename: to call it.
    """

    what: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int | None
    filename: str


class Downloader(Protocol):
    """Brings bytes from elsewhere, verified, resumable, never wholly in memory."""

    def fetch(self, request: DownloadRequest, *, progress: Callable[[int, int | None], None] | None = None) -> BlobRef:
        """Return the file from the store, after downloading it when it is not there.

        Raises:
            OfflineError: it is not in the store and the network is forbidden.
            NetworkError: no url answered.
            IntegrityError: the bytes are not what was pinned; nothing is kept.
            NoSpaceError: the disk is full; the partial file is kept.
        """
        ...

    def read_small(self, url: str, *, limit_bytes: int) -> bytes | None:
        """Return a small document (https, http, file), or None when the server says that there is none (404).

        Raises:
            OfflineError, NetworkError: as for fetch.
            IntegrityError: it is longer than ``limit_bytes``.
        """
        ...


class PackageIndex(Protocol):
    """A Python package index as pip is configured on this machine; no index host is named in this project."""

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        """Return where a file of a project can be had.

        Raises:
            NetworkError: no configured index answered.
            IntegrityError: the index answered with something that is no index page.
            NothingSelectedError: no configured index has that file.
            OfflineError: the network is forbidden.
        """
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A program to run.

    Attributes:
        argv: program and arguments; no shell.
        cwd: where.
        env: the whole environment, nothing is inherited.
        timeout_seconds: after which it is killed with its children; None waits.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """What came of a command.

    Attributes:
        exit_code: negative is the signal that ended it.
        tail: its last lines (stdout and stderr as they came), at most 200.
        seconds: wall time.
    """

    exit_code: int
    tail: tuple[str, ...]
    seconds: float


class RunningCommand(Protocol):
    """A program that runs beside this process."""

    def exit_code(self) -> int | None:
        """Return None while it runs."""
        ...

    def output(self) -> tuple[str, ...]:
        """Return its last lines so far, at most 200."""
        ...

    def stop(self, *, grace_seconds: float) -> int:
        """Ask it to end, kill it and its children after ``grace_seconds``; return the exit code (negative: signal)."""
        ...


class CommandRunner(Protocol):
    """Runs programs; children never outlive this process's interruption."""

    def run(
        self,
        command: Command,
        *,
        log_path: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> CommandOutcome:
        """Run to the end; each output line goes to ``on_line`` and is appended to ``log_path``.

        Raises:
            HostError: the program does not exist or may not be run.
        """
        ...

    def start(self, command: Command, *, log_path: Path | None = None) -> RunningCommand:
        """Start a server; the caller stops it."""
        ...


class Store(Protocol):
    """Content-addressed files and trees, and the results of steps, under one cache folder."""

    def has_blob(self, sha256: str) -> bool:
        """Tell whether a file is there (its name is its digest)."""
        ...

    def open_blob(self, blob: BlobRef) -> AbstractContextManager[BinaryIO]:
        """Open a file for reading; the bytes are checked as they are read to the end.

        Raises:
            IntegrityError: raised on reaching the end when they changed; the file is set aside.
        """
        ...

    def copy_blob(self, blob: BlobRef, destination: Path) -> None:
        """Write a verified copy: under a temporary name first, renamed when complete; mode 0644.

        Raises:
            IntegrityError: the stored bytes changed; the file is set aside and nothing is written.
            NoSpaceError: nothing is left at the destination.
        """
        ...

    def add_blob(self, path: Path, *, filename: str) -> BlobRef:
        """Move a finished file into the store (same file system or copied); return its digest and size."""
        ...

    def drop_blob(self, sha256: str) -> None:
        """Remove a file; one that is not there is no error."""
        ...

    def has_tree(self, sha256: str) -> bool:
        """Tell whether a tree is there."""
        ...

    def tree_path(self, tree: TreeRef) -> Path:
        """Return the folder of a tree, read only by convention.

        Raises:
            IntegrityError: it is not there.
        """
        ...

    def add_tree(self, folder: Path) -> TreeRef:
        """Move a folder into the store; file modes become 0755 or 0644. A tree that is there already stays."""
        ...

    def verify_tree(self, tree: TreeRef) -> None:
        """Read every file of a tree again.

        Raises:
            IntegrityError: it changed; the tree is set aside and the first changed file is named.
        """
        ...

    def result(self, key: str) -> StepResult | None:
        """Return a step's result if all its outputs are still there."""
        ...

    def put_result(self, result: StepResult) -> None:
        """Keep a step's result; written last and at once."""
        ...

    def work_dir(self, name: str, *, keep: bool = False) -> AbstractContextManager[Path]:
        """Give a work folder to one owner at a time (other processes wait).

        With ``keep`` the folder has a stable path for ``name``, holds what an interrupted run left, and is removed
        only by ``drop_work_dir``; without, it is empty and removed at the end.
        """
        ...

    def drop_work_dir(self, name: str) -> None:
        """Remove a kept work folder."""
        ...

    def log_path(self, name: str) -> Path:
        """Return where a log of that name is kept for people; its folder exists."""
        ...


class Archiver(Protocol):
    """Deterministic archives, and the one way of unpacking any."""

    def pack(self, tree: Path, destination: Path, *, epoch_seconds: int, zstd_level: int) -> None:
        """Write a folder as deterministic ``.tar.zst`` without end-of-archive blocks, so that archives concatenate."""
        ...

    def concatenate(self, parts: Iterable[Path], destination: Path, *, extra: Path, epoch_seconds: int) -> None:
        """Join packed archives and the files of folder ``extra`` into one self-contained ``.tar.zst``."""
        ...

    def unpack(self, archive: Path, destination: Path, *, strip_top: bool = False, subtree: str | None = None) -> int:
        """Unpack into an empty folder after judging the whole list; return the number of files.

        With ``strip_top`` the archive's single top folder is left out; ``subtree`` keeps only that folder's content.

        Raises:
            IntegrityError: the archive is malformed, or has a path, link or type that is refused; nothing is left.
            NoSpaceError: nothing is left.
        """
        ...


class TreeReader(Protocol):
    """Reads folders as values."""

    def scan(self, folder: Path, *, exclude: tuple[str, ...] = ()) -> Tree:
        """Return every file and link of ``folder`` with digests; names in ``exclude`` are left out at its top.

        Raises:
            IntegrityError: it holds something that is neither file, link nor folder, or a name that is no clean UTF-8.
        """
        ...


class BinaryInspector(Protocol):
    """Reads executables and shared libraries."""

    def inspect(self, path: Path) -> BinaryCard | None:
        """Return what a binary says of itself, None for any other file."""
        ...


class HostProbe(Protocol):
    """Looks at the machine."""

    def facts(self) -> HostFacts:
        """Return what is known without starting any program."""
        ...

    def tool(self, name: str, *, minimum: str | None = None) -> Tool | None:
        """Return a tool of at least that version, the system's before the packaged one; None when there is neither."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Return the free space for files below ``path`` (or its nearest folder that exists)."""
        ...


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def now_seconds(self) -> int:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A small answer of a server on loopback."""

    status: int
    body: bytes


class LoopbackHttp(Protocol):
    """Talks to a server that this process started on 127.0.0.1, never through a proxy."""

    def free_port(self) -> int:
        """Return a TCP port of 127.0.0.1 that nobody listens on at this moment."""
        ...

    def get(self, port: int, path: str, *, timeout_seconds: float) -> HttpAnswer | None:
        """Return the answer, None when nobody listens or it did not answer in time."""
        ...

    def post_json(
        self, port: int, path: str, body: Mapping[str, object], *, timeout_seconds: float
    ) -> HttpAnswer | None:
        """Post a JSON document; as ``get``."""
        ...


class Disk(Protocol):
    """Changes to folders that survive a crash, one step a call; whoever replaces it can stop between any two.

    Each call raises HostError where the place cannot be written, NoSpaceError where the disk is full.
    """

    def make_dirs(self, path: Path, *, durable: bool = True) -> None:
        """Make a folder and those above it; one that is there is no error.

        ``durable`` syncs the parent of each new one; staging folders, which ``sync`` covers later, go without.
        """
        ...

    def write_file(self, path: Path, data: bytes) -> None:
        """Write a new file, not yet synced: for staging folders."""
        ...

    def replace_file(self, path: Path, data: bytes, *, staging_dir: Path) -> None:
        """Write, sync and rename over ``path``: a reader sees the old or the new bytes, also after a crash.

        ``staging_dir`` is on the same file system and holds the temporary file.
        """
        ...

    def copy_file(self, source: Path, destination: Path) -> tuple[str, int]:
        """Copy to a new file, not yet synced; return sha256 and size of the bytes that were written."""
        ...

    def link_file(self, source: Path, destination: Path) -> None:
        """Make a hard link, or a copy where links are impossible."""
        ...

    def link_symbolic(self, target: str, path: Path) -> None:
        """Make a symbolic link at ``path``."""
        ...

    def sync(self, folder: Path) -> None:
        """Bring everything below ``folder`` to the disk, with one call where the system has one."""
        ...

    def move(self, source: Path, destination: Path) -> None:
        """Rename a file or a folder to a name that is free, and sync both parents.

        Raises:
            FileExistsError: the name is taken.
        """
        ...

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder; one that is not there is no error."""
        ...

    def lock(self, path: Path, *, waiting: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Hold a lock that ends with the process; ``waiting`` is called once when somebody else holds it."""
        ...


class KeyFiles(Protocol):
    """Files with private keys."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder that only its owner can enter.

        Raises:
            HostError: it cannot be made.
        """
        ...

    def create(self, path: Path, data: bytes) -> None:
        """Write a new file that only its owner can read (mode 0600, never over a file that is there).

        Raises:
            UsageError: the file is there already.
            HostError: it cannot be written.
        """
        ...

    def read(self, path: Path) -> bytes:
        """Return a private file's bytes.

        Raises:
            TrustError: others can read it, or it is no plain file.
            UsageError: it is not there.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """What stages are given to touch the world with.

    Attributes:
        jobs: how many compilers or downloads may run at once.
        compiler_cache_dir: where compiled objects are kept for later builds, None to keep none.
        base_env: what children may inherit of this process's environment.
        offline: whether the network is forbidden.
    """

    downloader: Downloader
    index: PackageIndex
    commands: CommandRunner
    store: Store
    archiver: Archiver
    trees: TreeReader
    binaries: BinaryInspector
    host: HostProbe
    clock: Clock
    loopback: LoopbackHttp
    events: EventSink
    jobs: int
    compiler_cache_dir: Path | None = None
    base_env: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
