"""Release plans as they are read, and builds held against them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli.planning import read_release_plans, require_planned
from pipeline.errors import IntegrityError, UsageError
from pipeline.model.plan import Decision, Plan
from pipeline.model.release_plan import PlannedBundle

CPU = {"target": "llama.cpp/linux-x86_64-cpu", "version": "b1"}
METAL = {"target": "llama.cpp/macos-arm64-metal", "version": "b1"}


def written(folder: Path, *bundles: dict[str, str], name: str = "plan.json", **fields: object) -> Path:
    path = folder / name
    path.write_text(json.dumps({"schema_version": 1, "bundles": bundles} | fields))
    return path


def plan_of(version: str) -> Plan:
    decision = Decision(target=CPU["target"], version=version, origin="built", why="", proof="none")
    return Plan(targets=(CPU["target"],), decisions=(decision,), steps=())


def test_several_plans_are_one_release(tmp_path):
    paths = [written(tmp_path, CPU), written(tmp_path, CPU, METAL, name="other.json")]
    found = read_release_plans(paths)
    assert found.bundles == (PlannedBundle(**CPU), PlannedBundle(**METAL))
    assert read_release_plans([]) is None


def test_a_bundle_that_is_named_twice_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"names llama\.cpp/linux-x86_64-cpu b1 twice"):
        read_release_plans([written(tmp_path, CPU, CPU)])


@pytest.mark.parametrize(
    "fields",
    [
        {"bundles": []},
        {"bundles": [{"target": "linux-x86_64-cpu", "version": "b1"}]},
        {"bundles": [{"target": CPU["target"]}]},
        {"schema_version": 2},
        {"include": []},
    ],
)
def test_what_is_no_release_plan_is_refused(tmp_path, fields):
    with pytest.raises(IntegrityError, match=r"release plan .*plan\.json"):
        read_release_plans([written(tmp_path, CPU, **fields)])


def test_a_plan_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError):
        read_release_plans([tmp_path / "none.json"])


def test_what_was_not_planned_is_not_made(tmp_path):
    expected = read_release_plans([written(tmp_path, CPU, METAL)])
    require_planned(plan_of("b1"), expected)
    with pytest.raises(UsageError, match=r"does not have llama\.cpp/linux-x86_64-cpu b2"):
        require_planned(plan_of("b2"), expected)
