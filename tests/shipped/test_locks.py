from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = {flavor: ROOT / "ci" / "requirements" / f"{flavor}.txt" for flavor in ("runtime", "installer", "dev")}


def locked(flavor: str) -> dict[str, list[tuple[Version, int]]]:
    """Return project name to (version, number of hashes), one entry a line of the lock."""
    text = LOCKS[flavor].read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[tuple[Version, int]]] = {}
    for line in text.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;]+)", line)
        if match:
            hashes = len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line))
            found.setdefault(canonicalize_name(match[1]), []).append((Version(match[2]), hashes))
    return found


def wanted(flavor: str) -> list[Requirement]:
    listed = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["mirror"]]
    if flavor != "installer":
        listed += PROJECT["project"]["optional-dependencies"]["build"]
    if flavor == "dev":
        listed += PROJECT["dependency-groups"]["dev"]
    return [Requirement(text) for text in listed]


@pytest.mark.parametrize("flavor", LOCKS)
def test_every_locked_requirement_is_one_version_with_hashes(flavor):
    requirements = locked(flavor)
    assert len(requirements) > 20
    assert [name for name, entries in requirements.items() if not all(count for _, count in entries)] == []


@pytest.mark.parametrize("flavor", LOCKS)
def test_no_lock_names_an_index_or_a_url(flavor):
    text = LOCKS[flavor].read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


@pytest.mark.parametrize("flavor", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(flavor):
    requirements = locked(flavor)
    for requirement in wanted(flavor):
        versions = [version for version, _ in requirements.get(canonicalize_name(requirement.name), [])]
        assert versions, f"{requirement.name} is not in {LOCKS[flavor]}: run ci/lock"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: run ci/lock"


def test_the_lock_of_mirrors_is_a_part_of_the_one_of_this_project():
    runtime, carried = locked("runtime"), locked("installer")
    assert {name: [version for version, _ in entries] for name, entries in carried.items()} == {
        name: [version for version, _ in runtime[name]] for name in carried
    }
    assert "lief" not in carried


def test_the_two_locks_agree_on_every_version():
    runtime, dev = locked("runtime"), locked("dev")
    assert {name: entries for name, entries in runtime.items() if dev.get(name) != entries} == {}
