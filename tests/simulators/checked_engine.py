"""Engines small enough to be scripts, which say a version, list devices and serve as their health check asks."""

from __future__ import annotations

import sys

from pipeline.model.manifest import HealthCheck
from tests.simulators.engine_world import LayerFiles

SERVER = """#!{python} -I
import http.server, json, sys
if "--version" in sys.argv:
    print("version: {version}")
    sys.exit({exit_code})
if "--list-devices" in sys.argv:
    print({loaded!r})
    print("Available devices:")
    print("  (none)")
    sys.exit()
if not open(sys.argv[sys.argv.index("--model") + 1], "rb").read(4) == b"GGUF":
    sys.exit("not a GGUF file")
class Answer(http.server.BaseHTTPRequestHandler):
    def reply(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        self.reply(dict(status="ok"))
    def do_POST(self):
        self.reply(dict(usage=dict(completion_tokens=4), choices=[dict(message=dict(content="text"))]))
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Answer).serve_forever()
"""
SHELL = """#!/bin/sh
case $1 in
  --version) echo "version: {version}"; exit {exit_code} ;;
  --list-devices) echo {loaded!r}; echo "Available devices:" ;;
esac
"""
PATH = "bin/llama-server"


def health(version: str, *, device: str = "^CPU$") -> HealthCheck:
    """Return the check that an engine of ``engine(version)`` passes."""
    return HealthCheck(
        program=PATH,
        version_args=("--version",),
        version_pattern=f"version: {version}$",
        device_program=PATH,
        device_args=("--list-devices",),
        expect_devices=(device,),
        server_args=("--model", "{model}", "--port", "{port}"),
        prompt="Say something.",
        minimum_tokens=4,
        ready_timeout_seconds=20,
    )


def engine(version: str, *, exit_code: int = 0, device: str = "CPU", serves: bool = False) -> LayerFiles:
    """Return a core layer whose server says ``version``; one that serves is a Python script and starts slower."""
    text = (SERVER if serves else SHELL).format(
        python=sys.executable,
        version=version,
        exit_code=exit_code,
        loaded=f"load_backend: loaded {device} backend from /x",
    )
    return LayerFiles("core", {PATH: text.encode(), "lib/libllama.so": f"llama {version}".encode() * 100})
