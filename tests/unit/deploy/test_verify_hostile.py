"""Whatever lies in a folder, and whatever happens to it meanwhile, is a finding: nothing crashes and nothing waits."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.deploy import hashing
from pipeline.deploy.comparing import FileComparison, ListedFile
from pipeline.deploy.hashing import NotWhatItWasError, hash_each, hash_file
from pipeline.deploy.verify import verify
from pipeline.digest import sha256_bytes
from pipeline.errors import TrustError
from pipeline.events import StepProgress
from pipeline.model.verification import VerifyReport
from tests.simulators.engine_world import World

BLOB = "blobs/ab/" + "ab" * 32


@pytest.fixture(autouse=True)
def _ends() -> Iterator[None]:
    """Turn waiting for a pipe into a failure."""

    def late(*_: object) -> None:
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def check(world: World, path: Path, *, jobs: int = 2) -> VerifyReport:
    services = dataclasses.replace(world.services(world.folder / "verifier"), jobs=jobs)
    return verify(path, services, disk=world.disk)


def states(report: VerifyReport) -> dict[str, str]:
    return {finding.path: finding.state for finding in report.findings}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket may have 107 bytes
        server.bind(path.name)
        os.chdir(before)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    except PermissionError:
        pytest.skip("only root can make devices")


SPECIAL = [pipe, link, listening, device]


@pytest.mark.parametrize("make", SPECIAL)
def test_a_special_file_in_place_of_one_of_a_repository(published: World, make: Callable[[Path], None]):
    artifact = json.loads((published.repository / "manifest.json").read_text())["artifacts"][0]
    for name in ("manifest.json", "metadata/7.targets.json", BLOB, artifact["url"]):
        path = published.repository / name
        path.parent.mkdir(exist_ok=True)
        kept = path.rename(published.folder / "kept") if path.exists() else None
        make(path)
        assert states(check(published, published.repository)) == {name: "changed"}
        path.unlink()
        if kept is not None:
            kept.rename(path)
    path = published.repository / "metadata/1.targets.json"
    path.unlink()
    make(path)
    with pytest.raises(TrustError):  # what a client needs first is refused before anything is compared
        check(published, published.repository)


@pytest.mark.parametrize("make", SPECIAL)
def test_a_special_file_that_nobody_listed(published: World, make: Callable[[Path], None]):
    tree = Path(published.install().path)
    for folder in (published.repository, tree, published.folder / "dist"):
        make(folder / "special")
    assert states(check(published, published.repository)) == {"special": "unexpected"}
    assert states(check(published, published.folder / "dist")) == {"special": "unexpected"}
    report = check(published, published.root)
    assert states(report) == {"generations/llama.cpp/1/tree/special": "unexpected"}
    assert report.findings[0].detail == "it is no plain file"


@pytest.mark.parametrize("make", SPECIAL)
@pytest.mark.parametrize(
    "name",
    [
        "current/llama.cpp.json",
        "generations/llama.cpp/1/generation.json",
        "generations/llama.cpp/1/generation.sha256",
        "generations/llama.cpp/1/tree/bin/llama-server",
    ],
)
def test_a_special_file_in_place_of_one_of_an_installation(published: World, make: Callable[[Path], None], name: str):
    published.install()
    (published.root / name).unlink()
    make(published.root / name)
    named = name.replace("generation.sha256", "generation.json")  # of which it is the digest
    assert states(check(published, published.root))[named] == "changed"


def test_names_that_are_no_text_or_would_move_the_cursor(published: World):
    folder = os.fsencode(published.repository)
    for name in (b"\xff\xfe", b"\x1b[2Jgone", "left\u202eright".encode(), b"a\nb", b"n" * 255):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    found = states(check(published, published.repository))
    assert found == dict.fromkeys((r"\xff\xfe", r"\x1b[2Jgone", r"left\u202eright", r"a\nb", "n" * 255), "unexpected")


def test_a_path_that_is_longer_than_the_system_takes(published: World):
    deep = os.open(published.repository, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=deep)
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deep))
    os.close(deep)
    (finding,) = check(published, published.repository).findings
    assert (finding.state, finding.path[:5]) == ("changed", "ddddd")
    assert finding.detail.startswith("it cannot be read: ")
    shutil.rmtree(published.repository)


def test_what_this_user_may_not_read_is_named(world: World):
    folder = Path(tempfile.mkdtemp(prefix="verify-"))  # pytest's own folders are closed to others
    try:
        (folder / "closed").mkdir()
        for name in ("open", "secret", "closed/file"):
            (folder / name).write_bytes(b"x")
        folder.chmod(0o755)
        (folder / "secret").chmod(0)
        (folder / "closed").chmod(0)
        assert as_nobody(lambda: compared(folder, "open", "secret", "closed/file", "gone")) == {
            "secret": "changed",
            "closed/file": "changed",
            "closed": "changed",
            "gone": "missing",
        }
    finally:
        (folder / "closed").chmod(0o755)
        shutil.rmtree(folder)


def compared(folder: Path, *names: str) -> dict[str, str]:
    comparison = FileComparison(jobs=2)
    list(comparison.walk(folder))
    comparison.compare_files(ListedFile(folder / name, name, sha256_bytes(b"x"), 1) for name in names)
    return {finding.path: finding.state for finding in comparison.findings}


def as_nobody(action: Callable[[], dict[str, str]]) -> dict[str, str]:
    """Return what ``action`` returns to a user without rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writing, json.dumps(action()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        found = json.loads(stream.read())
    os.waitpid(child, 0)
    return found


def test_two_names_of_one_file_are_judged_each_by_its_own_digest(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    comparison = FileComparison(jobs=2)
    comparison.compare_files(
        [
            ListedFile(tmp_path / "a", "a", sha256_bytes(b"x"), 1),
            ListedFile(tmp_path / "b", "b", sha256_bytes(b"y"), 1),
        ]
    )
    assert [(finding.path, finding.state) for finding in comparison.findings] == [("b", "changed")]
    assert (comparison.verified, comparison.bytes_read) == (1, 1)


def test_a_file_that_has_another_size_is_not_read(tmp_path: Path):
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 40)  # hours of reading
    comparison = FileComparison(jobs=2)
    comparison.compare_files([ListedFile(tmp_path / "sparse", "sparse", "0" * 64, 1)])
    assert comparison.bytes_read == 0
    assert [finding.state for finding in comparison.findings] == ["changed"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda path: path.open("ab").write(b"more"), "it grew while it was read"),
        (lambda path: os.truncate(path, 0), "it shrank while it was read"),
    ],
)
def test_a_file_that_changes_its_size_while_it_is_read(tmp_path: Path, change: Callable[[Path], object], fault: str):
    path = tmp_path / "file"
    path.write_bytes(bytes(3 << 20))
    with pytest.raises(NotWhatItWasError, match=fault):
        hash_file(str(path), on_read=lambda _: change(path))


