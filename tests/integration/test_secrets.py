"""Canary secrets: what must stay secret is given to real commands, and looked for in everything that they leave.

Only the user's own files (the passphrase file, the key folder) may hold any of it.
"""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.app.bug_report import write_bug_report
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_world import World
from tests.simulators.web import serving

SECRETS = {
    "passphrase": "canary-passphrase-7f1d",
    "token": "canary-token-2b8e",
    "proxy": "canary-proxy-word-55aa",
    "mirror": "canary-mirror-word-91c3",
    "url": "canary-url-word-e07b",
}
TARGET = "llama.cpp/linux-x86_64-cpu"
# Nothing listens on these ports of the loopback address.
NOWHERE = "127.0.0.1:9"

_TOOL = """#!/bin/sh
env >>"{log}"
tr '\\0' ' ' <"/proc/$$/cmdline" >>"{log}"
echo "tool version 99.1.2"
"""


@dataclass
class Secretive:
    """A user whose environment and files are full of secrets.

    Attributes:
        folder: everything lies below it.
        user: runs the commands.
        out: all that they wrote to stdout and stderr.
    """

    folder: Path
    user: CommandLine
    out: list[str]

    def run(self, *arguments: object, code: int | None = 0) -> str:
        done = self.user.run(*map(str, arguments))
        self.out.append(done.stdout + done.stderr)
        if code is not None:
            assert done.returncode == code, done.stdout + done.stderr
        return self.out[-1]

    def leaks(self, *more: str) -> list[str]:
        """Return where any secret is, besides the files that the user made for it."""
        wanted = {text.encode() for text in (*SECRETS.values(), *more)}
        wanted |= {base64.b64encode(text).rstrip(b"=") for text in wanted}
        found = [f"output {n}" for n, text in enumerate(self.out) if any(one in text.encode() for one in wanted)]
        for path in sorted(self.folder.rglob("*")):
            if self.folder / "own" in path.parents or not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            found += [str(path.relative_to(self.folder)) for one in wanted if one in data]
        return found


@pytest.fixture
def secretive(tmp_path: Path) -> Secretive:
    folder = tmp_path / "user"
    tools, own = folder / "tools", folder / "own"
    tools.mkdir(parents=True)
    own.mkdir()
    (own / "passphrase").write_text(SECRETS["passphrase"])
    (own / "passphrase").chmod(0o600)
    (own / "wrong").write_text("something else")
    (own / "wrong").chmod(0o600)
    for name in (
        "git",
        "cc",
        "c++",
        "gcc",
        "g++",
        "clang",
        "clang++",
        "cmake",
        "ninja",
        "strip",
        "objcopy",
        "nvidia-smi",
    ):
        path = tools / name
        path.write_text(_TOOL.format(log=folder / "children.txt"))
        path.chmod(0o755)
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GITHUB_TOKEN": SECRETS["token"],
        "HTTPS_PROXY": f"http://user:{SECRETS['proxy']}@{NOWHERE}",
        "https_proxy": f"http://user:{SECRETS['proxy']}@{NOWHERE}",
        "ALL_PROXY": f"http://user:{SECRETS['proxy']}@{NOWHERE}",
        "NO_PROXY": "127.0.0.1",
        "SSH_AUTH_SOCK": str(folder / f"agent-{SECRETS['token']}"),
    }
    home = folder / "home"
    home.mkdir()
    made = Secretive(folder, CommandLine(home, variables=variables), [])
    world = World(tmp_path / "world" if (tmp_path / "world").mkdir() is None else tmp_path)
    world.build("b1")
    (world.folder / "dist").rename(folder / "dist")
    return made


def test_keys_publishing_and_installing_leak_nothing(secretive: Secretive):
    folder, run = secretive.folder, secretive.run
    keys, repository, root = folder / "own/keys", folder / "repository", folder / "root"
    secret = ("--passphrase-file", folder / "own/passphrase")
    run("keys", "init", "--keys", keys, *secret, "--verbose")
    publish = ("publish", "--from", folder / "dist", "--to", repository, "--keys", keys)
    run(*publish, *secret, "--allow-development", "--json-events", folder / "events.jsonl", "--verbose")
    run(*publish, *secret, "--allow-development", "--verbose", "--json")
    trusted = ("--trusted-root", keys / "root.json")
    for more in (("--verbose",), ("--json",), ("--json-events", folder / "install.jsonl")):
        run("install", TARGET, "--from", repository, "--root", root, *trusted, *more)
    run("list", "--root", root, "--json")
    run("verify", root, "--verbose")
    run("select", "--from", repository, *trusted, "--json", code=None)
    assert secretive.leaks() == []
    assert [path.name for path in keys.iterdir() if path.stat().st_mode & 0o077 and path.suffix == ".pem"] == []
    for pem in keys.glob("*.pem"):
        body = "".join(pem.read_text().splitlines()[1:-1])
        assert secretive.leaks(body[:40]) == []


