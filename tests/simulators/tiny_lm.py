"""An environment whose machinery is real and whose engine is tiny: made wheels, on an index on loopback.

``tiny-lm`` is to mlx-lm what the tiny engine is to llama.cpp: it has a version, lists a device, writes a model, serves.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import zipfile
from typing import TYPE_CHECKING, Any

from tests.simulators.conda_packages import ZIP_TIME
from tests.simulators.http_server import FaultyServer

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "tiny-lm"
ENVIRONMENT = "tiny"
TARGET = f"{ENGINE}/linux-x86_64-mlx"
RUNTIME_TAG = "py3-none-manylinux_2_17_x86_64"
RECIPE = """
schema_version = 1
kind = "environment"
name = "tiny-lm"
repository = "example/tiny-lm"
environment = "tiny"
package = "tiny-lm"
accel = "mlx"
platforms = ["linux-x86_64"]
runtimes = { metal = ["tiny-runtime"] }

[entry_points]
"tiny_lm.server" = "bin/tiny_lm.server"

[proof]
program = "bin/python"
version_args = ["-c", "import tiny_lm.server; print('tiny-lm ' + tiny_lm.__version__)"]
version_pattern = '^tiny-lm {version}$'
device_args = ["-m", "tiny_lm.devices"]
expect_devices = { linux-x86_64 = ['^CPU'] }
server_args = ["-m", "tiny_lm.server", "--model", "{model}", "--host", "{host}", "--port", "{port}"]
model_args = ["-m", "tiny_lm.model", "{model}"]
environment = { PYTHONNOUSERSITE = "1" }
prompt = "Say something."
minimum_tokens = 16
ready_timeout_seconds = 60
"""
DEVICES = """
import tiny_runtime, tiny_words
print("Available devices:")
print("  CPU: " + tiny_runtime.NAME)
"""
MODEL = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.json").write_text("{}")
"""
SERVER = """
import argparse, http.server, json, pathlib, tiny_words

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, kind="application/json"):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        about = {"status": "ok"} if self.path == "/health" else {"object": "list", "data": [{"id": self.server.model}]}
        self.answer(json.dumps(about).encode())

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count = asked["max_tokens"]
        words = [tiny_words.WORDS[number % len(tiny_words.WORDS)] for number in range(count)]
        usage = {"completion_tokens": count, "prompt_tokens": 3, "total_tokens": count + 3}
        if asked.get("stream"):
            pieces = [{"choices": [{"index": 0, "delta": {"content": word + " "}}]} for word in words]
            lines = [json.dumps(piece) for piece in pieces]
            last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": usage}
            lines += [json.dumps(last), "[DONE]"]
            return self.answer("".join(f"data: {line}\\n\\n" for line in lines).encode(), "text/event-stream")
        message = {"role": "assistant", "content": " ".join(words)}
        self.answer(json.dumps({"choices": [{"index": 0, "message": message}], "usage": usage}).encode())

    def log_message(self, *_):
        pass

def main():
    parser = argparse.ArgumentParser()
    for name in ("--model", "--host", "--port"):
        parser.add_argument(name)
    options = parser.parse_args()
    assert (pathlib.Path(options.model) / "config.json").exists()
    server = http.server.ThreadingHTTPServer((options.host, int(options.port)), Handler)
    server.model = options.model
    server.serve_forever()

if __name__ == "__main__":
    main()
"""


def make_wheel(
    project: str,
    version: str,
    files: dict[str, str],
    *,
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    scripts: dict[str, str] | None = None,
) -> tuple[str, bytes]:
    """Return the name and the bytes of a wheel, the same every time."""
    stem = f"{project.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    head = f"Metadata-Version: 2.4\nName: {project}\nVersion: {version}\nLicense-Expression: MIT\n"
    pure = str(tag.endswith("-any")).lower()
    contents = {
        **files,
        f"{info}/METADATA": f"{head}License-File: LICENSE\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n",
        f"{info}/licenses/LICENSE": "MIT License\n\nPermission is hereby granted, free of charge, to any person.\n",
    }
    if scripts:
        lines = "".join(f"{name} = {value}\n" for name, value in scripts.items())
        contents[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in contents.items())
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in contents.items():
            entry = zipfile.ZipInfo(path, ZIP_TIME)
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
    return f"{stem}-{tag}.whl", whole.getvalue()


def make_wheels(version: str) -> dict[str, bytes]:
    """Return file name to bytes of everything that a version of tiny-lm needs; only its own wheel differs."""
    package = {
        "tiny_lm/__init__.py": f"__version__ = {version!r}\n",
        "tiny_lm/devices.py": DEVICES,
        "tiny_lm/model.py": MODEL,
        "tiny_lm/server.py": SERVER,
        "tiny_lm/weights.txt": f"{random.Random(1).randbytes(40_000).hex()}\n{version}\n",  # most of it stays
    }
    requires = ("tiny-runtime==1.0", "tiny-words>=1")
    scripts = {"tiny_lm.server": "tiny_lm.server:main"}
    runtime = {"tiny_runtime/__init__.py": "NAME = 'tiny'\n", "tiny_runtime/kernels.txt": "0123456789abcdef\n" * 4096}
    return dict(
        (
            make_wheel("tiny-lm", version, package, requires=requires, scripts=scripts),
            make_wheel("tiny-runtime", "1.0", runtime, tag=RUNTIME_TAG),
            make_wheel("tiny-words", "1.2", {"tiny_words.py": "WORDS = ('a', 'few', 'words')\n"}),
        )
    )


def locked(wheels: dict[str, bytes]) -> list[dict[str, Any]]:
    """Return what a lock says of wheels."""
    return [
        {
            "name": filename.split("-")[0].replace("_", "-"),
            "version": filename.split("-")[1],
            "path": filename,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for filename, data in sorted(wheels.items())
    ]


def host_index(server: FaultyServer, wheels: dict[str, bytes]) -> str:
    """Put wheels on a server as a package index has them; return the index's url."""
    projects: dict[str, dict[str, bytes]] = {}
    for filename, data in sorted(wheels.items()):
        projects.setdefault(filename.split("-")[0].replace("_", "-"), {})[filename] = data
    for project, own in projects.items():
        host_project(server, project, own)
    return server.url("/simple")


def host_project(server: FaultyServer, project: str, wheels: dict[str, bytes]) -> None:
    """Put a project's page (PEP 691) and its wheels on a server."""
    files = []
    for filename, data in sorted(wheels.items()):
        metadata = _metadata(data)
        url = server.host(f"/files/{filename}", data)
        server.host(f"/files/{filename}.metadata", metadata)  # PEP 658: what a resolver reads instead of the wheel
        entry = {"filename": filename, "url": url, "size": len(data), "upload-time": "2026-01-01T00:00:00Z"}
        digests = {"sha256": hashlib.sha256(data).hexdigest()}
        files.append({**entry, "hashes": digests, "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}})
    versions = sorted({filename.split("-")[1] for filename in wheels})
    page = {"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": versions}
    server.host(f"/simple/{project}/", json.dumps(page).encode(), media_type="application/vnd.pypi.simple.v1+json")


def _metadata(wheel: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return next(archive.read(name) for name in archive.namelist() if name.endswith(".dist-info/METADATA"))


def write_recipe(recipes: Path) -> None:
    """Add the recipe to a recipe folder."""
    (recipes / "engines" / f"{ENGINE}.toml").write_text(RECIPE)


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
