"""Our own solver, held against what the recorded lock files decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.system.rattler_solver import Question, SolveFailure, solve_records
from tests.simulators.lock_world import PROJECT, RECORDED_CHANNEL

DECISIONS = json.loads((PROJECT / "tests/fixtures/conda/decisions.json").read_text())["decisions"]
MACOS = {"__unix": "0", "__osx": "14.0"}


def channel_as_of(newest: int, folder: Path) -> str:
    """Return a channel with the recorded packages that were there at a time."""
    for path in RECORDED_CHANNEL.glob("*/repodata.json"):
        document = json.loads(path.read_text())
        document["packages.conda"] = {
            name: record for name, record in document["packages.conda"].items() if record["timestamp"] <= newest
        }
        (folder / path.parent.name).mkdir()
        (folder / path.parent.name / "repodata.json").write_text(json.dumps(document))
    return folder.as_uri()


def solve(tmp_path: Path, *specs: str, channel: str = "", subdir: str = "osx-arm64", virtual_packages=None):
    question = Question([channel or RECORDED_CHANNEL.as_uri()], specs, subdir, virtual_packages or MACOS)
    return solve_records(question, tmp_path / "cache")


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: f"{decision['lock']}-{decision['subdir']}")
def test_it_decides_as_the_recorded_locks_did(tmp_path, decision):
    folder = tmp_path / "channel"
    folder.mkdir()
    found = solve(
        tmp_path,
        "python",
        channel=channel_as_of(decision["newest"], folder),
        subdir=decision["subdir"],
        virtual_packages=decision["virtual_packages"],
    )
    assert sorted(f"{record['subdir']}/{record['fn']}" for record in found) == decision["packages"]


def test_the_recorded_locks_left_something_to_decide():
    offered: dict[tuple[str, str], int] = {}
    for path in RECORDED_CHANNEL.glob("*/repodata.json"):
        for record in json.loads(path.read_text())["packages.conda"].values():
            key = (record["subdir"], record["name"])
            offered[key] = offered.get(key, 0) + 1
    assert sum(count > 1 for count in offered.values()) > len(offered) / 2


def test_a_record_is_the_channels_own_with_its_true_url(tmp_path):
    [python] = [record for record in solve(tmp_path, "python 3.14.*") if record["name"] == "python"]
    recorded = json.loads((RECORDED_CHANNEL / "osx-arm64/repodata.json").read_text())["packages.conda"][python["fn"]]
    assert {key: python[key] for key in recorded if key != "license_family"} == {
        key: value for key, value in recorded.items() if key != "license_family"
    }
    assert python["url"] == f"https://conda.anaconda.org/conda-forge/osx-arm64/{python['fn']}"


def test_the_floor_decides(tmp_path):
    with pytest.raises(SolveFailure) as caught:
        solve(tmp_path, "python 3.14.*", virtual_packages={"__unix": "0", "__osx": "10.15"})
    assert caught.value.kind == "unsatisfiable"
    assert "__osx >=11.0" in caught.value.message


@pytest.mark.parametrize(
    ("specs", "subdir", "kind"),
    [
        (["python 3.99.*"], "osx-arm64", "unsatisfiable"),
        (["python 3..x=z"], "osx-arm64", "specification"),
        (["python"], "amiga-68k", "specification"),
    ],
)
def test_what_cannot_be_solved_says_of_which_kind_it_is(tmp_path, specs, subdir, kind):
    with pytest.raises(SolveFailure) as caught:
        solve(tmp_path, *specs, subdir=subdir)
    assert caught.value.kind == kind


def test_a_channel_that_is_down_is_the_networks_fault(tmp_path):
    with pytest.raises(SolveFailure) as caught:
        solve(tmp_path, "python", channel="http://127.0.0.1:9/down")
    assert caught.value.kind == "network"


def test_repodata_that_is_no_json_is_damaged(tmp_path):
    for subdir in ("osx-arm64", "noarch"):
        (tmp_path / "bad" / subdir).mkdir(parents=True)
        (tmp_path / "bad" / subdir / "repodata.json").write_text('{"packages": tr')
    with pytest.raises(SolveFailure) as caught:
        solve(tmp_path, "python", channel=(tmp_path / "bad").as_uri())
    assert caught.value.kind == "damaged"
