"""A whole release rehearsed with the shipped recipes: two machines, merge, repository, mirror, scripts, install."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.simulators.command_line import CommandLine
from tests.simulators.web import serving

MACHINES = {"unix": "linux-*,macos-*", "windows": "windows-*"}
ENGINE = "llama.cpp"
KEYS = ("--keys", "keys", "--allow-development")


def refused(user: CommandLine, *arguments: str | Path) -> dict:
    """Return the error of a command that must end with 2."""
    done = user.run(*arguments, "--json")
    assert done.returncode == 2, done.stderr
    return json.loads(done.stdout)["error"]


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> CommandLine:
    """Two machines have each rehearsed their part of everything that the shipped recipes know."""
    user = CommandLine(tmp_path_factory.mktemp("release"))
    (user.home / "plan.json").write_text(user.ok("plan", "--rehearsal", "--format", "release-plan"))
    for name, targets in MACHINES.items():
        user.ok("build", "--rehearsal", "--target", targets, "--expect", "plan.json", "--output", name)
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    return user


@pytest.fixture(scope="module")
def repository(release: CommandLine) -> Path:
    release.ok("merge", *MACHINES, "--to", "whole")
    release.ok("publish", "--rehearsal", "--from", "whole", "--to", "repository", *KEYS)
    return release.home / "repository"


@pytest.fixture
def customer(tmp_path: Path, release: CommandLine) -> CommandLine:
    return CommandLine(tmp_path, None, {"ENGINE_PIPELINE_TRUSTED_ROOT": str(release.home / "keys" / "root.json")})


def planned(user: CommandLine) -> set[str]:
    bundles = json.loads((user.home / "plan.json").read_text())["bundles"]
    return {f"{bundle['target']} {bundle['version']}" for bundle in bundles}


def test_the_two_machines_make_every_target_there_is(release):
    known = {row["target"] for row in release.json("targets")["targets"] if row["releases"]}
    manifests = [json.loads((release.home / name / "manifest.json").read_text()) for name in MACHINES]
    made = [artifact for manifest in manifests for artifact in manifest["artifacts"]]
    assert {f"{a['engine']}/{a['platform']}-{a['accel']}" for a in made} == known
    assert all(artifact["rehearsal"] is True and artifact["proof"]["level"] == "none" for artifact in made)


def test_the_same_bytes_come_again_from_an_empty_cache(release, tmp_path):
    again = CommandLine(tmp_path)
    target = "llama.cpp/windows-x86_64-vulkan"
    again.ok("build", "--rehearsal", "--target", target, "--output", "dist")
    first = json.loads((release.home / "windows/manifest.json").read_text())["artifacts"]
    (second,) = json.loads((tmp_path / "dist/manifest.json").read_text())["artifacts"]
    assert second in first


def test_a_bundle_says_what_it_is_to_whoever_has_nothing_else(release, tmp_path):
    bundle = next((release.home / "unix").rglob("llama.cpp-*-linux-x86_64-cpu.tar.zst"))
    release.ok("unpack", bundle, "--to", tmp_path / "unpacked")
    card = json.loads((tmp_path / "unpacked/bundle.json").read_text())
    assert card["artifact"]["rehearsal"] is True
    statement = json.loads(next((release.home / "unix").rglob("llama.cpp-*-linux-x86_64-cpu.intoto.json")).read_text())
    assert statement["predicate"]["buildDefinition"]["externalParameters"]["rehearsal"] is True
    started = subprocess.run(
        [tmp_path / "unpacked/bin/llama-server"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (started.returncode, "there is no engine in it" in started.stderr) == (1, True)


def test_a_release_is_whole_only_with_both_machines(release):
    lacking = refused(release, "merge", "unix", "--to", "joined")
    assert lacking["class"] == "PartialReleaseError"
    assert "llama.cpp/windows-x86_64-vulkan" in lacking["message"]
    assert not (release.home / "joined").exists()
    partial = release.json("merge", "unix", "--to", "joined", "--partial")
    assert partial["missing"]
    assert {*partial["missing"], *partial["added"]} == planned(release)
    error = refused(release, "publish", "--rehearsal", "--from", "joined", "--to", "partial", *KEYS)
    assert error["class"] == "PartialReleaseError"
    whole = release.json("merge", "windows", "--to", "joined")
    assert (whole["missing"], {*whole["added"], *whole["unchanged"]}) == ([], planned(release))


def test_a_folder_that_every_part_came_into_is_whole(release):
    for targets in MACHINES.values():
        release.ok("build", "--rehearsal", "--target", targets, "--expect", "plan.json", "--output", "one")
    assert "partial" not in json.loads((release.home / "one/manifest.json").read_text())


def test_what_leaves_a_part_of_a_release_is_missing_from_then_on(release):
    def build(target: str, *more: str) -> list[str]:
        return release.json("build", "--rehearsal", "--target", target, "--output", "left", *more)["missing"]

    gone = "llama.cpp/windows-arm64-cpu"
    assert not any(name.startswith(gone) for name in build(gone, "--expect", "plan.json"))
    next((release.home / "left").rglob("*windows-arm64-cpu.tar.zst")).unlink()
    missing = build("windows-arm64-opencl")  # the folder itself says what it is a part of
    assert any(name.startswith(gone) for name in missing)
    assert len(missing) == len(planned(release)) - 1


def test_publishing_it_takes_the_word(release):
    error = refused(release, "publish", "--from", "windows", "--to", "refused", *KEYS)
    assert error["class"] == "RehearsalError"
    assert not (release.home / "refused").exists()


def test_real_bundles_do_not_come_into_the_same_folder(release):
    # Nothing is built before the folder is looked at.
    error = refused(release, "build", "--target", "linux-x86_64-avx2", "--output", "unix")
    assert error["class"] == "RehearsalError"


def test_a_mirror_over_http_has_all_of_it_and_verifies(release, repository, customer):
    with serving(repository) as (url, _):
        customer.ok("mirror", "create", "--from", url, "--to", "mirror")
        assert customer.json("mirror", "sync", "mirror")["changed"] is False
    customer.ok("mirror", "verify", "mirror")
    held = json.loads((customer.home / "mirror/manifest.json").read_text())["artifacts"]
    assert len(held) == len(planned(release))
    assert all(artifact["rehearsal"] for artifact in held)
    error = refused(customer, "install", "--engine", ENGINE, "--from", "mirror", "--root", "r")
    assert error["class"] == "RehearsalError"


def test_choosing_is_rehearsed_too_and_says_that_it_is(repository, customer):
    found = customer.json("select", "--from", repository, "--engine", ENGINE)
    assert found["chosen"]["target"].startswith("llama.cpp/linux-")
    assert any("is a rehearsal" in warning for warning in found["warnings"])


def test_installing_it_takes_the_word(repository, customer):
    with serving(repository) as (url, _):
        error = refused(customer, "install", "--engine", ENGINE, "--from", url, "--root", "r")
        assert error["class"] == "RehearsalError"
        assert customer.json("install", "--engine", ENGINE, "--from", url, "--root", "r", "--rehearsal")["rehearsal"]
    (generation,) = customer.json("list", "--root", "r")["generations"]
    assert generation["rehearsal"] is True
    customer.ok("verify", "r")


def test_scripts_are_made_of_it_and_install_it_only_with_the_word(repository, customer):
    make = ("generate", "installers", "--from", repository, "--to", "scripts")
    assert refused(customer, *make)["class"] == "RehearsalError"
    customer.ok(*make, "--rehearsal")
    assert "[switch]$Rehearsal" in (customer.home / "scripts/install.ps1").read_text()
    script = ["sh", "scripts/install.sh", "--root", "r", "--from", str(repository)]
    results = [
        subprocess.run(argv, cwd=customer.home, capture_output=True, text=True, check=False, timeout=120)
        for argv in (script, [*script, "--rehearsal"])
    ]
    assert [done.returncode for done in results] == [2, 0], results[1].stderr
    assert "rehearsal" in results[0].stderr
    customer.ok("verify", "r")
