from __future__ import annotations

import pytest

from pipeline.catalog.environments import environment_names, read_environment, read_spec
from pipeline.catalog.lock_files import LockError
from tests.simulators.locked_environment import CHANNEL, TinyEnvironment, wheel

MAC = "macos-arm64"
LINUX = "linux-x86_64"


@pytest.fixture
def tiny() -> TinyEnvironment:
    return TinyEnvironment()


def refused(tiny: TinyEnvironment, folder, platform: str = MAC) -> str:
    """Return what is said against an environment."""
    place = tiny.write(folder)
    with pytest.raises(LockError) as caught:
        read_environment(place, platform)
    assert caught.value.exit_code == 2
    return caught.value.message


def test_a_lock_and_its_records_make_an_environment(tiny, tmp_path):
    found = read_environment(tiny.write(tmp_path), MAC)
    assert (found.name, found.platform, found.python) == ("tiny", MAC, "3.14")
    assert (found.floors.macos, found.floors.glibc) == ("14.0", None)
    assert found.specs == ("python 3.14.*",)
    assert found.virtual_packages == {"__unix": "0", "__osx": "14.0"}
    assert [package.name for package in found.conda] == ["python", "tz"]
    python, tz = found.conda
    assert python.url == f"{CHANNEL}/osx-arm64/python-3.14.9-h0_1.conda"
    assert (python.size_bytes, python.license, python.depends) == (20_000_000, "Python-2.0", ("tz",))
    assert (tz.subdir, tz.noarch) == ("noarch", "generic")
    assert [w.project for w in found.wheels] == ["tiny-array", "tiny-metal", "tiny-mlx"]
    assert found.wheel("tiny-array").filename == "tiny_array-2.0-cp314-cp314-macosx_11_0_arm64.whl"


def test_another_platform_has_its_own_packages_wheels_and_floor(tiny, tmp_path):
    found = read_environment(tiny.write(tmp_path), LINUX)
    assert (found.floors.macos, found.floors.glibc) == (None, "2.35")
    assert {package.subdir for package in found.conda} == {"linux-64", "noarch"}
    assert [w.project for w in found.wheels] == ["tiny-array", "tiny-mlx"]


def test_what_is_asked_for_can_be_read_before_anything_is_locked(tiny, tmp_path):
    tiny.lock, tiny.pylocks = None, {}
    spec = read_spec(tiny.write(tmp_path), MAC)
    assert (spec.channels, spec.specs, spec.python) == (("conda-forge",), ("python 3.14.*",), "3.14")


@pytest.mark.parametrize("digest", [None, "A" * 64, "12"])
def test_a_package_without_a_sha256_is_refused_by_name(tiny, tmp_path, digest):
    tiny.package("python")["hash"] = {"md5": "0" * 32} if digest is None else {"sha256": digest}
    said = refused(tiny, tmp_path)
    assert "conda-lock.yml: package python for osx-arm64: hash.sha256: " in said


@pytest.mark.parametrize("size", [None, 0])
def test_a_package_whose_record_has_no_size_is_refused_by_name(tiny, tmp_path, size):
    record = tiny.record("tz")
    record.pop("size") if size is None else record.update(size=size)
    assert "conda-records.json: packages.noarch/tz-2026a-h0_1.conda: size: " in refused(tiny, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("sha256", "0" * 64), ("md5", "0" * 32), ("version", "3.14.8"), ("url", f"{CHANNEL}x/osx-arm64/p-1-0.conda")],
)
def test_a_record_that_contradicts_the_lock_is_refused(tiny, tmp_path, key, value):
    tiny.record("python")[key] = value
    assert f"package python for osx-arm64: {key}: is " in refused(tiny, tmp_path)


def test_a_package_without_a_record_is_refused(tiny, tmp_path):
    del tiny.records["packages"]["osx-arm64/python-3.14.9-h0_1.conda"]
    assert "has no record 'osx-arm64/python-3.14.9-h0_1.conda'" in refused(tiny, tmp_path)


def test_all_complaints_about_a_lock_are_listed_at_once(tiny, tmp_path):
    tiny.package("python")["hash"] = {}
    tiny.record("tz").pop("size")
    said = refused(tiny, tmp_path)
    assert "package python" in said
    assert "tz-2026a" in said


def test_a_package_that_is_listed_twice_is_refused(tiny, tmp_path):
    tiny.lock["package"].append(tiny.package("python"))
    assert "package python for osx-arm64: is listed twice" in refused(tiny, tmp_path)


def test_a_lock_with_wheels_among_its_packages_is_refused(tiny, tmp_path):
    tiny.package("tz")["manager"] = "pip"
    assert "manager: is 'pip'" in refused(tiny, tmp_path)


