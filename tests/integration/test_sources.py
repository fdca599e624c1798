"""Every source kind brings the same engine, and refuses everything that is not what was pinned."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.simulators.command_line import CommandLine
from tests.simulators.web import serving

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = 'source = {{ kind = "local_tree", path = "{}" }}'


def pin(user: CommandLine, source: str) -> None:
    """Put another source in the place of the local tree in both pins."""
    path = user.recipes / "engines" / "tiny-engine.toml"
    path.write_text(path.read_text().replace(LOCAL.format(user.home / "source"), f"source = {source}"))


def archive(user: CommandLine) -> tuple[Path, str]:
    """Pack the source as a repository's tag archive is packed: one top folder, the source in a folder below."""
    path = user.home / "web" / "tiny-1.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as packed:
        packed.add(user.home / "source", arcname="tiny-1/engine")
        packed.add(user.home / "source" / "LICENSE", arcname="tiny-1/wrapper.txt")
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def http_archive(url: str, sha256: str, size: int) -> str:
    return (
        f'{{ kind = "http_archive", urls = ["{url}/tiny-1.tar.gz"], filename = "tiny-1.tar.gz", '
        f'sha256 = "{sha256}", size_bytes = {size}, subtree = "engine" }}'
    )


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def build(user: CommandLine, *more: str) -> subprocess.CompletedProcess[str]:
    return user.run("build", "--target", "linux-x86_64-cpu", "--prove", "load", *more)


def test_an_archive_from_a_web_server_is_verified_and_built(user):
    path, sha256 = archive(user)
    with serving(path.parent) as (url, asked):
        pin(user, http_archive(url, sha256, path.stat().st_size))
        assert build(user).returncode == 0
        assert asked == ["/tiny-1.tar.gz"]


@pytest.mark.parametrize("wrong", ["digest", "size"])
def test_an_archive_that_is_not_the_pinned_one_exits_7_and_leaves_nothing(user, wrong):
    path, sha256 = archive(user)
    size = path.stat().st_size
    with serving(path.parent) as (url, _):
        pin(user, http_archive(url, "0" * 64, size) if wrong == "digest" else http_archive(url, sha256, size + 1))
        done = build(user)
    assert done.returncode == 7, done.stderr
    assert "tiny-1.tar.gz" in done.stderr
    assert not list((user.cache_dir / "blobs").rglob("?" * 64))
    assert not list((user.cache_dir / "trees").iterdir())


def test_a_server_that_is_not_there_exits_6(user):
    pin(user, http_archive("http://127.0.0.1:9", "0" * 64, 5))
    done = user.run("build", "--target", "linux-x86_64-cpu", "--prove", "load")
    assert done.returncode == 6, done.stderr


def test_offline_exits_12_and_says_what_is_missing_until_it_is_in_the_store(user):
    path, sha256 = archive(user)
    with serving(path.parent) as (url, asked):
        pin(user, http_archive(url, sha256, path.stat().st_size))
        done = build(user, "--offline")
        assert done.returncode == 12, done.stderr
        assert "tiny-1.tar.gz" in done.stderr
        assert asked == []
        assert build(user).returncode == 0
        shutil.rmtree(user.cache_dir / "results")
    assert build(user, "--offline").returncode == 0


def test_a_commit_is_fetched_with_git_and_built(user):
    repository = user.home / "source"
    git(repository, "init", "--quiet")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "first")
    commit = git(repository, "rev-parse", "HEAD")
    pin(user, f'{{ kind = "git_commit", urls = ["file://{repository}"], commit = "{commit}" }}')
    assert build(user).returncode == 0
    manifest = user.json("verify", "dist")
    assert manifest["ok"] is True


def test_a_commit_that_is_nowhere_exits_6(user):
    repository = user.home / "source"
    git(repository, "init", "--quiet")
    pin(user, f'{{ kind = "git_commit", urls = ["file://{repository}"], commit = "{"1" * 40}" }}')
    done = build(user)
    assert done.returncode == 6
    assert "1" * 40 in done.stderr


def test_a_branch_is_no_pin(user):
    pin(user, '{ kind = "git_commit", urls = ["https://example.com/x.git"], commit = "main" }')
    done = build(user)
    assert done.returncode == 2
    assert "commit" in done.stderr


def test_locked_refuses_a_local_tree(user):
    done = build(user, "--locked")
    assert done.returncode == 2
    assert "local_tree" in done.stderr or "locked" in done.stderr


def test_a_mirror_serves_what_an_index_would_even_offline(user):
    path, sha256 = archive(user)
    source = (
        f'{{ kind = "pypi_sdist", package = "tiny", filename = "tiny-1.tar.gz", sha256 = "{sha256}", '
        f'size_bytes = {path.stat().st_size}, subtree = "engine" }}'
    )
    pin(user, source)
    assert build(user, "--offline").returncode == 12
    mirrored = CommandLine(user.home, user.recipes, {"ENGINE_PIPELINE_MIRROR": path.parent.as_uri()})
    done = build(mirrored, "--offline")
    assert done.returncode == 0, done.stderr
