"""install.sh downloading, with each tool that a system may have, from servers that misbehave."""

from __future__ import annotations

import random
import shutil

import pytest

from pipeline.deploy.layout import Layout
from pipeline.deploy.verify import verify
from tests.simulators import http_server as faults
from tests.simulators.engine_world import CPU, LayerFiles, World, core
from tests.simulators.http_server import FaultyServer
from tests.simulators.nginx import PROGRAM, Nginx, free_port
from tests.simulators.shell_installer import BUSYBOX, TOOLS, ShellInstaller, health_of

pytestmark = pytest.mark.skipif(
    shutil.which("dash") is None or shutil.which("busybox") is None,
    reason="needs dash and busybox, which .ci/run installs",
)
DOWNLOADERS = ("curl", "wget", "busybox")
LARGE = LayerFiles("large", {"lib/weights": random.Random(4).randbytes(300_000)})


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture(params=DOWNLOADERS)
def machine(request, tmp_path, server) -> ShellInstaller:
    world = World(tmp_path)
    world.build("b1", layers=(core("b1"), CPU, LARGE), health=health_of("b1"))
    world.publish()
    made = ShellInstaller(world, tmp_path / "out", tmp_path / "root", base_url=server.url("/engines"))
    made.tools = (*TOOLS, "sha256sum", "flock", "curl" if request.param == "curl" else "wget")
    made.busybox_tools = ("wget",) if request.param == "busybox" else ()
    made.generate()
    return made


@pytest.fixture
def large(machine, server) -> tuple[str, bytes]:
    """Serve everything; return path and bytes of the largest archive."""
    for path in sorted((machine.folder / "files").iterdir()):
        server.host(f"/engines/files/{path.name}", path.read_bytes())
    path = max((machine.folder / "files").iterdir(), key=lambda path: path.stat().st_size)
    return f"/engines/files/{path.name}", path.read_bytes()


def impatient(machine: ShellInstaller):
    """Return the machine's programs, where pauses are short."""
    path = machine.path()
    (path / "sleep").write_text('#!/bin/sh\ncase $1 in 60) exec /bin/sleep "$1" ;; *) exec /bin/sleep 0.02 ;; esac\n')
    (path / "sleep").chmod(0o755)
    return path


def whole(machine: ShellInstaller) -> bool:
    report = verify(machine.root, machine.world.services(), disk=machine.world.disk, trusted_root=None)
    return report.ok


def ranges(server: FaultyServer, path: str) -> list[str | None]:
    return [request.get("range") for request in server.requests(path)]


def test_it_downloads_and_installs(machine, server, large):
    machine.ok(path=impatient(machine))
    assert machine.runs() == "core b1"
    assert whole(machine)
    assert not list((machine.root / "downloads").rglob("*.part"))


def test_a_download_that_was_cut_goes_on_where_it_stopped(machine, server, large):
    path, data = large
    server.host(path, data, faults.hang_up_after(100_000), faults.reset_after(120_000))
    machine.ok(path=impatient(machine))
    asked = ranges(server, path)
    assert asked[0] is None
    assert all(text is not None and int(text.removeprefix("bytes=").split("-")[0]) > 0 for text in asked[1:])
    assert whole(machine)


def test_an_interrupted_run_is_gone_on_with_by_the_next_one(machine, server, large):
    path, data = large
    server.host(path, data, *[faults.hang_up_after(50_000)] + [faults.status(503)] * 9)
    code, err = machine.fails(path=impatient(machine))
    assert code == 6
    assert "is kept" in err
    server.resources[path].faults.clear()
    server.resources[path].requests.clear()
    machine.ok(path=impatient(machine))
    assert ranges(server, path) == ["bytes=50000-"]
    assert whole(machine)


def test_a_server_that_ignores_ranges_is_asked_for_the_whole_and_nothing_is_appended(machine, server, large):
    path, data = large
    server.host(
        path, data, faults.hang_up_after(100_000), faults.ignore_range(), faults.ignore_range(), faults.ignore_range()
    )
    machine.ok(path=impatient(machine))
    assert whole(machine)


