"""`build --source fetch` and `auto`: upstream's archives on loopback become bundles that are proven, or nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.digest import sha256_stream
from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.sigstore_instance import SigstoreInstance, Workflow
from tests.simulators.upstream_archives import pack, pinned, write_pin
from tests.simulators.web import serving

TARGET = "linux-x86_64-cpu"
ARCHIVE = "tiny-t2-bin-ubuntu-x64.tar.gz"


@dataclass
class Upstream:
    """A release of the tiny engine: a folder of what its archive holds, served on loopback."""

    user: CommandLine
    files: Path
    served: Path
    url: str
    asked: list[str]

    def release(self, *, tag: str = "t2", published_at: str = "2026-09-09T22:14:05Z", **pin: str) -> None:
        """Pack what is in ``files`` now, serve and pin it."""
        archive = pack(self.files, self.served / ARCHIVE, root=f"tiny-{tag}")
        asset = pinned(archive, f"{self.url}/{ARCHIVE}").model_copy(update=pin)
        write_pin(
            self.user.recipes,
            [asset],
            {TARGET: [ARCHIVE]},
            engine="tiny-engine",
            tag=tag,
            repository="example/tiny-engine",
            published_at=published_at,
        )

    def build(self, *more: str | Path) -> subprocess.CompletedProcess[str]:
        return self.user.run("build", "--target", TARGET, "--model", self.user.home / "model.gguf", *more)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    """What the tiny engine's own build puts into its archive."""
    builder = make_user(tmp_path_factory.mktemp("builder") / "user")
    builder.ok("build", "--target", TARGET, "--prove", "none")
    unpacked = builder.home / "unpacked"
    builder.ok("unpack", next((builder.home / "dist").rglob("tiny-engine-t2-*.tar.zst")), "--to", unpacked)
    shutil.copy(unpacked / "licenses" / "tiny-engine.txt", unpacked / "bin" / "LICENSE")
    return unpacked / "bin"


@pytest.fixture
def upstream(user: CommandLine, compiled: Path, tmp_path: Path) -> Iterator[Upstream]:
    served = tmp_path / "served"
    served.mkdir()
    files = shutil.copytree(compiled, tmp_path / "files", symlinks=True)
    with serving(served) as (url, asked):
        world = Upstream(user, files, served, url, asked)
        world.release()
        yield world


def manifest(user: CommandLine) -> dict:
    return json.loads((user.home / "dist" / "manifest.json").read_text())


def test_a_fetched_bundle_is_proven_like_a_built_one_without_any_compiler(upstream, user):
    bare = CommandLine(user.home, user.recipes, {"CC": "/nonexistent", "CXX": "/nonexistent"})
    done = Upstream(bare, upstream.files, upstream.served, upstream.url, upstream.asked).build("--source", "fetch")
    assert done.returncode == 0, done.stderr
    (artifact,) = manifest(user)["artifacts"]
    assert artifact["origin"] == "fetched"
    assert artifact["proof"]["generated_tokens"] == 16
    assert [(layer["name"], layer["role"]) for layer in artifact["layers"]] == [("core", "core"), ("cpu", "backend")]
    (archive,) = artifact["upstream"]["archives"]
    assert (archive["name"], archive["level"]) == (ARCHIVE, "digest")
    assert archive["size"] == (upstream.served / ARCHIVE).stat().st_size
    assert artifact["options"] == artifact["toolchain"] == {}


def test_it_is_published_installed_and_run(upstream, user, tmp_path):
    assert upstream.build("--source", "fetch").returncode == 0
    user.ok("keys", "init", "--no-passphrase")
    user.ok("publish", "--allow-development", "--to", "repository")
    user.ok("install", TARGET, "--from", "repository", "--root", "engines")
    (generation,) = user.json("list", "--root", "engines")["generations"]
    server = Path(generation["path"]) / "bin" / "tiny-server"
    said = subprocess.run([server, "--version"], capture_output=True, text=True, check=True)
    assert "build 2" in said.stdout
    assert (Path(generation["path"]) / "bin" / "libtiny.so").readlink() == Path("libtiny.so.1")


def test_auto_fetches_what_can_be_had_and_says_so(upstream, user):
    done = upstream.build()
    assert "is fetched: upstream's release t2 has it" in done.stderr
    assert manifest(user)["artifacts"][0]["origin"] == "fetched"


def test_auto_builds_when_upstream_does_not_answer_and_says_why(upstream, user):
    (upstream.served / ARCHIVE).unlink()
    done = upstream.build()
    assert done.returncode == 0, done.stderr
    assert "is built: upstream's archives cannot be had" in done.stderr
    assert "404" in done.stderr
    assert manifest(user)["artifacts"][0]["origin"] == "built"


def test_offline_auto_builds_and_asks_nobody(upstream, user):
    done = upstream.build("--offline")
    assert done.returncode == 0, done.stderr
    assert "the network is forbidden" in done.stderr
    assert upstream.asked == []


