"""Miniforge in a bundle, from its release to a machine that has neither this program nor a conda."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.catalog.miniforge import RELEASES
from tests.simulators import miniforge
from tests.simulators.command_line import CommandLine
from tests.simulators.engine_client import complete
from tests.simulators.environment_users import (
    CHANNEL_VARIABLE,
    EnvironmentWorld,
    make_tiny_world,
    only_artifact,
    publish,
)
from tests.simulators.http_server import FaultyServer
from tests.simulators.mlx_environment import CONDA_FORGE

make_world = make_tiny_world  # what the fixture `world` is
INSTALLER = miniforge.installer()


@pytest.fixture(scope="module")
def releases(world: EnvironmentWorld) -> Iterator[FaultyServer]:
    """Return a server with a release; whoever builds in the world asks it."""
    with FaultyServer() as server:
        url = miniforge.host_release(server, {miniforge.FILENAME: INSTALLER})
        world.variables[CHANNEL_VARIABLE] = f"{CONDA_FORGE}={world.channel.url} {RELEASES}={url}"
        yield server


def pin(world: EnvironmentWorld, user: CommandLine) -> CommandLine:
    user.ok("lock", "--env", world.environment, "--miniforge", miniforge.VERSION)
    return user


@pytest.fixture(scope="module")
def publisher(world: EnvironmentWorld, releases: FaultyServer) -> CommandLine:
    """Return who has published a bundle with Miniforge in it."""
    user = pin(world, world.builder())
    user.ok("build", "--target", world.target, "--with-miniforge", "--prove", "none", "--output", "dist")
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    publish(user, "dist")
    return user


@pytest.fixture(scope="module")
def bundle(publisher: CommandLine) -> Path:
    return publisher.home / "dist" / only_artifact(publisher.home / "dist")["url"]


@pytest.fixture
def builder(world: EnvironmentWorld, releases: FaultyServer, tmp_path: Path) -> CommandLine:
    """Return who has pinned a release and has nothing of it: all downloads are of another folder."""
    user = pin(world, world.builder(f"builder of {tmp_path.name}"))
    return CommandLine(user.home, user.recipes, {**user.variables, "ENGINE_PIPELINE_CACHE_DIR": str(tmp_path / "c")})


def test_manifest_bill_and_provenance_name_it(publisher, bundle):
    artifact = only_artifact(publisher.home / "dist")
    assert [layer["name"] for layer in artifact["layers"]] == ["base", "wheels", "metal", "installer", "miniforge"]
    layer = artifact["layers"][-1]
    assert (layer["role"], layer["optional"]) == ("miniforge", True)
    assert artifact["installed_size"] == sum(one["installed_size"] for one in artifact["layers"][:-1])
    assert artifact["size"] > sum(one["size"] for one in artifact["layers"])
    assert "BSD-3-Clause" in artifact["licenses"]
    bill = json.loads((publisher.home / "dist" / artifact["sbom"]).read_text())
    (found,) = [part for part in bill["components"] if part["name"] == "miniforge3"]
    assert found["purl"].startswith(f"pkg:generic/miniforge3@{miniforge.VERSION}?")
    assert found["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    stated = json.loads((publisher.home / "dist" / artifact["provenance"]).read_text())
    used = stated["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert [one["digest"]["sha256"] for one in used if one["name"] == "miniforge3"] == [found["hashes"][0]["content"]]
    assert publisher.json("verify", bundle)["ok"] is True
    assert publisher.json("verify", "dist")["ok"] is True


def test_an_installation_neither_downloads_nor_lays_it(world, publisher, repository, customer):
    outcome = customer.json("install", world.target, "--from", repository, "--root", "engines", "--with-debug")
    assert [layer["name"] for layer in outcome["layers"]] == ["base", "wheels", "metal", "installer"]
    layers = only_artifact(publisher.home / "dist")["layers"]
    assert outcome["downloaded_bytes"] == sum(layer["size"] for layer in layers[:-1])
    assert not (Path(outcome["path"]) / "miniforge").exists()


def test_an_installation_from_the_bundle_takes_the_other_layers_out_of_it(world, repository, customer, bundle):
    outcome = customer.json("install", world.target, "--from", repository, "--root", "engines", "--from-file", bundle)
    assert (outcome["downloaded_bytes"], len(outcome["layers"])) == (0, 4)


def test_a_mirror_for_installations_leaves_the_layer_out_and_is_whole(world, repository, customer):
    customer.ok("mirror", "create", "--from", repository, "--to", "mirror", "--without-bundles")
    assert customer.json("verify", "mirror")["ok"] is True
    outcome = customer.json("--offline", "install", world.target, "--from", "mirror", "--root", "engines")
    assert len(outcome["layers"]) == 4


def test_a_machine_with_neither_this_program_nor_a_conda_gets_a_running_engine(world, bundle, tmp_path):
    place = tmp_path / "a bundle"
    place.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", place], check=True)
    tools = tmp_path / "tools"
    tools.mkdir()
    for program in Path("/usr/bin").iterdir():  # all of the system's, and no conda
        if "conda" not in program.name and "mamba" not in program.name:
            (tools / program.name).symlink_to(program)
    prefix = tmp_path / "My Engines" / world.engine
    script = place / "share" / "engine-pipeline" / "install-offline.sh"
    environment = {"PATH": str(tools), "HOME": str(tmp_path)}
    done = subprocess.run(["sh", script, prefix], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    model = tmp_path / "model"
    subprocess.run([prefix / "bin" / "python", "-m", "tiny_lm.model", model], check=True, env={})
    assert complete(str(prefix / "bin" / "tiny_lm.server"), model)["usage"]["completion_tokens"] == 16
    assert not (prefix / "miniforge").exists()


def failing(world: EnvironmentWorld, user: CommandLine, *more: str | Path) -> tuple[int, str]:
    """Build with Miniforge, which fails; return the exit code and what was said."""
    done = user.run(
        "build", "--target", world.target, "--with-miniforge", "--prove", "none", "--output", "failed", *more
    )
    assert not list(user.home.glob("failed/**/*.tar.zst")), "nothing is half made"
    return done.returncode, done.stderr


def test_a_release_that_cannot_be_reached_is_said_and_a_mirror_has_the_file(world, builder, tmp_path):
    nowhere = f"{CONDA_FORGE}={world.channel.url} {RELEASES}=http://127.0.0.1:9/releases"
    user = CommandLine(builder.home, builder.recipes, {**builder.variables, CHANNEL_VARIABLE: nowhere})
    code, said = failing(world, user)
    assert code == 6, said
    assert f"Miniforge of {world.environment} for linux-x86_64 cannot be had: {miniforge.FILENAME}" in said
    assert "leave --with-miniforge out" in said
    code, said = failing(world, user, "--offline")
    assert code == 12, said
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / miniforge.FILENAME).write_bytes(INSTALLER)
    options = ("--with-miniforge", "--prove", "none", "--output", "made", "--from-mirror", mirror)
    user.ok("build", "--target", world.target, *options)
    assert only_artifact(user.home / "made")["layers"][-1]["name"] == "miniforge"
    shutil.rmtree(user.home / "made")


def test_a_release_that_has_changed_since_it_was_pinned_is_refused(world, builder, releases):
    path = f"/releases/{miniforge.VERSION}/{miniforge.FILENAME}"
    kept = releases.resources[path]
    releases.host(path, INSTALLER[:-1] + b"!")
    try:
        code, said = failing(world, builder)
    finally:
        releases.resources[path] = kept
    assert code == 7, said
    assert miniforge.FILENAME in said


def test_where_nobody_has_pinned_a_release_the_way_to_pin_one_is_said(world, releases):
    code, said = failing(world, world.builder("nobody"))
    assert code == 3, said
    assert f"lock --env {world.environment} --miniforge VERSION" in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--check",), "--check and --miniforge exclude each other"),
        (("--platform", "linux-x86_64"), "--miniforge is about all platforms"),
        (("--conda", "builtin"), "nothing is solved here"),
    ],
)
def test_what_has_no_meaning_for_a_pin_is_a_usage_error(world, releases, more, said):
    user = world.builder("nobody")
    done = user.run("lock", "--env", world.environment, "--miniforge", miniforge.VERSION, *more)
    assert done.returncode == 2
    assert said in done.stderr