def test_a_url_that_is_no_conda_package_is_refused(tiny, tmp_path):
    tiny.package("tz")["url"] = f"{CHANNEL}/noarch/tz.zip"
    assert "tz.zip is no conda package" in refused(tiny, tmp_path)


def test_a_lock_of_another_version_is_refused(tiny, tmp_path):
    tiny.lock["version"] = 2
    assert "conda-lock.yml: version: is 2" in refused(tiny, tmp_path)


def test_a_lock_without_the_platform_is_refused(tiny, tmp_path):
    tiny.lock["package"] = [e for e in tiny.lock["package"] if e["platform"] == "linux-64"]
    assert "has no package for osx-arm64" in refused(tiny, tmp_path)


@pytest.mark.parametrize("name", ["conda-lock.yml", "conda-records.json", "pylock.macos-arm64.toml"])
def test_a_file_that_is_missing_says_how_to_make_it(tiny, tmp_path, name):
    place = tiny.write(tmp_path)
    (place / name).unlink()
    with pytest.raises(LockError, match=name) as caught:
        read_environment(place, MAC)
    assert "lock --env tiny" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("conda-lock.yml", "a: [", "is no YAML"),
        ("conda-lock.yml", "- a\n", "holds no mapping"),
        ("conda-lock.yml", "version: 1\npackage: {}\n", "package: is no list"),
        ("conda-records.json", "{", "is no JSON"),
        ("conda-records.json", "{}", "packages: is no object"),
        ("pylock.macos-arm64.toml", "=", "is no TOML"),
        ("environment.yml", "name: tiny\nchannels: [c]\nplatforms: [osx-arm64]\n", "dependencies: is missing"),
        ("virtual-packages.yml", "subdirs: {}\n", "subdirs.osx-arm64: is missing"),
    ],
)
def test_a_malformed_file_is_named(tiny, tmp_path, name, text, said):
    place = tiny.write(tmp_path)
    (place / name).write_text(text)
    with pytest.raises(LockError, match=name) as caught:
        read_environment(place, MAC)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("tiny_array-2.0-cp314-cp314-manylinux_2_28_x86_64.whl", "not for macos-arm64"),
        ("tiny_array-2.0-cp313-cp313-macosx_11_0_arm64.whl", "has Python 3.14"),
        ("tiny_array-2.0-cp314-cp314-macosx_15_0_arm64.whl", "needs macOS 15.0 or newer, the floor is 14.0"),
        ("tiny_array-2.0-cp314-cp314t-macosx_11_0_arm64.whl", "has Python 3.14"),
        ("tiny_array-2.0-cp314-cp314-macosx_11_0_x86_64.whl", "not for macos-arm64"),
    ],
)
def test_a_wheel_for_another_platform_python_or_a_higher_floor_is_refused(tiny, tmp_path, filename, why):
    tiny.pylocks[MAC][2] = wheel("Tiny.Array", "2.0", filename)
    said = refused(tiny, tmp_path)
    assert "pylock.macos-arm64.toml: package Tiny.Array: " in said
    assert why in said


def test_a_wheel_for_a_newer_glibc_than_the_floor_is_refused(tiny, tmp_path):
    tiny.pylocks[LINUX][1] = wheel("Tiny.Array", "2.0", "tiny_array-2.0-cp314-cp314-manylinux_2_36_x86_64.whl")
    assert "needs glibc 2.36 or newer, the floor is 2.35" in refused(tiny, tmp_path, LINUX)


@pytest.mark.parametrize(
    "filename",
    [
        "tiny_array-2.0-cp310-abi3-macosx_10_9_universal2.whl",
        "tiny_array-2.0-py2.py3-none-any.whl",
        "tiny_array-2.0-cp314-cp314-macosx_14_0_arm64.whl",
    ],
)
def test_a_wheel_that_fits_is_taken(tiny, tmp_path, filename):
    tiny.pylocks[MAC][2] = wheel("Tiny.Array", "2.0", filename)
    assert read_environment(tiny.write(tmp_path), MAC).wheel("tiny-array").filename == filename


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wheels": []}, "lists 0 files"),
        ({"sdist": {"path": "x"}}, "sdist: only wheels"),
        ({"marker": "python_version > '3'"}, "marker: "),
        ({"version": "9"}, "is tiny-array 2.0, not tiny-array 9"),
        ({"name": "other"}, "is tiny-array 2.0, not other 2.0"),
    ],
)
def test_a_package_that_is_not_one_wheel_is_refused(tiny, tmp_path, change, said):
    if "sdist" in change:  # a table of TOML
        tiny.pylocks[MAC][2] = {**tiny.pylocks[MAC][2], "sdist": "x"}
    else:
        tiny.pylocks[MAC][2] = {**tiny.pylocks[MAC][2], **change}
    assert said in refused(tiny, tmp_path)