def test_offline_fetch_says_what_is_missing(upstream):
    done = upstream.build("--source", "fetch", "--offline")
    assert done.returncode == 12
    assert ARCHIVE in done.stderr
    assert upstream.asked == []


def test_a_second_build_asks_nobody_and_works_offline(upstream):
    assert upstream.build("--source", "fetch").returncode == 0
    upstream.asked.clear()
    assert upstream.build("--source", "fetch", "--offline").returncode == 0
    assert upstream.build("--source", "fetch").returncode == 0
    assert upstream.asked == []


def test_plan_says_what_would_be_fetched_and_how_much(upstream, user):
    plan = user.json("plan", "--target", TARGET, "--prove", "none")
    assert plan["decisions"][0]["origin"] == "fetched"
    assert plan["download_bytes"] == (upstream.served / ARCHIVE).stat().st_size
    assert "fetched" in user.ok("plan", "--target", TARGET, "--prove", "none")


def test_bytes_that_are_not_the_pinned_ones_leave_nothing(upstream, user):
    upstream.release(sha256="1" * 64)
    done = upstream.build("--source", "fetch")
    assert done.returncode == 7
    assert not (user.home / "dist").exists()


def test_an_archive_without_the_backend_is_no_bundle(upstream, user):
    (upstream.files / "libtiny-cpu.so").unlink()
    upstream.release()
    done = upstream.build("--source", "fetch")
    assert done.returncode == 10
    assert "libtiny-cpu.so" in done.stderr
    assert not (user.home / "dist").exists()


def test_a_link_that_leads_nowhere_is_named(upstream, user):
    target = (upstream.files / "libtiny.so.1").resolve()
    target.unlink()
    upstream.release()
    done = upstream.build("--source", "fetch")
    assert done.returncode == 10
    assert "libtiny.so" in done.stderr


def test_a_library_that_nothing_provides_is_named(upstream):
    for path in upstream.files.glob("libtiny.so*"):
        path.unlink()
    upstream.release()
    done = upstream.build("--source", "fetch")
    assert done.returncode == 10
    assert "libtiny.so.1" in done.stderr


def test_the_same_files_in_two_releases_are_one_layer_archive_to_the_byte(upstream, user):
    folders = {tag: user.home / tag for tag in ("t2", "t3")}
    for tag, folder in folders.items():
        upstream.release(tag=tag, published_at=f"2026-09-0{tag[1:]}T22:14:05Z")
        done = upstream.build("--source", "fetch", "--release", tag, "--prove", "none", "--output", folder)
        assert done.returncode == 0, done.stderr
    older, newer = (
        {path.relative_to(folder): path.read_bytes() for path in (folder / "tiny-engine" / "layers").iterdir()}
        for folder in folders.values()
    )
    assert len(older) == 2
    assert older == newer


def test_another_build_number_than_the_pinned_one_is_found_out(upstream, user):
    upstream.release(tag="t3")
    done = upstream.build("--source", "fetch", "--release", "t3")
    assert done.returncode == 10
    assert "3" in done.stderr


def attest(upstream: Upstream, *, repository: str) -> CommandLine:
    """Put an attestation of the archive beside its pin; return a user who trusts the instance that it is from."""
    instance = SigstoreInstance()
    with (upstream.served / ARCHIVE).open("rb") as stream:
        sha256 = sha256_stream(stream)[0]
    bundle = instance.attest(sha256, by=Workflow(repository=repository))
    path = upstream.user.recipes / "upstream" / "tiny-engine" / "attestations" / f"sha256-{sha256}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(bundle))
    root = upstream.user.home / "sigstore.json"
    root.write_text(json.dumps(instance.trusted_root()))
    return replace(upstream.user, variables={"ENGINE_PIPELINE_SIGSTORE_ROOT": str(root)})


def test_an_attestation_at_hand_is_verified_and_recorded(upstream):
    upstream.release(level="attested")
    believer = attest(upstream, repository="example/tiny-engine")
    done = replace(upstream, user=believer).build("--source", "fetch", "--prove", "none")
    assert done.returncode == 0, done.stderr
    (archive,) = manifest(believer)["artifacts"][0]["upstream"]["archives"]
    assert archive["level"] == "attested"


def test_an_attestation_of_another_repositorys_workflow_makes_no_bundle(upstream):
    believer = attest(upstream, repository="example/fork")
    done = replace(upstream, user=believer).build("--source", "fetch", "--prove", "none")
    assert done.returncode == 8
    assert not (believer.home / "dist").exists()


def test_what_was_attested_once_is_never_used_for_less(upstream):
    upstream.release(level="attested")
    done = upstream.build("--source", "fetch")
    assert done.returncode == 8
    assert "attestation is not at hand" in done.stderr
