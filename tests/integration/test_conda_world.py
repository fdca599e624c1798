"""The made channel is a channel, and the Python in it a Python: what the tests of environments rest on."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.simulators import mlx_environment
from tests.simulators.conda_channel import CondaChannel
from tests.simulators.conda_packages import PLACEHOLDER, CondaPackage, Member, write_channel
from tests.simulators.conda_python import wheel_package
from tests.simulators.stand_in_wheel import write_wheel

LINK = """
import asyncio, os, sys
from pathlib import Path
import rattler
source, prefix, final, cache = sys.argv[1:]
channel = rattler.Channel(Path(source).as_uri())
async def link():
    found = []
    for subdir in ("linux-64", "noarch"):
        data = rattler.SparseRepoData(channel, subdir, f"{source}/{subdir}/repodata.json")
        found += [record for name in data.package_names() for record in data.load_records(name)]
    await rattler.install(found, prefix, cache_dir=cache, alternative_target_prefix=final, show_progress=False)
asyncio.run(link())
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def channel_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("channel")
    mlx_environment.make_channel(folder)
    return folder


def link(channel: Path, prefix: Path) -> Path:
    """Link every package of a channel into a folder next to the prefix, and move it there."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    staging = prefix.parent / "staging"
    cache = prefix.parent / "cache"
    subprocess.run([sys.executable, "-c", LINK, channel, staging, prefix, cache], check=True)
    return staging.rename(prefix)


def ask(program: Path, code: str) -> str:
    done = subprocess.run([program, "-c", code], env={}, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("length", [0, 200])
def test_the_python_of_the_channel_runs_from_wherever_it_is_linked(channel_dir, tmp_path, length):
    prefix = tmp_path / "a space" / "tree"
    prefix = prefix if not length else Path(str(prefix) + "x" * (length - len(str(prefix))))
    program = link(channel_dir, prefix) / "bin" / "python"
    assert ask(program, "import ctypes, ssl, sqlite3, sys; print(sys.prefix)") == str(prefix)
    assert ask(program, "import sysconfig; print(sysconfig.get_config_var('prefix'))") == str(prefix)
    loaded = ask(program, "import _ssl; print(open('/proc/self/maps').read())")
    if sys.base_prefix not in {"/usr", "/usr/local"}:
        assert f"{sys.base_prefix}/lib" not in loaded
        assert f"{prefix}/lib/libssl" in loaded, "what modules load comes from the environment too"


def test_a_wheel_becomes_a_package_with_its_programs(channel_dir, tmp_path):
    package = wheel_package(write_wheel(tmp_path))
    points = CondaPackage(**{**vars(package), "entry_points": ("say = pipeline.say:main",)})
    points.files["site-packages/pipeline/say.py"] = Member(b"def main(): print('said')\n")
    channel = tmp_path / "channel"
    for subdir in ("linux-64", "noarch"):
        (channel / subdir).mkdir(parents=True)
        for file in (channel_dir / subdir).iterdir():
            (channel / subdir / file.name).write_bytes(file.read_bytes())
    repodata = json.loads((channel / "noarch" / "repodata.json").read_text())
    repodata["packages.conda"][points.filename] = points.write(channel)
    (channel / "noarch" / "repodata.json").write_text(json.dumps(repodata))
    prefix = link(channel, tmp_path / "x" / "tree")
    done = subprocess.run([prefix / "bin" / "say"], env={}, check=True, capture_output=True, text=True)
    assert done.stdout == "said\n"


def test_a_package_has_the_same_bytes_every_time():
    package = CondaPackage("a", "1", {"etc/prefix": Member(PLACEHOLDER.encode())})
    assert package.encode() == package.encode()


def test_the_prefix_is_written_into_marked_files_only(tmp_path):
    files = {"etc/own": Member(f"{PLACEHOLDER}/etc".encode()), "etc/other": Member(b"/somewhere/etc")}
    write_channel(tmp_path / "channel", (CondaPackage("a", "1", files),))
    prefix = link(tmp_path / "channel", tmp_path / "x" / "tree")
    assert (prefix / "etc" / "own").read_text() == f"{prefix}/etc"
    assert (prefix / "etc" / "other").read_text() == "/somewhere/etc"


@pytest.fixture
def channel(tmp_path) -> CondaChannel:
    write_channel(tmp_path / "channel", (CondaPackage("a", "1", {"a": Member(b"a")}),))
    with CondaChannel(tmp_path / "channel") as found:
        yield found


def fetch(channel: CondaChannel) -> bytes:
    with urllib.request.urlopen(f"{channel.url}/linux-64/a-1-0.conda") as answer:
        return answer.read()


def test_a_channel_serves_what_its_records_say(channel):
    record = channel.records("linux-64")["a-1-0.conda"]
    data = fetch(channel)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (record["sha256"], record["size"])
    assert channel.asked() == {"a-1-0.conda": 1}


def test_a_channel_can_be_ill_and_recover(channel):
    well = fetch(channel)
    channel.spoil("a-1-0.conda")
    spoiled = fetch(channel)
    assert (len(spoiled), spoiled != well) == (len(well), True)
    channel.lack("a-1-0.conda")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(channel)
    channel.recover()
    channel.go_down()
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError, match="503"):
            fetch(channel)
    channel.recover()
    assert fetch(channel) == well
