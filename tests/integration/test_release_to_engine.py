"""The whole way of upstream's archives on a loopback GitHub: listed, pinned, attested, fetched through faults, split,
measured, signed, installed, and updated without fetching the vendor's runtime again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from tests.simulators import binaries, http_server
from tests.simulators.command_line import CommandLine
from tests.simulators.release_server import ReleaseServer
from tests.simulators.sigstore_instance import SigstoreInstance
from tests.simulators.upstream_archives import pack

CUDA = "windows-x86_64-cuda-12.4"
CUDART = "cudart-llama-bin-win-cuda-12.4-x64.zip"
ARCHIVES = {
    "windows-x86_64-cpu": "llama-{tag}-bin-win-cpu-x64.zip",
    "windows-x86_64-vulkan": "llama-{tag}-bin-win-vulkan-x64.zip",
    CUDA: "llama-{tag}-bin-win-cuda-12.4-x64.zip",
    "macos-arm64-metal": "llama-{tag}-bin-macos-arm64.tar.gz",
    "linux-arm64-cpu": "llama-{tag}-bin-ubuntu-arm64.tar.gz",
}


@pytest.fixture
def instance() -> SigstoreInstance:
    return SigstoreInstance()


@pytest.fixture
def github():
    with ReleaseServer() as server:
        yield server


@pytest.fixture
def user(tmp_path, recipes_dir, github, instance) -> CommandLine:
    recipes = shutil.copytree(recipes_dir, tmp_path / "recipes")
    home = tmp_path / "home"
    home.mkdir()
    root = home / "sigstore.json"
    root.write_text(json.dumps(instance.trusted_root()))
    variables = {"ENGINE_PIPELINE_GITHUB_API": github.api, "ENGINE_PIPELINE_SIGSTORE_ROOT": str(root)}
    return CommandLine(home, recipes, variables)


@pytest.fixture
def release(github, instance, tmp_path):
    """Return what makes a release: archives in upstream's layouts, hosted and attested."""

    def make(tag: str, *, published_at: str) -> dict[str, Path]:
        github.add(tag, published_at=published_at)
        made = {}
        for target, pattern in ARCHIVES.items():
            platform, _, accel = target.partition("-cuda-") if "cuda" in target else target.rpartition("-")
            folder = tmp_path / "files" / tag / target
            accel = f"cuda-{accel}" if "cuda" in target else accel
            binaries.write_engine(folder, platform, accel, build_number=int(tag[1:]))
            (folder / "LICENSE").write_text(f"MIT License, as of {tag}\n")
            made[target] = pack(folder, tmp_path / "archives" / tag / pattern.format(tag=tag), root=f"llama-{tag}")
        runtime = tmp_path / "files" / "cudart"
        if not runtime.is_dir():
            binaries.write_cuda_runtime(runtime, "windows-x86_64")
            pack(runtime, tmp_path / "archives" / CUDART)
        made["cudart"] = tmp_path / "archives" / CUDART
        for path in made.values():
            data = path.read_bytes()
            github.host(tag, path.name, data)
            sha256 = hashlib.sha256(data).hexdigest()
            github.attest(sha256, {"bundle": instance.attest(sha256)})
        return made

    return make


def pin_and_build(user: CommandLine, tag: str, *targets: str) -> dict[str, dict]:
    """Pin a release with its attestations, make bundles of it; return target to manifest entry."""
    user.ok("upstream", "pin", tag, "--attest", "--allow-partial")
    user.ok("build", "--target", ",".join(targets), "--release", tag)
    manifest = json.loads((user.home / "dist" / "manifest.json").read_text())
    return {f"{a['platform']}-{a['accel']}": a for a in manifest["artifacts"] if a["version"] == tag}


def test_an_update_does_not_bring_the_vendors_runtime_again(user, release):
    old, new = "b10900", "b10950"
    release(old, published_at="2026-09-10T01:00:00Z")
    release(new, published_at="2026-09-12T01:00:00Z")
    user.ok("keys", "init", "--no-passphrase")
    outcomes = []
    for tag in (old, new):
        pin_and_build(user, tag, CUDA)
        user.ok("publish", "--allow-development", "--to", "repository")
        outcomes.append(
            user.json("install", CUDA, "--from", "repository", "--root", "engines", "--no-check-host", "--version", tag)
        )
    first, second = ({layer["name"]: layer["present"] for layer in outcome["layers"]} for outcome in outcomes)
    assert set(first.values()) == {False}
    assert second["cuda-12.4-runtime"] is True
    assert second["core"] is False, "its license text changed"
    assert outcomes[1]["previous_version"] == old
    tree = Path(outcomes[1]["path"])
    assert (tree / "bin" / "cudart64_12.dll").is_file()
    assert user.run("verify", "engines").returncode == 0


def test_everything_that_goes_wrong_on_the_way_is_survived_and_what_vouches_is_recorded(user, release, github):
    made = release("b10900", published_at="2026-09-10T01:00:00Z")
    assert user.ok("upstream", "resolve", ">=b10800", "--target", CUDA).splitlines()[0] == "b10900"
    names = [path.name for path in made.values()]
    github.break_storage(names[0], http_server.reset_after(1000))
    github.break_storage(names[1], http_server.status(503))
    github.break_storage(names[2], http_server.hang_up_after(2000))
    artifacts = pin_and_build(user, "b10900", *ARCHIVES)
    assert set(artifacts) == set(ARCHIVES)
    for target, artifact in artifacts.items():
        assert artifact["origin"] == "fetched"
        levels = {archive["name"]: archive["level"] for archive in artifact["upstream"]["archives"]}
        assert set(levels.values()) == {"attested"}, target
    cores = {artifacts[t]["layers"][0]["sha256"] for t in artifacts if t.startswith("windows-")}
    assert len(cores) == 1


def test_a_pin_of_one_release_stays_what_it_is_when_upstream_changes_a_file(user, release, github):
    made = release("b10900", published_at="2026-09-10T01:00:00Z")
    user.ok("upstream", "pin", "b10900", "--allow-partial")
    name = made["windows-x86_64-cpu"].name
    github.host("b10900", name, b"PK" + bytes(made["windows-x86_64-cpu"].stat().st_size - 2))
    done = user.run("build", "--target", "windows-x86_64-cpu", "--release", "b10900")
    assert done.returncode == 7
    assert name in done.stderr
    drift = user.run("upstream", "drift", "--json")
    assert drift.returncode == 1
    found = [finding for finding in json.loads(drift.stdout)["findings"] if finding["kind"] == "changed"]
    assert [finding["name"] for finding in found] == [name]