def test_a_file_that_somebody_keeps_writing_to_is_left_at_the_size_it_had(tmp_path: Path):
    path = tmp_path / "log"
    path.write_bytes(bytes(2 << 20))
    read: list[int] = []

    def append(size: int) -> None:
        read.append(size)
        with path.open("ab") as stream:
            stream.write(bytes(size))

    with pytest.raises(NotWhatItWasError):
        hash_file(str(path), on_read=append)
    assert sum(read) <= 2 << 20


def test_a_file_that_goes_before_it_is_opened_is_missing(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x")

    def places() -> Iterator[tuple[str, int]]:
        yield str(path), 1
        path.unlink()

    comparison = FileComparison()
    comparison.read_ahead(places())
    assert not comparison.compare_file(path, name="file", sha256=sha256_bytes(b"x"), size_bytes=1)
    assert [(finding.path, finding.state) for finding in comparison.findings] == [("file", "missing")]


def test_a_file_that_is_written_to_while_it_is_read_is_changed(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(bytes(20 << 20))

    def scribble(*_: int) -> None:
        with path.open("r+b") as stream:
            stream.seek(-1, os.SEEK_END)
            stream.write(b"x")

    comparison = FileComparison(jobs=2, progress=scribble)
    comparison.compare_files([ListedFile(path, "file", sha256_bytes(bytes(20 << 20)), 20 << 20)])
    assert [(finding.path, finding.state) for finding in comparison.findings] == [("file", "changed")]


def test_a_file_that_was_replaced_after_it_was_read_is_read_again(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    comparison = FileComparison()
    comparison.read_ahead([(str(path), 1)])
    path.unlink()
    path.write_bytes(b"y")
    assert not comparison.compare_file(path, name="file", sha256=sha256_bytes(b"x"), size_bytes=1)


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_each_byte_is_read_once_whatever_the_number_of_threads(published: World, jobs: int):
    published.build("b2")
    published.publish()
    report = check(published, published.repository, jobs=jobs)
    files = [p for p in published.repository.rglob("*") if p.is_file() and p.parent != published.repository]
    assert report.bytes_read == sum(p.stat().st_size for p in files)
    assert report.by_folder["blobs"].size_bytes == sum(p.stat().st_size for p in files if "blobs" in p.parts)
    assert report.ok


def test_progress_is_told_in_bytes_up_to_the_last(published: World):
    (published.repository / BLOB).parent.mkdir(exist_ok=True)
    (published.repository / BLOB).write_bytes(bytes(20 << 20))
    services = dataclasses.replace(published.services(published.folder / "verifier"), jobs=2)
    verify(published.repository, services, disk=published.disk)
    told = [e for e in services.events.events if isinstance(e, StepProgress) and e.step == "verify"]
    assert len(told) >= 3
    assert [event.done for event in told] == sorted(event.done for event in told)
    assert told[-1].done == told[-1].total > 20 << 20


def test_an_interruption_stops_every_thread_at_its_next_piece(tmp_path: Path):
    sizes = {}
    for number in range(8):
        path = tmp_path / str(number)
        with path.open("wb") as stream:
            stream.truncate(1 << 40)  # hours of reading
        sizes[str(path)] = 1 << 40
    both_read, seen = threading.Barrier(2), set()

    def interrupt(_: int) -> None:
        if (thread := threading.get_ident()) in seen:
            return
        seen.add(thread)
        if both_read.wait(30) == 0:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        hash_each(sizes, jobs=2, on_read=interrupt)
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(30)
            assert not thread.is_alive()


def test_small_amounts_start_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    asked: list[int] = []
    original = hashing.in_parallel
    monkeypatch.setattr(hashing, "in_parallel", lambda *args, jobs: asked.append(jobs) or original(*args, jobs=jobs))
    hash_each({str(tmp_path / "a"): 1, str(tmp_path / "b"): 1}, jobs=8)
    assert asked == [1]
