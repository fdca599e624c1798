"""A real bundle that outgrows its budget: what `build` and `report check` say, and what they leave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.conftest import make_user
from tests.simulators.command_line import PROJECT
from tests.simulators.later import days_ahead

if TYPE_CHECKING:
    from tests.simulators.command_line import CommandLine

TARGET = "linux-x86_64-cpu"
LIBRARY = "bin/libtiny.so.1.2.3"
ROOMY = """
[budgets]
growth = { fraction = 0.05, floor_bytes = 20_000 }

[[budgets.bundles]]
targets = ["linux-x86_64-*"]
download_bytes = 5_000_000
installed_bytes = 5_000_000
"""
TIGHT = ROOMY + "\n[budgets.bundles.layers]\ncore = { installed_bytes = 1000 }\n"
MORE_TEXT = 'extern const char tiny_table[];\nconst char tiny_table[300000] = "grown";\n'


def build(user: CommandLine, *more: str | Path) -> subprocess.CompletedProcess[str]:
    return user.run("build", "--target", TARGET, "--prove", "none", *more)


def set_budgets(user: CommandLine, text: str) -> None:
    recipe = user.recipes / "engines" / "tiny-engine.toml"
    recipe.write_text(recipe.read_text().partition("\n[budgets]")[0] + text)


def grow(user: CommandLine) -> None:
    path = user.home / "source" / "src" / "words.cpp"
    path.write_text(path.read_text() + MORE_TEXT)


@pytest.fixture(scope="module")
def publisher(tmp_path_factory) -> CommandLine:
    """Return who has published t1, and has built a t2 that is larger into `dist`."""
    user = make_user(tmp_path_factory.mktemp("publisher"))
    user.ok("build", "--target", TARGET, "--prove", "none", "--release", "t1", "--output", "published")
    user.ok("keys", "init", "--no-passphrase", "--keys", "keys")
    user.ok("publish", "--allow-development", "--to", "repository", "--from", "published", "--keys", "keys")
    grow(user)
    user.ok("build", "--target", TARGET, "--prove", "none", "--release", "t2", "--output", "dist")
    user.variables["ENGINE_PIPELINE_TRUSTED_ROOT"] = str(user.home / "keys" / "root.json")
    return user


def test_a_bundle_within_its_budget_is_built_and_its_figures_are_in_the_document(user):
    set_budgets(user, ROOMY)
    done = build(user, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["budgets"]["over"] == []
    assert [figure["measure"] for figure in document["budgets"]["figures"]] == ["download", "installed"]
    assert "error" not in document


def test_a_bundle_above_its_budget_ends_the_build_with_11_and_is_kept(user):
    set_budgets(user, TIGHT)
    done = build(user)
    assert done.returncode == 11
    assert "installed of layer core" in done.stdout
    assert LIBRARY in done.stdout
    assert "recipes/engines/tiny-engine.toml" in done.stderr
    assert "docs/errors/budget.md" in done.stderr
    (artifact,) = json.loads((user.home / "dist" / "manifest.json").read_text())["artifacts"]
    assert (user.home / "dist" / artifact["url"]).stat().st_size == artifact["size"]
    assert user.run("verify", "dist").returncode == 0


def test_with_json_the_one_document_has_the_bundle_the_verdict_and_the_error(user):
    set_budgets(user, TIGHT)
    done = build(user, "--json")
    assert done.returncode == 11
    document = json.loads(done.stdout)
    (over,) = document["budgets"]["over"]
    assert (over["layer"], over["measure"], over["limit"]) == ("core", "installed", 1000)
    assert document["budgets"]["explanations"][0]["largest"]
    assert document["error"]["code"] == 11
    assert document["error"]["class"] == "BudgetError"
    assert document["artifacts"][0]["version"] == "t2"


def test_a_budget_may_be_a_warning_and_may_be_looked_away_from(user):
    set_budgets(user, TIGHT)
    warned = build(user, "--budget", "warn")
    assert warned.returncode == 0
    assert "warning: tiny-engine/linux-x86_64-cpu t2: installed of layer core is" in warned.stderr
    assert "Over budget" in warned.stdout
    unseen = build(user, "--budget", "off", "--json")
    assert unseen.returncode == 0
    assert json.loads(unseen.stdout)["budgets"] is None


def test_a_target_without_a_budget_is_said_and_is_no_failure(user):
    done = build(user)
    assert done.returncode == 0
    assert "no budget is set for tiny-engine/linux-x86_64-cpu t2" in done.stderr
    checked = user.run("check")
    assert checked.returncode == 0
    assert "tiny-engine.toml sets no budget for linux-x86_64-cpu" in checked.stderr


def test_a_job_summary_has_the_tables(user, tmp_path):
    set_budgets(user, TIGHT)
    user.variables["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
    assert build(user).returncode == 11
    summary = (tmp_path / "summary.md").read_text()
    assert "### Over budget" in summary
    assert f"| core | {LIBRARY} |" in summary


def test_a_bundle_that_outgrew_the_published_release_names_the_file_and_its_sections(publisher):
    set_budgets(publisher, ROOMY)
    done = build(publisher, "--release", "t2", "--output", "dist", "--baseline-from", "repository")
    assert done.returncode == 11
    assert "growth from" in done.stdout
    (line,) = (line for line in done.stdout.splitlines() if LIBRARY in line)
    assert "rodata 30" in line


def test_the_baseline_may_be_a_dist_folder_and_allowed_growth_passes(publisher):
    set_budgets(publisher, ROOMY.replace("20_000", "900_000"))
    checked = publisher.json("report", "check", "--baseline-from", "published")
    assert {figure["before"] is None for figure in checked["budgets"]["figures"]} == {True, False}
    assert checked["budgets"]["over"] == []


def test_report_check_says_which_layer_and_file_grew(publisher):
    set_budgets(publisher, ROOMY)
    done = publisher.run("report", "check", "--baseline-from", "repository", "--json")
    assert done.returncode == 11
    document = json.loads(done.stdout)
    (explanation,) = document["budgets"]["explanations"]
    assert explanation["baseline"] == "t1"
    assert [layer["name"] for layer in explanation["layers"]] == ["core"]
    grown = explanation["files"][0]
    assert (grown["layer"], grown["path"]) == ("core", LIBRARY)
    assert grown["sections"][0]["name"] == "rodata"
    assert document["error"]["code"] == 11
    warned = publisher.run("report", "check", "--baseline-from", "repository", "--budget", "warn")
    assert warned.returncode == 0


def test_report_check_of_a_repository_shows_how_much_is_used(publisher):
    set_budgets(publisher, ROOMY)
    said = publisher.ok("report", "check", "--from", "repository")
    assert "tiny-engine/linux-x86_64-cpu  t1" in said
    assert "%" in said


def test_a_baseline_that_is_not_there_stops_a_build_before_it_begins(user):
    done = build(user, "--baseline-from", "nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert not (user.home / "dist").exists()
    assert build(user, "--baseline", "t1").returncode == 2


def test_a_version_that_was_never_published_stops_a_build_before_it_begins(publisher):
    done = build(publisher, "--baseline-from", "published", "--baseline", "t9", "--output", "never")
    assert done.returncode == 3
    assert "there are t1" in done.stderr
    assert not (publisher.home / "never").exists()


def test_a_version_that_only_another_target_has_stops_a_build_before_it_begins(publisher, tmp_path):
    (tmp_path / "other").mkdir()
    text = (publisher.home / "published" / "manifest.json").read_text()
    assert '"accel": "cpu"' in text
    (tmp_path / "other" / "manifest.json").write_text(text.replace('"accel": "cpu"', '"accel": "vulkan"'))
    done = build(publisher, "--baseline-from", tmp_path / "other", "--baseline", "t1", "--output", "never")
    assert done.returncode == 3
    assert "has no version t1 of tiny-engine/linux-x86_64-cpu" in done.stderr
    assert not (publisher.home / "never").exists()


def test_a_baseline_that_goes_while_it_is_compiled_leaves_the_build_its_verdict(user):
    user.ok("build", "--target", TARGET, "--prove", "none", "--release", "t1", "--output", "published")
    set_budgets(user, ROOMY)
    grow(user)
    with (user.home / "source" / "CMakeLists.txt").open("a") as listing:
        listing.write(f'file(REMOVE_RECURSE "{user.home / "published"}")\n')
    done = build(user, "--release", "t2", "--baseline-from", "published", "--json")
    assert not (user.home / "published").exists()
    assert done.returncode == 11
    assert "warning: what grew cannot be said" in done.stderr
    document = json.loads(done.stdout)
    assert {figure["kind"] for figure in document["budgets"]["over"]} == {"growth"}
    assert user.run("verify", "dist").returncode == 0


def test_a_build_may_be_compared_with_a_copy_of_a_repository_that_has_gone_on(publisher, tmp_path):
    set_budgets(publisher, ROOMY.replace("20_000", "900_000"))
    newer, cache = tmp_path / "newer", ("--cache-dir", tmp_path / "cache")
    shutil.copytree(publisher.home / "repository", newer)
    publisher.ok("publish", "--allow-development", "--to", newer, "--from", "dist", "--keys", "keys")
    publisher.ok("report", "check", "--from", newer, *cache)
    older = ("--baseline-from", "repository", "--output", tmp_path / "dist")
    done = build(publisher, "--release", "t2", *older, *cache)
    assert done.returncode == 0, done.stderr


def script_of(provider: str) -> str:
    """Return what the job that publishes runs to compare, of the project's own workflows."""
    if provider == "github":
        jobs = yaml.safe_load((PROJECT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
        lines = [step.get("run", "") for step in jobs["publish"]["steps"]]
    else:
        lines = yaml.safe_load((PROJECT / ".gitlab-ci.yml").read_text())["publish"]["script"]
    (script,) = (line for line in lines if "report check" in line)
    return script


def compare_in_ci(
    publisher: CommandLine, folder: Path, *, provider: str, days: int
) -> subprocess.CompletedProcess[str]:
    """Run that where ``dist`` and ``repository`` lie, some days later."""
    ahead = days_ahead(folder / "ahead", days)
    environment = {
        **publisher.environment(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ahead}:{PROJECT}",
        "ENGINE_PIPELINE_CACHE_DIR": str(folder / "cache"),
    }
    argv = ("bash", "-e", "-o", "pipefail", "-c", script_of(provider))
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_ci_goes_on_uncompared_when_signatures_have_ended_and_for_no_other_reason(publisher, tmp_path, provider):
    set_budgets(publisher, ROOMY.replace("20_000", "900_000"))
    for name in ("fresh", "ended", "changed"):
        for part in ("dist", "repository"):
            shutil.copytree(publisher.home / part, tmp_path / name / part)
    fresh = compare_in_ci(publisher, tmp_path / "fresh", provider=provider, days=0)
    assert fresh.returncode == 0, fresh.stderr
    assert "not compared" not in fresh.stdout + fresh.stderr
    ended = compare_in_ci(publisher, tmp_path / "ended", provider=provider, days=8)
    assert ended.returncode == 0, ended.stderr
    assert "not compared with what is published: its signatures ended" in ended.stdout + ended.stderr
    stamp = tmp_path / "changed" / "repository" / "metadata" / "timestamp.json"
    stamp.write_text(stamp.read_text().replace('"version":', '"version":1', 1))
    changed = compare_in_ci(publisher, tmp_path / "changed", provider=provider, days=0)
    assert changed.returncode == 8, changed.stderr


def test_a_baseline_with_no_earlier_release_is_said_and_is_no_failure(publisher):
    set_budgets(publisher, ROOMY)
    said = publisher.run("report", "check", "--from", "published")
    assert said.returncode == 0
    assert "there is no earlier release of tiny-engine/linux-x86_64-cpu t1" in said.stderr
    wrong = publisher.run("report", "check", "--baseline", "t0", "--baseline-from", "repository")
    assert wrong.returncode == 3


def test_a_damaged_layer_of_the_baseline_is_named_and_the_verdict_stands_without_it(publisher, tmp_path):
    set_budgets(publisher, ROOMY)
    user = publisher
    damaged = user.home / "damaged"
    subprocess.run(["cp", "-r", user.home / "published", damaged], check=True)
    (layer,) = (path for path in (damaged / "tiny-engine" / "layers").rglob("core-*") if "debug" not in path.name)
    layer.write_bytes(layer.read_bytes()[:-9] + b"something")
    cache = ("--cache-dir", tmp_path / "cache")  # what was read before is not read again
    done = user.run("report", "check", "--baseline-from", "damaged", *cache, "--json")
    assert done.returncode == 11
    assert "warning: what grew cannot be said" in done.stderr
    assert layer.name in done.stderr
    document = json.loads(done.stdout)
    assert document["budgets"]["over"]
    assert document["budgets"]["explanations"] == []


def test_the_events_of_a_build_are_still_in_their_file_when_it_was_compared(publisher, tmp_path):
    set_budgets(publisher, ROOMY)
    events = tmp_path / "events.jsonl"
    compared = ("--baseline-from", "repository", "--cache-dir", tmp_path / "cache", "--json-events", events)
    done = build(publisher, "--release", "t2", "--output", "again", *compared)
    assert done.returncode == 11
    steps = [json.loads(line).get("step", "") for line in events.read_text().splitlines()]
    assert any(step.startswith("compile ") for step in steps)
    assert any(step.startswith("read ") for step in steps)
