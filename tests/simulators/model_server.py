"""A Python environment in small: its ``bin/python`` says a version, lists a device, makes a model, and serves it.

It answers as ``mlx_lm.server`` 0.32.2 does (seen with the real one), and misbehaves in one way when told to.
"""

from __future__ import annotations

import sys
from functools import reduce
from pathlib import Path

from pipeline.model.manifest import HealthCheck

PROGRAM = "bin/python"

_TEXT = r"""#!{python} -I
import http.server, json, os, pathlib, signal, subprocess, sys, time
fault, arguments = {fault!r}, sys.argv[1:]
if arguments == ["version"]:
    print("tiny-lm " + os.environ["TINY_VERSION"])
    sys.exit()
if arguments == ["devices"]:
    print("Available devices:")
    print("  CPU: tiny")
    sys.exit()
if arguments[0] == "make":
    if fault == "makes nothing":
        sys.exit()
    if fault == "cannot make":
        sys.exit("no module named mlx")
    pathlib.Path(arguments[1]).mkdir()
    pathlib.Path(arguments[1], "config.json").write_text("model")
    sys.exit()
assert arguments[0] == "serve", arguments
model, port = pathlib.Path(arguments[1]), int(arguments[2])
if fault == "dies":
    sys.exit("ValueError: model type tiny not supported")
if fault == "taken port" and not os.path.exists("taken"):
    open("taken", "w").close()
    sys.exit("OSError: [Errno 98] Address already in use")
if fault == "taken ports":
    sys.exit("OSError: [Errno 98] Address already in use")
if fault == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if fault == "child":
    stays = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", stays])
    open({child!r}, "w").write(str(child.pid))
words = ["The", " sea", " is", " wide"]
class Answer(http.server.BaseHTTPRequestHandler):
    def reply(self, status, content_type, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        self.wfile.write(body)
    def document(self, body, status=200):
        self.reply(status, "application/json", json.dumps(body).encode())
    def do_GET(self):
        if self.path == "/health":
            if fault in ("gives up", "loads for ever"):
                says = dict(status="unavailable") if fault == "gives up" else dict(error=dict(message="Loading model"))
                return self.document(says, 503)
            return self.document(dict(status="ok"))
        if fault == "models 404":
            return self.document(dict(error="Not Found"), 404)
        known = [] if fault == "no models" else [dict(id=str(model))]
        there = os.path.isdir(os.environ["HF_HOME"] + "/hub")
        self.reply(200, "application/json", json.dumps(dict(data=known)).encode() if there else b"")
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if fault == "illegal instruction":
            os.kill(os.getpid(), signal.SIGILL)
        if not (model / "config.json").is_file():
            return self.document(dict(error="no config.json"), 404)
        if asked.get("stream"):
            return self.stream(asked)
        content = None if fault == "silent" else "".join(words)
        self.document(dict(usage=dict(completion_tokens=len(words)), choices=[dict(message=dict(content=content))]))
    def event(self, body):
        self.wfile.write(b"data: " + (body if isinstance(body, bytes) else json.dumps(body).encode()) + b"\n\n")
    def stream(self, asked):
        if fault == "no stream":
            return self.document(dict(choices=[]))
        if fault == "stream 500":
            return self.reply(500, "text/event-stream")
        self.reply(200, "text/event-stream; charset=utf-8")
        self.wfile.write(b": keepalive 1/1\n\n")
        pieces = ["".join(words)] if fault == "one piece" else words[:2] if fault == "few" else words
        for number, word in enumerate(pieces):
            if fault == "breaks off" and number == 2:
                os._exit(3)
            if fault == "no json":
                self.event(b"token")
            self.event(dict(choices=[dict(delta=dict(role="assistant", content=word))]))
        self.event(dict(choices=[dict(delta=dict(role="assistant"), finish_reason="length")]))
        if fault not in ("few", "no usage"):
            self.event(dict(choices=[], usage=dict(completion_tokens=len(words))))
        if fault != "no end":
            self.event(b"[DONE]")
http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


def write_environment(root: Path, *, fault: str = "", child_path: Path | None = None) -> Path:
    """Write the environment into ``root`` and return it; ``child_path`` gets the id of a child that it starts."""
    program = root / PROGRAM
    program.parent.mkdir(parents=True)
    program.write_bytes(program_text(fault, child_path))
    program.chmod(0o755)
    return root


def program_text(fault: str = "", child_path: Path | None = None) -> bytes:
    """Return the environment's one file."""
    values = {"{python}": sys.executable, "{fault!r}": repr(fault), "{child!r}": repr(str(child_path))}
    return reduce(lambda text, name: text.replace(name, values[name]), values, _TEXT).encode()


def health(version: str = "1.0", *, ready_timeout_seconds: int = 20) -> HealthCheck:
    """Return the check that it passes."""
    return HealthCheck(
        program=PROGRAM,
        version_args=("version",),
        version_pattern=rf"^tiny-lm {version}$",
        device_program=PROGRAM,
        device_args=("devices",),
        expect_devices=("^CPU: ",),
        server_args=("serve", "{model}", "{port}"),
        model_args=("make", "{model}"),
        environment={"TINY_VERSION": version, "TINY_TREE": "{tree}"},
        prompt="Say something.",
        minimum_tokens=4,
        ready_timeout_seconds=ready_timeout_seconds,
    )