def test_failures_leak_nothing(secretive: Secretive):
    folder, run = secretive.folder, secretive.run
    keys = folder / "own/keys"
    run("keys", "init", "--keys", keys, "--passphrase-file", folder / "own/passphrase")

    def fail(name: str, *more: str) -> None:
        publish = ("publish", "--from", folder / "dist", "--to", folder / f"repository-{name}", "--keys", keys)
        run(*publish, "--allow-development", "--passphrase-file", folder / "own/wrong", *more, code=8)
        run(*publish, "--allow-development", *more, code=None)  # no passphrase at all
        trusted = ("--trusted-root", keys / "root.json", "--root", folder / f"root-{name}")
        # a repository behind a proxy that is not there, and one whose url holds a password
        run("install", TARGET, "--from", "https://repository.invalid/x", *trusted, *more, code=6)
        url = f"https://user:{SECRETS['url']}@repository.invalid/x"
        run("install", TARGET, "--from", url, *trusted, *more, code=2)
        run("install", TARGET, "--from", f"{url}?token={SECRETS['token']}", *trusted, *more, code=2)
        run("upstream", "list", "--api", f"https://{NOWHERE}", *more, code=None)
        run("unpack", f"https://user:{SECRETS['url']}@host/x.zip", "--to", folder / f"out-{name}", *more, code=None)

    with ThreadPoolExecutor() as pool:  # most of it is waiting before another try
        ways = [pool.submit(fail, *way) for way in (("plain",), ("verbose", "--verbose"), ("json", "--json"))]
    assert [way.result() for way in ways] == [None, None, None]
    assert len(secretive.out) == 1 + 3 * 7
    assert secretive.leaks() == []


def test_a_mirror_with_a_password_in_its_url_leaks_none(secretive: Secretive, tmp_path: Path):
    world = World(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path)
    world.build("b1")
    world.publish()
    secretive.user.variables["ENGINE_PIPELINE_MIRROR"] = f"http://user:{SECRETS['mirror']}@{NOWHERE}/m"
    with serving(world.repository) as (url, _):
        for more in (("--verbose",), ("--json",), ("--json-events", secretive.folder / "e.jsonl")):
            trusted = ("--trusted-root", world.keys_dir / "root.json", "--root", secretive.folder / "root")
            secretive.run("install", TARGET, "--from", url, *trusted, *more, code=None)
    secretive.run("doctor", "--json", code=None)
    assert secretive.leaks() == []


def test_programs_that_fetch_nothing_are_started_without_secrets(secretive: Secretive):
    for more in ((), ("--verbose",), ("--json",)):
        secretive.run("doctor", *more, code=None)
        secretive.run("targets", *more, code=None)
        secretive.run("select", "--print-host-facts", *more, code=None)
    assert "PATH=" in (secretive.folder / "children.txt").read_text()  # the tools were really asked
    assert secretive.leaks() == []


@pytest.mark.parametrize("arguments", [["install", "--from", f"https://user:{SECRETS['url']}@host/x", "--json"]])
def test_a_bug_report_holds_no_password_of_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]):
    monkeypatch.setenv("ENGINE_PIPELINE_CACHE_DIR", str(tmp_path))
    error = RuntimeError(f"unexpected answer of http://user:{SECRETS['proxy']}@{NOWHERE}\x1b[2J")
    report = Path(write_bug_report(error, arguments, None) or "").read_text()
    assert "https://host/x" in report
    assert "RuntimeError" in report
    assert not [secret for secret in SECRETS.values() if secret in report]
    assert "\x1b" not in report


def test_a_planted_secret_is_found(secretive: Secretive):
    """The control: the search finds one in a file, encoded, in an output and in a child's environment."""
    assert secretive.leaks() == []
    place = secretive.folder / "home/cache/log.txt"
    place.parent.mkdir(parents=True)
    for text in (SECRETS["token"], base64.b64encode(SECRETS["passphrase"].encode()).decode()):
        place.write_text(f"x {text} y")
        assert secretive.leaks() == ["home/cache/log.txt"]
    place.unlink()
    secretive.out.append(f"failed: {SECRETS['url']}")
    assert secretive.leaks() == ["output 0"]
