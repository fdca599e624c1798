"""Peak memory of fetch, layer, bundle, verify and install, with an artifact as large as you like.

usage: python tests/benchmarks/memory.py [--size-mb 2048] [--work DIR]

Makes one file of that size (half of it noise), packs it as a layer at level 19, joins it into a bundle, downloads that
over loopback, verifies the tree, and unpacks it as an installation does. Each operation is a process of its own whose
peak resident set is read from the operating system. Prints JSON with megabytes; the aim is below 120 MB for each.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from tests.gathering.protocol import spread  # noqa: E402 - found through the line above

LIMIT_MB = 120
CHUNK = 1 << 20

# Each operation is given the work folder and runs in a fresh interpreter.
OPERATIONS = {
    "layer": """
from pipeline.system.archives import FileArchiver
from pipeline.system.store import FileStore
store = FileStore(work / "store")
tree = store.add_tree(work / "tree")
FileArchiver().pack(store.tree_path(tree), work / "layer.tar.zst", epoch_seconds=0, zstd_level=19)
blob = store.add_blob(work / "layer.tar.zst", filename="layer.tar.zst")
(work / "layer.json").write_text(json.dumps({"tree": tree.model_dump(), "blob": blob.model_dump()}))
""",
    "bundle": """
from pipeline.system.archives import FileArchiver
from pipeline.system.store import FileStore
from pipeline.model.result import BlobRef
store = FileStore(work / "store")
blob = BlobRef(**json.loads((work / "layer.json").read_text())["blob"])
(work / "extra").mkdir()
(work / "extra" / "note").write_text("x")
store.copy_blob(blob, work / "part.tar.zst")
FileArchiver().concatenate([work / "part.tar.zst"], work / "bundle.tar.zst", extra=work / "extra", epoch_seconds=0)
""",
    "fetch": """
import dataclasses, socketserver
from pipeline.ports import DownloadRequest
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.store import FileStore
class Silent:
    def emit(self, event): pass
blob = json.loads((work / "layer.json").read_text())["blob"]
store = FileStore(work / "fetched")
downloader = HttpDownloader(store, offline=False, events=Silent(), clock=SystemClock())
downloader.fetch(DownloadRequest("layer", (url + "/part.tar.zst",), blob["sha256"], blob["size_bytes"], "part.tar.zst"))
""",
    "verify": """
from pipeline.system.store import FileStore
from pipeline.model.result import TreeRef
FileStore(work / "store").verify_tree(TreeRef(**json.loads((work / "layer.json").read_text())["tree"]))
""",
    "install": """
from pipeline.system.archives import FileArchiver
layer = json.loads((work / "layer.json").read_text())
found = FileArchiver().unpack_signed(
    work / "part.tar.zst", work / "installed", sha256=layer["blob"]["sha256"], files_bytes=layer["tree"]["size_bytes"]
)
assert found.sha256 == layer["tree"]["sha256"]
""",
}


def main() -> None:
    """Measure and print; ends with 1 when an operation took more than the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=int, default=2048)
    parser.add_argument("--work", type=Path, default=Path("memory-work"))
    options = parser.parse_args()
    work = options.work.absolute()
    shutil.rmtree(work, ignore_errors=True)
    (work / "tree" / "bin").mkdir(parents=True)
    _write_large(work / "tree" / "bin" / "library.so", options.size_mb)
    server = subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        url = server.stdout.readline().split("(")[1].split(")")[0].rstrip("/")
        peaks = {name: _peak_mb(code, work, url) for name, code in OPERATIONS.items()}
    finally:
        server.terminate()
        server.wait()
    shutil.rmtree(work)
    figures = [
        spread(f"{name} of {options.size_mb} MB, peak", [peak], unit="MB", aim=LIMIT_MB) for name, peak in peaks.items()
    ]
    print(
        json.dumps({"figures": figures, "size_mb": options.size_mb, "limit_mb": LIMIT_MB, "peak_mb": peaks}, indent=2)
    )
    sys.exit(max(peaks.values()) > LIMIT_MB)


def _write_large(path: Path, size_mb: int) -> None:
    """Write a file of which every second megabyte is noise and the others are zeros."""
    with path.open("wb") as stream:
        for number in range(size_mb):
            stream.write(os.urandom(CHUNK) if number % 2 else bytes(CHUNK))


def _peak_mb(code: str, work: Path, url: str) -> float:
    program = f"""
import json, pathlib, resource, sys
work, url = pathlib.Path(sys.argv[1]), sys.argv[2]
{code}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    env = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", program, str(work), url], env=env, check=True, stdout=subprocess.PIPE, text=True
    )
    return round(int(done.stdout.split()[-1]) / (1024 if sys.platform != "darwin" else 1 << 20), 1)


if __name__ == "__main__":
    main()
