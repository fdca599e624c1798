"""How many bytes travel for an update from one tag to the next, against the whole new archive.

usage: python tests/benchmarks/update_bytes.py [--dist OLD_DIR NEW_DIR] [--target T] [--runtime-mb N] [--deltas N]
    [--work DIR]

Two versions are published to a signed repository, which a server on loopback gives out and counts: everything that goes
over the wire counts, metadata too. Without --dist they are made of shared libraries of this machine: every file of core
and cpu differs between the two, as between two tags of llama.cpp, and the runtime (--runtime-mb, default 400) does not.
With --dist, of folders that `build` wrote. The whole archive is the new version's self-contained .tar.zst, and a
.tar.gz of its files as GNU tar makes it. The update is made twice, by archives of layers alone and with the deltas that
`publish --deltas N` (default 1) makes. Prints JSON; the ratios are bytes of the update over bytes of the archive.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from pipeline.model.manifest_document import read_manifest  # noqa: E402 - found through the line above
from tests.benchmarks.install_speed import LAYER_BYTES, RUNTIME_LIBRARY_BYTES, libraries, take  # noqa: E402
from tests.gathering.protocol import spread  # noqa: E402
from tests.simulators.engine_world import LayerFiles, World  # noqa: E402


class CountingHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and counts the bytes of bodies."""

    sent = 0
    protocol_version = "HTTP/1.1"

    def copyfile(self, source, outputfile) -> None:
        """Send a body."""
        while chunk := source.read(1 << 20):
            CountingHandler.sent += len(chunk)
            outputfile.write(chunk)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, nargs=2, metavar=("OLD", "NEW"))
    parser.add_argument("--target")
    parser.add_argument("--runtime-mb", type=int, default=400)
    parser.add_argument("--zstd-level", type=int, default=3)
    parser.add_argument("--deltas", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("update-bytes"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    found = {}
    if options.dist:
        world = World(work / "given")
        for folder in options.dist:
            shutil.copytree(folder, world.folder / folder.name)
        published = [published_in(world, folder.name, options.deltas) for folder in options.dist]
        found["given"] = measure(world, options.dist[1].name, options.target) | {"publish": published}
    else:
        for name, runtime_mb in (("cpu", 0), ("cuda with its runtime", options.runtime_mb)):
            world = World(work / name.split()[0], zstd_level=options.zstd_level)
            make_bundles(world, runtime_mb)
            published = published_in(world, "dist", options.deltas)
            found[name] = measure(world, "dist", None) | {"publish": [published]}
    shutil.rmtree(work)
    figures = [
        spread(f"{name}: update by {how}, of the whole archive", [one[how]["ratio_to_tar_zst"]], peer="new .tar.zst")
        for name, one in found.items()
        for how in ("archives", "deltas")
    ]
    print(json.dumps({"figures": figures, **found}, indent=2))


def make_bundles(world: World, runtime_mb: int) -> None:
    """Write a dist folder with two versions that differ in every file but those of the runtime."""
    left = libraries()
    own = {"cpu": take(left, LAYER_BYTES, "bin/"), "core": take(left, LAYER_BYTES, "bin/")}
    runtime = LayerFiles("runtime", take(libraries(RUNTIME_LIBRARY_BYTES), runtime_mb * 1_000_000, "bin/runtime-"))
    for version in ("b1", "b2"):
        layers = [
            LayerFiles(name, {p: d if isinstance(d, str) else changed(d, version) for p, d in files.items()})
            for name, files in own.items()
        ]
        layers[1] = LayerFiles("core", {"bin/llama-server": f"server {version}".encode(), **layers[1].files})
        world.build(version, (*layers, *((runtime,) if runtime_mb else ())))


def changed(data: bytes, version: str) -> bytes:
    """Return a library with one page in sixteen replaced, so that a layer is another one."""
    mark = version.encode() * 2048
    pages = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    return b"".join(mark[: len(page)] if number % 16 == 0 else page for number, page in enumerate(pages))


def published_in(world: World, dist: str, deltas: int) -> dict[str, object]:
    """Publish a dist folder; return what deltas that made, and how long it took."""
    began = time.monotonic()
    outcome = world.publish(dist, deltas=deltas)
    return {"seconds": round(time.monotonic() - began, 1), "deltas": outcome.deltas}


def measure(world: World, new_dist: str, target: str | None) -> dict[str, object]:
    """Install the old version in two roots, then count what the update brings to each."""
    artifacts = read_manifest((world.folder / new_dist / "manifest.json").read_bytes()).artifacts
    chosen = [artifact for artifact in artifacts if target in {None, artifact.target}]
    new = max(chosen, key=lambda artifact: int(artifact.version.lstrip("b")))
    handler = functools.partial(CountingHandler, directory=str(world.repository))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        old = sorted({a.version for a in offered(world, new.target)}, key=lambda v: int(v.lstrip("b")))[-2]
        updates = {
            name: update(world, name, old, deltas=deltas, location=url, target=new.target, check_host=False)
            for name, deltas in (("archives", False), ("deltas", True))
        }
    finally:
        server.shutdown()
    archive = world.folder / "whole.tar.gz"
    tree = world.install(target=new.target, check_host=False, root=world.folder / "deltas").path
    subprocess.run(["tar", "-czf", archive, "-C", tree, "."], check=True)
    sizes = {"tar_zst": new.size, "tar_gz": archive.stat().st_size}
    for found in updates.values():
        found |= {f"ratio_to_{name}": round(found["bytes_travelled"] / size, 3) for name, size in sizes.items()}
    return {"from": old, "to": new.version, **{f"{name}_bytes": size for name, size in sizes.items()}, **updates}


def update(world: World, root: str, old: str, *, deltas: bool, **choices: object) -> dict[str, object]:
    """Install the old version and then the newest; return what the second brought, and how long it took."""
    install = functools.partial(world.install, root=world.folder / root, **choices)
    install(version=old)
    before, began = CountingHandler.sent, time.monotonic()
    outcome = install(deltas=deltas)
    travelled = CountingHandler.sent - before
    return {
        "layers_brought": {
            layer.name: {"bytes": layer.download_bytes, "delta_from": layer.delta_from}
            for layer in outcome.layers
            if not layer.present
        },
        "seconds": round(time.monotonic() - began, 2),
        "bytes_travelled": travelled,
        "of_them_metadata": travelled - outcome.downloaded_bytes,
    }


def offered(world: World, target: str) -> list:
    """Return every artifact of a target that the repository has."""
    artifacts = read_manifest((world.repository / "manifest.json").read_bytes()).artifacts
    return [artifact for artifact in artifacts if artifact.target == target]


if __name__ == "__main__":
    main()
