"""The commands about upstream's releases, run as people run them, against a loopback GitHub."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from pipeline.app.settings import default_cache_dir
from tests.simulators.command_line import PROJECT, CommandLine
from tests.simulators.http_server import hang_up_after
from tests.simulators.release_server import ReleaseServer
from tests.simulators.sigstore_instance import SigstoreInstance

KEYS = ["name", "kind", "tag", "platform", "accel", "qualifiers", "format"]
PIN = Path("upstream", "llama.cpp", "b10892.json")


@pytest.fixture
def github(recipes_dir):
    with ReleaseServer() as server:
        server.add_recorded(recipes_dir / PIN)
        yield server


@pytest.fixture
def user(tmp_path, recipes_dir, github) -> CommandLine:
    recipes = shutil.copytree(recipes_dir, tmp_path / "recipes")
    shutil.copytree(recipes_dir.parent / "envs", tmp_path / "envs")
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home, recipes, {"ENGINE_PIPELINE_GITHUB_API": github.api})


def error(done: subprocess.CompletedProcess[str]) -> dict:
    return json.loads(done.stdout)["error"]


def tiny(github: ReleaseServer, tag: str = "b10900", *, digest: bool = True) -> dict[str, bytes]:
    """Add a release of three small files."""
    files = {
        f"llama-{tag}-bin-ubuntu-x64.tar.gz": b"linux",
        f"llama-{tag}-bin-win-cuda-12.4-x64.zip": b"windows" * 100_000,
        "cudart-llama-bin-win-cuda-12.4-x64.zip": b"runtime",
    }
    github.add(tag, published_at="2026-09-10T01:00:00Z")
    for name, data in files.items():
        github.host(tag, name, data, digest=digest)
    return files


def test_classify_needs_no_network_and_has_the_contracts_keys(user):
    names = ["llama-b10892-bin-ubuntu-sycl-fp16-x64.tar.gz", "cudart-llama-bin-win-cuda-12.4-x64.zip"]
    rows = user.json("upstream", "classify", *names, "--offline")
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert rows[0] == {
        "name": names[0], "kind": "engine", "tag": "b10892", "platform": "linux-x86_64", "accel": "sycl",
        "qualifiers": ["fp16"], "format": "tar.gz",
    }  # fmt: skip
    assert (rows[1]["kind"], rows[1]["tag"]) == ("runtime", None)


def test_one_unknown_word_among_good_names_is_an_error_that_names_it(user):
    done = user.run("upstream", "classify", "llama-b1-ui.tar.gz", "llama-b1-bin-ubuntu-tpu-x64.zip", "--json")
    assert done.returncode == 2
    assert "'tpu'" in error(done)["message"]


def test_resolve_prints_the_tag_alone_on_stdout(user):
    done = user.run("upstream", "resolve", "latest")
    assert (done.returncode, done.stdout) == (0, "b10892\n")


def test_resolve_with_a_target_lists_its_archives(user):
    found = user.json("upstream", "resolve", "latest", "--target", "windows-x86_64-cuda-12.4")
    assert found["targets"] == {
        "windows-x86_64-cuda-12.4": [
            "llama-b10892-bin-win-cuda-12.4-x64.zip",
            "cudart-llama-bin-win-cuda-12.4-x64.zip",
        ]
    }


def test_a_tag_that_lacks_the_target_ends_with_3_and_names_one_that_has_it(user, github):
    github.add("b10893", published_at="2026-09-10T01:00:00Z", assets={"llama-b10893-ui.tar.gz": b"x"})
    done = user.run("upstream", "resolve", "b10893", "--target", "linux-x86_64-cpu", "--json")
    assert done.returncode == 3
    assert "b10892" in error(done)["hint"]


def test_an_address_on_the_command_line_wins(user):
    with ReleaseServer() as other:
        other.add("b20000", published_at="2026-09-10T01:00:00Z", assets={"llama-b20000-ui.tar.gz": b"x"})
        assert user.json("upstream", "resolve", "latest", "--api", other.api)["tag"] == "b20000"


def test_a_used_up_limit_ends_with_6_and_an_error_of_its_own(user, github):
    github.use_up_rate(seconds=1800)
    done = user.run("upstream", "list", "--json")
    assert done.returncode == 6
    assert error(done)["class"] == "RateLimitError"
    assert "in 30 min" in error(done)["hint"]


def test_the_token_of_the_environment_is_used_and_never_shown(user, github):
    user.variables["GITHUB_TOKEN"] = "t0ken-of-mine"  # noqa: S105 - made up
    done = user.run("upstream", "list", "-v")
    assert done.returncode == 0
    assert github.api_requests[0][1]["authorization"] == "Bearer t0ken-of-mine"
    assert "t0ken" not in done.stdout + done.stderr


def test_offline_the_listing_read_before_serves_and_its_age_is_said(user, github):
    assert user.run("upstream", "resolve", "latest", "--offline").returncode == 12
    user.ok("upstream", "list")
    asked = len(github.api_requests)
    done = user.run("upstream", "resolve", "latest", "--offline")
    assert (done.returncode, done.stdout) == (0, "b10892\n")
    assert "warning" in done.stderr
    assert len(github.api_requests) == asked


def test_list_says_what_each_release_has(user, github):
    github.add_version("v0.4.0", "b10892", published_at="2026-09-09T23:00:00Z")
    github.add("b10893", published_at="2026-09-10T01:00:00Z", assets={"llama-b10893-ui.tar.gz": b"x"})
    rows = {row["tag"]: row for row in user.json("upstream", "list")["releases"]}
    assert list(rows) == ["b10893", "v0.4.0", "b10892"]
    assert (rows["b10893"]["complete"], rows["b10893"]["assets"]) == (False, 1)
    assert (rows["v0.4.0"]["kind"], rows["v0.4.0"]["complete"]) == ("version", None)
    assert len(rows["b10892"]["targets"]) == 19
    only = user.json("upstream", "list", "--target", "linux-x86_64-cpu")["releases"]
    assert [row["tag"] for row in only] == ["b10892"]


def test_no_drift_ends_with_0_and_drift_with_1(user, github):
    assert user.json("upstream", "drift")["drift"] is False
    github.releases["b10892"].assets["llama-b10892-ui.tar.gz"].sha256 = "0" * 64
    done = user.run("upstream", "drift", "--json")
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["kind"], finding["name"]) == ("changed", "llama-b10892-ui.tar.gz")
    assert "error: " in user.run("upstream", "drift").stderr


def test_a_pin_is_written_and_the_next_run_changes_nothing(user, github):
    files = tiny(github)
    first = user.json("upstream", "pin", "b10900", "--allow-partial")
    path = Path(first["path"])
    assert path == user.recipes / "upstream" / "llama.cpp" / "b10900.json"
    data = path.read_bytes()
    assert {row["name"]: row["sha256"] for row in json.loads(data)["assets"]} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    second = user.json("upstream", "pin", "--tag", "b10900", "--allow-partial")
    assert (first["written"], second["written"]) == (True, False)
    assert path.read_bytes() == data
    assert user.run("check").returncode == 0


def test_a_dry_run_writes_nothing(user, github):
    tiny(github)
    pin = ("upstream", "pin", "b10900", "--allow-partial", "--dry-run")
    found = user.json(*pin)
    assert not Path(found["path"]).exists()
    assert (found["written"], found["dry_run"]) == (False, True)
    assert ".json: would be written; 3 files" in user.ok(*pin)


def test_a_partial_release_is_not_pinned_unasked(user, github):
    tiny(github)
    done = user.run("upstream", "pin", "b10900", "--json")
    assert done.returncode == 3
    assert not (user.recipes / "upstream" / "llama.cpp" / "b10900.json").exists()


def test_files_without_a_digest_are_read_and_hashed(user, github):
    files = tiny(github, digest=False)
    github.break_storage("llama-b10900-bin-win-cuda-12.4-x64.zip", hang_up_after(1000))
    found = user.json("upstream", "pin", "b10900", "--allow-partial")
    assert found["levels"] == {"pinned": 3}
    assets = json.loads(Path(found["path"]).read_bytes())["assets"]
    assert [row["sha256"] for row in assets] == [hashlib.sha256(files[row["name"]]).hexdigest() for row in assets]


def test_a_file_of_another_size_than_listed_is_not_pinned(user, github):
    tiny(github, digest=False)
    github.releases["b10900"].assets["llama-b10900-bin-ubuntu-x64.tar.gz"].size = 4
    done = user.run("upstream", "pin", "b10900", "--allow-partial", "--json")
    assert done.returncode == 7
    assert not (user.recipes / "upstream" / "llama.cpp" / "b10900.json").exists()


@pytest.fixture
def instance(user) -> SigstoreInstance:
    made = SigstoreInstance()
    (user.home / "root.json").write_text(json.dumps(made.trusted_root()))
    return made


def test_attested_files_are_recorded_so_and_the_level_never_sinks_silently(user, github, instance):
    for data in tiny(github).values():
        sha256 = hashlib.sha256(data).hexdigest()
        github.attest(sha256, {"bundle": instance.attest(sha256), "repository_id": 1})
    pin = ("upstream", "pin", "b10900", "--allow-partial", "--sigstore-root", user.home / "root.json")
    assert user.json(*pin, "--attest")["levels"] == {"attested": 3}
    kept = user.recipes / "upstream" / "llama.cpp" / "attestations"
    assert {path.name for path in kept.iterdir()} == {
        f"sha256-{hashlib.sha256(data).hexdigest()}.jsonl" for data in tiny(github).values()
    }
    github.attestations.clear()
    assert user.json(*pin)["levels"] == {"attested": 3}
    assert user.run(*pin, "--attest").returncode == 8
    lowered = user.json(*pin, "--attest", "--allow-lower", "upstream withdrew them")
    assert lowered["levels"] == {"digest": 3}
    assert "upstream withdrew them" in json.loads(Path(lowered["path"]).read_bytes())["notes"][0]


def test_an_attestation_that_does_not_verify_stops_the_pin(user, github, instance):
    for data in tiny(github).values():
        github.attest(hashlib.sha256(data).hexdigest(), {"bundle": instance.attest("0" * 64)})
    pin = ("upstream", "pin", "b10900", "--allow-partial", "--attest", "--sigstore-root", user.home / "root.json")
    assert user.run(*pin).returncode == 8


def test_attestations_at_hand_serve_too(user, github, instance):
    files = tiny(github)
    digests = [hashlib.sha256(data).hexdigest() for data in files.values()]
    (user.home / "bundles.jsonl").write_text("\n".join(json.dumps(instance.attest(digest)) for digest in digests[:2]))
    (user.home / "other.jsonl").write_text(json.dumps(instance.attest("0" * 64)))
    pin = ("upstream", "pin", "b10900", "--allow-partial", "--sigstore-root", user.home / "root.json", "--attestations")
    assert user.json(*pin, user.home / "bundles.jsonl")["levels"] == {"digest": 1, "attested": 2}
    assert user.run(*pin, user.home / "other.jsonl").returncode == 8
    assert user.run(*pin, user.home / "nowhere.jsonl").returncode == 2


def test_update_pins_reads_a_recorded_listing_without_a_network(user, github, tmp_path):
    page = user.home / "page.json"
    releases = sorted(github.releases.values(), key=lambda release: release.published_at, reverse=True)
    page.write_text(
        json.dumps([github._release(release) for release in releases]).replace(github.web, "https://github.com")
    )
    (user.recipes / PIN).unlink()
    # The script runs in the environment that ci/environment keeps in the real cache folder.
    environment = {**user.environment(), "ENGINE_PIPELINE_OFFLINE": "1", "HOME": str(Path.home())}
    environment["ENGINE_PIPELINE_CACHE_DIR"] = str(default_cache_dir())
    asked = len(github.api_requests)
    done = subprocess.run(
        [PROJECT / "ci" / "update_pins", "--listing", page],
        cwd=user.home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (user.recipes / PIN).read_bytes() == (PROJECT / "recipes" / PIN).read_bytes()
    assert len(github.api_requests) == asked


def test_two_commands_over_one_cache_end_well(user, github):
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(user.run("upstream", "resolve", "latest").returncode))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0, 0]


@pytest.mark.parametrize("body", ["[]", "{}", '"text"'])
def test_a_recorded_listing_that_is_none_is_said(user, body):
    (user.home / "page.json").write_text(body)
    done = user.run("upstream", "resolve", "latest", "--listing", user.home / "page.json", "--json")
    assert done.returncode == (3 if body == "[]" else 2)


def test_an_engine_without_upstream_is_named(user):
    done = user.run("upstream", "list", "--engine", "mlx-lm", "--json")
    assert done.returncode == 2
    assert "mlx-lm" in error(done)["message"]


def record(user, github, *tags: str, edit=lambda _: None) -> Path:
    """Write a page of the listing with these releases to a file."""
    rows = [github._release(github.releases[tag]) for tag in tags]
    edit(rows)
    path = user.home / "page.json"
    path.write_text(json.dumps(rows))
    return path


def test_an_old_release_that_only_newer_ones_can_be_compared_with_is_pinned_and_checks(user, github):
    """Its Windows archives are those of an era that no recipe is for: they make no target."""
    words = ("ubuntu-x64", "win-noavx-x64", "win-avx2-x64", "win-cpu-x64")
    names = [f"llama-b6000-bin-{word}.zip" for word in words]
    github.add("b6000", published_at="2025-07-27T00:00:00Z", assets={name: name.encode() for name in names})
    done = user.run("upstream", "pin", "b6000", "--json", "--listing", record(user, github, "b10892", "b6000"))
    assert (done.returncode, "b6000 is whole is not known" in done.stderr) == (0, True)
    found = json.loads(done.stdout)
    assert sorted(found["targets"]) == ["linux-x86_64-cpu", "windows-x86_64-cpu"]
    assert sorted(found["left_out"]) == ["windows-x86_64-avx2", "windows-x86_64-noavx"]
    assert user.run("check").returncode == 0
    rows = user.json("upstream", "list", "--listing", user.home / "page.json")["releases"]
    assert [(row["tag"], row["complete"]) for row in rows] == [("b10892", None), ("b6000", None)]
    assert "not known" in user.ok("upstream", "list", "--listing", user.home / "page.json")


def test_a_pin_that_a_recorded_listing_does_not_reach_is_no_drift(user, github):
    github.add("b11000", published_at="2026-09-15T00:00:00Z", assets={"llama-b11000-ui.tar.gz": b"x"})
    github.releases["b11000"].assets = dict(github.releases["b10892"].assets)
    page = record(user, github, "b11000")
    document = json.loads(user.run("upstream", "drift", "--listing", page, "--json").stdout)
    assert (document["not_listed"], document["drift"]) == (["b10892"], False)
    assert "not in this listing: b10892" in user.ok("upstream", "drift", "--listing", page)


@pytest.mark.parametrize("command", [("list",), ("drift",), ("resolve", "latest"), ("pin", "b10892")])
def test_a_day_that_does_not_exist_is_a_wrong_listing(user, github, command):
    page = record(user, github, "b10892", edit=lambda rows: rows[0].update(published_at="2026-13-45T99:99:99Z"))
    done = user.run("upstream", *command, "--listing", page, "--json")
    assert done.returncode == 7, done.stderr
    assert "published_at" in error(done)["message"]


def test_a_day_that_does_not_exist_is_a_wrong_pin(user):
    path = user.recipes / PIN
    path.write_text(path.read_text().replace("2026-09-09T22:14:05Z", "2026-13-45T99:99:99Z"))
    done = user.run("plan", "-t", "linux-x86_64-cpu", "--json")
    assert done.returncode == 2
    assert f"{path}: published_at" in error(done)["message"]


def test_a_release_with_a_name_that_none_can_have_is_named_and_the_others_serve(user, github):
    github.add("b10893", published_at="2026-09-10T01:00:00Z", assets={"a" * 300: b"x"})
    done = user.run("upstream", "resolve", "latest")
    assert (done.returncode, done.stdout) == (0, "b10892\n")
    assert "b10893 is passed over" in done.stderr
    assert user.run("upstream", "resolve", "b10893").returncode == 7


@pytest.mark.parametrize("command", [("resolve", "latest"), ("list",)])
def test_a_target_of_another_engine_is_refused(user, command):
    done = user.run("upstream", *command, "-t", "llama-swap/linux-x86_64-cpu", "--json")
    assert done.returncode == 2
    assert "llama-swap/linux-x86_64-cpu" in error(done)["message"]
    assert user.run("upstream", *command, "-t", "llama.cpp/linux-x86_64-cpu,macos-arm64-metal").returncode == 0


def test_a_target_that_nobody_has_ends_with_3(user):
    done = user.run("upstream", "list", "-t", "windows-x86_64-cuda-99.9", "--json")
    assert done.returncode == 3
    assert "cuda-99.9" in error(done)["message"]


def test_list_says_what_is_left_out_and_why(user, github):
    files = tiny(github)
    del github.releases["b10900"].assets[list(files)[2]]
    (row, _) = user.json("upstream", "list")["releases"]
    assert (row["complete"], list(row["left_out"])) == (False, ["windows-x86_64-cuda-12.4"])
    assert "windows-x86_64-cuda-12.4 is left out: " in user.ok("upstream", "list", "--verbose")


def test_an_api_that_fails_is_not_blamed_on_a_mirror(user):
    done = user.run("upstream", "list", "--api", "http://127.0.0.1:1", "--json")
    assert done.returncode == 6
    assert "mirror" not in done.stdout + done.stderr


def test_a_listing_with_nothing_to_compare_is_not_said_to_be_without_drift(user, github):
    assert user.run("upstream", "drift", "--listing", record(user, github), "--json").returncode == 3
