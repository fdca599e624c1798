"""``lock --check``: what is stale and why, from the files alone."""

from __future__ import annotations

import json

import pytest

from pipeline.catalog.lock_files import LockError
from pipeline.lock import stale
from pipeline.lock.generated import Generated, parse, render, together
from tests.simulators.lock_world import PLATFORMS


def reasons(world, platforms=PLATFORMS) -> list[str]:
    return [reason.removeprefix(f"{world.folder}/") for reason in stale(world.folder, platforms)]


def remake(world, name: str, old: str, new: str) -> None:
    """Change a generated file, and the heads of all as if that had been solved."""
    world.edit(name, old, new)
    files = {path.name: parse(path.name, path.read_text()) for path in world.folder.glob("*lock*")}
    files |= {path.name: parse(path.name, path.read_text()) for path in world.folder.glob("conda-records.json")}
    digest = together(file for file, _ in files.values())
    for file, _ in files.values():
        (world.folder / file.filename).write_text(render(file, environment="tiny", together=digest))


def test_a_new_lock_is_fresh(locked):
    assert reasons(locked) == []


def test_a_changed_requirement_makes_the_wheels_stale_and_not_the_base(locked):
    locked.require("thing>=1")
    assert reasons(locked) == [
        "pylock.linux-x86_64.toml: requirements.in changed since it was made",
        "pylock.macos-arm64.toml: requirements.in changed since it was made",
    ]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("environment.yml", "3.14.*", "3.14.9"), ("virtual-packages.yml", '"14.0"', '"15.0"')],
)
def test_a_changed_base_makes_everything_stale(locked, name, old, new):
    locked.edit(name, old, new)
    assert [reason.partition(":")[0] for reason in reasons(locked)] == [
        "conda-lock.yml",
        "conda-records.json",
        "pylock.linux-x86_64.toml",
        "pylock.macos-arm64.toml",
    ]
    assert all(f"{name} changed" in reason for reason in reasons(locked))


@pytest.mark.parametrize("name", ["conda-lock.yml", "conda-records.json", "pylock.macos-arm64.toml"])
def test_a_lock_that_is_missing_is_named(locked, name):
    (locked.folder / name).unlink()
    assert reasons(locked) == [f"{name}: is missing"]


def test_a_missing_hand_written_file_is_named(locked):
    (locked.folder / "requirements.in").unlink()
    assert set(reasons(locked)) == {"requirements.in: is missing"}


@pytest.mark.parametrize("name", ["conda-lock.yml", "pylock.macos-arm64.toml"])
def test_a_lock_that_does_not_say_what_it_was_made_from_is_stale(locked, name):
    path = locked.folder / name
    path.write_text(path.read_text().partition("\n")[2])
    assert reasons(locked) == [f"{name}: does not say what it was made from"]


@pytest.mark.parametrize("text", ["[1]", "{", "null"])
def test_records_that_are_none_are_stale(locked, text):
    (locked.folder / "conda-records.json").write_text(text)
    assert any(reason.startswith("conda-records.json: cannot be read") for reason in reasons(locked))


def test_a_platform_without_a_lock_is_named(locked):
    locked.edit("environment.yml", "linux-64]", "linux-64, linux-aarch64]")
    locked.edit("virtual-packages.yml", "  linux-64", '  linux-aarch64: {packages: {__glibc: "2.35"}}\n  linux-64')
    assert "pylock.linux-arm64.toml: is missing" in reasons(locked, (*PLATFORMS, "linux-arm64"))


def test_a_lock_of_another_platform_is_named(locked):
    assert "pylock.linux-x86_64.toml: is of a platform that is no more asked for" in reasons(locked, PLATFORMS[:1])


def test_an_edited_lock_is_found_by_the_digest_over_all(locked):
    locked.edit("conda-lock.yml", "category: main", "category: dev")
    assert [reason.partition(":")[0] for reason in reasons(locked)] == [
        "conda-lock.yml",
        "pylock.linux-x86_64.toml",
        "pylock.macos-arm64.toml",
    ]


def test_a_locked_version_that_requirements_forbid_is_named(locked):
    remake(
        locked,
        "pylock.macos-arm64.toml",
        '"1.0"\nwheels = [{ path = "thing-1.0',
        '"0.9"\nwheels = [{ path = "thing-0.9',
    )
    assert reasons(locked) == ["pylock.macos-arm64.toml: has thing 0.9, and requirements.in asks for thing==1.0"]


def test_a_requirement_that_nothing_satisfies_is_named_on_its_platform_alone(locked):
    path = locked.folder / "pylock.linux-x86_64.toml"
    remake(locked, path.name, 'name = "thing"', 'name = "other"')
    remake(locked, path.name, 'path = "thing-', 'path = "other-')
    assert reasons(locked) == ["pylock.linux-x86_64.toml: has nothing of it, and requirements.in asks for thing==1.0"]


def test_a_wheel_above_the_floor_contradicts_it(locked):
    remake(locked, "pylock.macos-arm64.toml", "thing-1.0-py3-none-any", "thing-1.0-py3-none-macosx_15_0_arm64")
    assert len(reasons(locked)) == 1
    assert "macosx_15_0_arm64" in reasons(locked)[0]


def test_a_conda_package_above_the_floor_contradicts_it(locked):
    document = json.loads((locked.folder / "conda-records.json").read_text())
    key = next(key for key in document["packages"] if key.startswith("osx-arm64/tk-"))
    document["packages"][key]["depends"] = ["__osx >=15.0"]
    (locked.folder / "conda-records.json").write_text(json.dumps(document))
    remake(locked, "conda-records.json", "__osx >=15.0", "__osx >=15.0")
    assert reasons(locked) == ["conda-lock.yml: tk 8.6.13 needs __osx >=15.0, and virtual-packages.yml promises 14.0"]


def test_another_python_than_asked_for_contradicts_environment_yml(locked):
    for name in ("conda-records.json", "conda-lock.yml"):
        text = (locked.folder / name).read_text().replace("python-3.14.9-", "python-3.13.9-")
        text = text.replace('"version": "3.14.9"', '"version": "3.13.9"').replace("version: 3.14.9", "version: 3.13.9")
        (locked.folder / name).write_text(text.replace("libpython-3.13", "libpython-3.14"))
    remake(locked, "conda-lock.yml", "manager: conda", "manager: conda")
    assert any("3.13.9" in reason for reason in reasons(locked))


def test_a_hand_written_file_that_makes_no_sense_is_no_stale_lock_but_an_error(locked):
    locked.edit("environment.yml", "python 3.14.*", "pip")
    with pytest.raises(LockError):
        stale(locked.folder, PLATFORMS)


def test_the_head_of_a_file_is_read_back():
    file = Generated("pylock.x.toml", {"requirements.in": "0" * 64}, 'lock-version = "1.0"\n', ("solved from: here",))
    again, head = parse(file.filename, render(file, environment="e", together="1" * 64))
    assert again == file
    assert (head.inputs, head.together) == ({"requirements.in": "0" * 64}, "1" * 64)