def test_a_range_that_is_refused_starts_over(machine, server, large):
    path, data = large
    server.host(path, data, faults.hang_up_after(100_000), faults.status(416), faults.status(416))
    machine.ok(path=impatient(machine))
    assert whole(machine)


def test_a_part_of_something_else_is_not_mixed_in(machine, server, large):
    path, _ = large
    part = machine.root / "downloads" / "installer" / f"{path.rpartition('/')[2].removesuffix('.tar.gz')}.part"
    machine.ok("--from", machine.folder)
    shutil.rmtree(machine.root / "generations")
    shutil.rmtree(machine.root / "layers")
    (machine.root / "current" / "llama.cpp.json").unlink()
    for name in ("generations", "layers"):
        (machine.root / name).mkdir()
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"x" * 1000)
    machine.ok(path=impatient(machine))
    assert whole(machine)


@pytest.mark.parametrize("fault", ["wrong", "longer", "shorter", "endless", "html"])
def test_wrong_bytes_are_never_used(machine, server, large, fault):
    path, data = large
    bad = {
        "wrong": faults.other_body(bytes(len(data))),
        "longer": faults.other_body(data + b"more"),
        "shorter": faults.other_body(data[:-1]),
        "endless": faults.endless(),
        "html": faults.other_body(b"<html>sign in</html>"),
    }[fault]
    server.host(path, data, *[bad] * 20)
    code, _ = machine.fails(path=impatient(machine))
    assert code in {6, 7}
    assert code == 7 or fault in {"shorter", "html"}
    assert not Layout(machine.root).engines()
    assert sum(file.stat().st_size for file in machine.root.rglob("*") if file.is_file()) < 3 * len(data)
    server.resources[path].faults.clear()
    machine.ok(path=impatient(machine))
    assert whole(machine)


def test_what_the_server_does_not_have_is_said_at_once(machine, server, large):
    path, _ = large
    del server.resources[path]
    code, err = machine.fails(path=impatient(machine))
    assert code == 6
    assert "has no layer large" in err


def test_a_server_that_is_busy_is_asked_again(machine, server, large):
    path, data = large
    server.host(path, data, faults.status(503), faults.status(429))
    machine.ok(path=impatient(machine))
    assert len(server.requests(path)) == 3


def test_nobody_there_is_a_failure_of_the_network(machine, large):
    code, _ = machine.fails("--url", f"http://127.0.0.1:{free_port()}/x", path=impatient(machine))
    assert code == 6


def test_a_redirect_is_followed(machine, server, large):
    path, data = large
    there = server.host("/elsewhere", data)
    server.host(path, data, faults.redirect(there))
    machine.ok(path=impatient(machine))
    assert whole(machine)


def test_the_network_can_be_forbidden(machine, server, large):
    machine.variables["ENGINE_PIPELINE_OFFLINE"] = "1"
    assert machine.fails(path=impatient(machine))[0] == 12
    assert server.requests(large[0]) == []


def test_with_zstd_the_repository_itself_serves(machine, server):
    machine.tools = (*machine.tools, "zstd")
    for path in machine.world.repository.rglob("*"):
        if path.is_file():
            server.host(f"/engines/{path.relative_to(machine.world.repository)}", path.read_bytes())
    machine.ok(path=impatient(machine))
    assert whole(machine)


@pytest.mark.skipif(PROGRAM is None, reason="needs nginx, which .ci/run installs")
def test_nginx_serves_a_mirror(machine, tmp_path):
    shutil.copytree(machine.folder, tmp_path / "mirror" / "installer")
    with Nginx(tmp_path / "nginx", root=tmp_path / "mirror", listen=f"127.0.0.1:{free_port()}") as nginx:
        machine.ok("--url", nginx.url(""), path=impatient(machine))
    assert whole(machine)


def test_without_anything_to_download_with_that_is_said(machine, large):
    machine.tools = (*TOOLS, "sha256sum", "flock")
    code, err = machine.fails(path=impatient(machine))
    assert code == 5
    assert "curl" in err


def test_a_busybox_that_has_wget_is_enough(machine, large):
    machine.tools = (*TOOLS, "sha256sum", "flock", "busybox")
    assert BUSYBOX
    machine.ok(path=impatient(machine))
    assert whole(machine)