@pytest.mark.parametrize("key", ["size", "sha256", "path"])
def test_a_wheel_without_size_sha256_or_path_is_refused(tiny, tmp_path, key):
    del tiny.pylocks[MAC][0]["wheels"][0][key]
    assert "package tiny-mlx: wheels.0." in refused(tiny, tmp_path)


def test_a_project_that_is_locked_twice_is_refused(tiny, tmp_path):
    tiny.pylocks[MAC].append(tiny.pylocks[MAC][0])
    assert "package tiny-mlx: is listed twice" in refused(tiny, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('"1.0"', '"2.0"', "lock-version: is '2.0'"), ('">=3.14"', '">=3.15"', "requires-python: is '>=3.15'")],
)
def test_a_pylock_of_another_version_or_python_is_refused(tiny, tmp_path, old, new, said):
    tiny.header = tiny.header.replace(old, new)
    assert said in refused(tiny, tmp_path)


def test_a_locked_python_that_was_not_asked_for_is_refused(tiny, tmp_path):
    tiny.environment["dependencies"] = ["python 3.13.*"]
    assert "has Python 3.14.9 for macos-arm64, and environment.yml asks for 3.13" in refused(tiny, tmp_path)


@pytest.mark.parametrize(
    ("dependencies", "said"),
    [
        (["python 3.14.*", {"pip": ["mlx"]}], "has a pip section"),
        (["numpy"], "say no Python, or several"),
        (["python 3.14.*", "python 3.13.*"], "say no Python, or several"),
    ],
)
def test_dependencies_that_cannot_be_locked_so_are_refused(tiny, tmp_path, dependencies, said):
    tiny.environment["dependencies"] = dependencies
    assert said in refused(tiny, tmp_path)


def test_a_platform_that_the_environment_is_not_for_is_refused(tiny, tmp_path):
    assert "platforms: has no win-64" in refused(tiny, tmp_path, "windows-x86_64")


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        ({"__osx": 14.0}, "packages.__osx"),
        ({"__unix": "0"}, "has no __osx"),
        ({"__osx": "fourteen"}, "is no version"),
    ],
)
def test_a_floor_that_cannot_be_relied_on_is_refused(tiny, tmp_path, packages, said):
    tiny.virtual_packages["subdirs"]["osx-arm64"]["packages"] = packages
    assert said in refused(tiny, tmp_path)


def test_two_environments_with_one_name_are_refused(tiny, tmp_path):
    tiny.write(tmp_path)
    tiny.write(tmp_path, "copy")
    with pytest.raises(LockError) as caught:
        environment_names(tmp_path)
    assert "copy/environment.yml: name: is 'tiny', as " in caught.value.message
    with pytest.raises(LockError, match="name: is 'tiny'"):
        read_environment(tmp_path / "tiny", MAC)


def test_environments_are_listed_by_name(tiny, tmp_path):
    tiny.write(tmp_path)
    tiny.environment["name"] = "another"
    tiny.write(tmp_path, "another")
    (tmp_path / "recorded-channel").mkdir()
    assert environment_names(tmp_path) == ("another", "tiny")


def test_an_environment_that_is_not_there_names_those_that_are(tiny, tmp_path):
    tiny.write(tmp_path)
    with pytest.raises(LockError, match="is missing") as caught:
        read_environment(tmp_path / "mlx", MAC)
    assert "tiny" in caught.value.hint


def test_where_only_wheels_are_locked_the_reason_is_kept(tiny, tmp_path):
    tiny.lock = None
    place = tiny.write(tmp_path)
    (place / "conda-problem.txt").write_text("nobody has\nrecords of it\n")
    found = read_environment(place, MAC)
    assert (found.conda, found.conda_problem, found.python) == ((), "nobody has records of it", "3.14")


def test_a_reason_for_no_lock_beside_a_lock_is_refused(tiny, tmp_path):
    place = tiny.write(tmp_path)
    (place / "conda-problem.txt").write_text("there is none")
    with pytest.raises(LockError, match=r"says that there is no conda-lock\.yml"):
        read_environment(place, MAC)


def test_an_empty_reason_for_no_lock_is_refused(tiny, tmp_path):
    tiny.lock = None
    place = tiny.write(tmp_path)
    (place / "conda-problem.txt").write_text("\n")
    with pytest.raises(LockError, match="is empty") as caught:
        read_environment(place, MAC)
    assert "conda-problem.txt" in caught.value.hint
