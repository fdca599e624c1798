"""A report about two releases of the tiny engine, as it was built here."""

from __future__ import annotations

import json

import pytest

from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine

TARGET = "tiny-engine/linux-x86_64-cpu"


@pytest.fixture(scope="module")
def builder(tmp_path_factory) -> CommandLine:
    user = make_user(tmp_path_factory.mktemp("builder"))
    for release in ("t1", "t2"):
        user.ok("build", "--target", TARGET, "--prove", "load", "--release", release)
    return user


def test_what_was_built_is_reported_with_its_sections_its_update_and_its_times(builder):
    report = builder.json("report", "footprint", "--output", "one")["report"]
    (bundle,) = report["bundles"]
    assert (bundle["target"], bundle["version"]) == (TARGET, "t2")
    sizes = [f["sections"] for layer in report["layers"] for f in layer["files"] if f["format"] == "elf"]
    assert len(sizes) >= 3
    assert all(sections["text"] > 0 for sections in sizes)
    (comparison,) = report["comparisons"]
    assert {layer["name"]: layer["same"] for layer in comparison["layers"]} == {"core": False, "cpu": True}
    assert comparison["fetch"] == next(layer["download"] for layer in report["layers"] if layer["name"] == "core")
    compiled = [time for time in report["times"] if time["kind"] == "compile" and not time["reused"]]
    assert compiled
    assert all(time["milliseconds"] > 0 for time in compiled)
    assert all(time["targets"] == [TARGET] for time in report["times"])


def test_published_releases_are_reported_with_the_deltas_that_were_made_of_them(builder):
    builder.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    builder.ok("publish", "--to", "repository", "--keys", "keys", "--allow-development")
    place = ("--from", "repository", "--trusted-root", "keys/root.json")
    (update,) = builder.json("report", "footprint", *place, "--output", "two")["report"]["updates"]
    assert (update["target"], update["baseline"], update["version"]) == (TARGET, "t1", "t2")
    (core,) = update["layers"]
    assert (core["name"], core["comes"]) == ("core", "delta")
    assert update["with_deltas"] == core["delta"] < update["by_layer"] == core["whole"] < update["naive"]


def test_a_build_that_does_nothing_forgets_no_times_and_nothing_in_the_folder_is_unexpected(builder):
    path = builder.home / "dist" / "times.json"
    before = path.read_bytes()
    builder.ok("build", "--target", TARGET, "--prove", "load", "--release", "t2")
    assert json.loads(path.read_bytes()) == json.loads(before)
    assert builder.json("verify", "dist")["ok"] is True
