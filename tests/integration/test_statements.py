"""Provenance and bill of materials of bundles that are really built and really fetched, by hand and by command."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipeline.model.statements import read_statement
from tests.integration.conftest import make_user
from tests.simulators.command_line import CommandLine
from tests.simulators.upstream_archives import pack, pinned, write_pin
from tests.simulators.web import serving

TARGET = "linux-x86_64-cpu"
ARCHIVE = "tiny-t2-bin-ubuntu-x64.tar.gz"


def build(user: CommandLine, *more: str | Path) -> dict:
    user.ok("build", "--target", TARGET, "--model", user.home / "model.gguf", *more)
    (artifact,) = json.loads((user.home / "dist/manifest.json").read_text())["artifacts"]
    return artifact


def statements(user: CommandLine, artifact: dict) -> tuple[bytes, bytes]:
    return tuple((user.home / "dist" / artifact[kind]).read_bytes() for kind in ("provenance", "sbom"))


def pin(user: CommandLine, archive: Path, url: str) -> None:
    """Pin an archive of the tiny engine that a server on loopback has."""
    asset = pinned(archive, f"{url}/{ARCHIVE}")
    names = {"engine": "tiny-engine", "tag": "t2", "repository": "example/tiny-engine"}
    write_pin(user.recipes, [asset], {TARGET: [ARCHIVE]}, **names)


@pytest.fixture(scope="module")
def two_places(tmp_path_factory) -> tuple[CommandLine, CommandLine]:
    """Two users with the same source, who build in different folders."""
    first, second = (make_user(tmp_path_factory.mktemp(name) / "user") for name in ("one", "another-place"))
    build(first)
    build(second)
    return first, second


@pytest.fixture(scope="module")
def built(two_places) -> tuple[CommandLine, dict]:
    user = two_places[0]
    return user, json.loads((user.home / "dist/manifest.json").read_text())["artifacts"][0]


def test_two_builds_in_two_places_say_the_same_bytes(two_places):
    said = []
    for user in two_places:
        (artifact,) = json.loads((user.home / "dist/manifest.json").read_text())["artifacts"]
        said.append(statements(user, artifact))
    assert said[0] == said[1]


def test_they_lie_beside_the_bundle_and_say_nothing_of_the_machine(built):
    user, artifact = built
    stem = artifact["url"].removesuffix(".tar.zst")
    assert (artifact["provenance"], artifact["sbom"]) == (f"{stem}.intoto.json", f"{stem}.cdx.json")
    for data in statements(user, artifact):
        assert str(user.home).encode() not in data
        assert b"/tmp" not in data
        assert not re.search(rb"20[3-9]\d-", data)


def test_the_provenance_of_a_build_says_what_it_was_made_from(built):
    user, artifact = built
    statement = read_statement(statements(user, artifact)[0], what="it")
    assert statement.digests() == {artifact["sha256"], *(layer["sha256"] for layer in artifact["layers"])}
    definition = statement.predicate["buildDefinition"]
    source, model = definition["resolvedDependencies"]
    assert source == {"name": "local tree", "digest": {"treeSha256": artifact["upstream"]["source_sha256"]}}
    assert (model["name"], model["annotations"]) == ("model.gguf", {"usedBy": "proof"})
    assert set(definition["internalParameters"]["components"]) == {"core", "cpu"}
    assert definition["internalParameters"]["components"]["core"]["TINY_BACKEND"] == "OFF"
    assert definition["internalParameters"]["components"]["cpu"]["TINY_BACKEND"] == "ON"
    assert "cxx" in definition["internalParameters"]["toolchain"]
    assert "glibc" in definition["internalParameters"]["toolchain"]


def test_the_bill_of_a_build_is_strict_and_lists_every_file(built):
    user, artifact = built
    text = statements(user, artifact)[1].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    layers = {part["name"]: part for part in json.loads(text)["components"]}
    core = {file["name"] for file in layers["core"]["components"]}
    assert core == {"bin/tiny-server", "bin/libtiny.so.1.2.3", "licenses/tiny-engine.txt"}
    assert [file["name"] for file in layers["cpu"]["components"]] == ["bin/libtiny-cpu.so"]


def test_a_second_build_keeps_what_is_right_and_puts_back_what_is_not(two_places):
    user = two_places[1]
    (artifact,) = json.loads((user.home / "dist/manifest.json").read_text())["artifacts"]
    right = statements(user, artifact)
    provenance, bill = (user.home / "dist" / artifact[kind] for kind in ("provenance", "sbom"))
    written = provenance.stat().st_mtime_ns
    bill.write_bytes(right[1].replace(b"MIT", b"BSD"))
    assert build(user, "--offline") == artifact
    assert statements(user, artifact) == right
    assert provenance.stat().st_mtime_ns == written


def test_a_dist_folder_and_a_repository_are_verified_by_command(built, tmp_path):
    user = make_copy(built[0], tmp_path / "copy")
    user.ok("keys", "init", "--no-passphrase")
    user.ok("publish", "--allow-development", "--to", "repository")
    for place in ("dist", "repository"):
        report = user.json("verify", place)
        assert (report["findings"], report["notes"]) == ([], [])
    root = user.home / ".config/engine-pipeline/keys/root.json"
    assert user.json("verify", "repository", "--trusted-root", root)["trusted"] is True
    bill = user.home / "dist" / built[1]["sbom"]
    bill.write_text(bill.read_text().replace(built[1]["sha256"], "0" * 64))
    done = user.run("verify", "dist", "--json")
    assert done.returncode == 7
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["path"], finding["state"]) == (built[1]["sbom"], "changed")
    assert user.run("publish", "--allow-development", "--to", "another", "--json").returncode == 7


def test_a_manifest_from_before_there_were_statements_is_said_to_have_none(built, tmp_path):
    user = make_copy(built[0], tmp_path / "copy")
    path = user.home / "dist/manifest.json"
    document = json.loads(path.read_text())
    for kind in ("provenance", "sbom"):
        (user.home / "dist" / document["artifacts"][0][kind]).unlink()
        document["artifacts"][0][kind] = None
    path.write_text(json.dumps(document))
    report = user.json("verify", "dist")
    assert report["findings"] == []
    assert "tiny-engine/linux-x86_64-cpu t2" in report["notes"][0]
    said = user.run("verify", "dist")
    assert (said.returncode, "tiny-engine/linux-x86_64-cpu t2" in said.stdout + said.stderr) == (0, True)


def make_copy(user: CommandLine, home: Path) -> CommandLine:
    """Return a user with a copy of what another has built, and nothing else."""
    home.mkdir(parents=True)
    shutil.copytree(user.home / "dist", home / "dist")
    return CommandLine(home, user.recipes)


def test_a_fetched_bundle_names_upstreams_archive_and_who_vouches_for_it(built, tmp_path):
    unpacked = tmp_path / "unpacked"
    built[0].ok("unpack", built[0].home / "dist" / built[1]["url"], "--to", unpacked)
    shutil.copy(unpacked / "licenses/tiny-engine.txt", unpacked / "bin/LICENSE")
    served = tmp_path / "served"
    served.mkdir()
    archived = pack(unpacked / "bin", served / ARCHIVE, root="tiny-t2")
    said = []
    with serving(served) as (url, _):
        for name in ("one", "two"):
            user = make_user(tmp_path / name)
            pin(user, archived, url)
            artifact = build(user, "--source", "fetch")
            said.append(statements(user, artifact))
    assert said[0] == said[1]
    predicate = read_statement(said[0][0], what="it").predicate["buildDefinition"]
    archive = artifact["upstream"]["archives"][0]
    assert predicate["externalParameters"]["origin"] == "fetched"
    assert predicate["resolvedDependencies"][0] == {
        "uri": f"pkg:github/example/tiny-engine@t2#{ARCHIVE}",
        "name": ARCHIVE,
        "digest": {"sha256": archive["sha256"]},
        "annotations": {"trustLevel": "digest"},
    }
    listed = {part["name"]: part for part in json.loads(said[0][1])["components"]}
    assert listed[ARCHIVE]["hashes"] == [{"alg": "SHA-256", "content": archive["sha256"]}]
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(said[0][1].decode()) is None
