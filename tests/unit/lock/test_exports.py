"""Locks in the form of other installers, taken by those installers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib

import pytest

from pipeline.catalog.environments import read_environment, read_spec
from pipeline.errors import UsageError
from pipeline.lock.exports import export
from pipeline.lock.pylock import chosen_wheels
from pipeline.lock.refusals import NoWheelError, UncheckableError
from pipeline.model.environment import WheelFile
from pipeline.model.pylock_text import pylock_body


class Index:
    """Has every file at one place."""

    def urls_of(self, package: str, filename: str) -> tuple[str, ...]:
        return (f"https://127.0.0.1:9/{package}/{filename}", "https://127.0.0.1:9/other")


def test_an_explicit_list_has_every_package_with_its_digests(locked):
    lines = export(locked.folder, "macos-arm64", form="conda-explicit", index=None).splitlines()
    packages = read_environment(locked.folder, "macos-arm64").conda
    assert "# platform: osx-arm64" in lines
    assert lines[lines.index("@EXPLICIT") + 1 :] == [f"{package.url}#{package.md5}" for package in packages]
    assert all(f"# sha256 {package.sha256} {package.filename}" in lines for package in packages)


def test_an_explicit_list_of_wheels_alone_does_not_exist(wheels):
    wheels.lock()
    with pytest.raises(UsageError, match="this test is about wheels") as caught:
        export(wheels.folder, "macos-arm64", form="conda-explicit", index=None)
    assert f"envs/{wheels.folder.name}/conda-problem.txt" in caught.value.hint


def test_a_pylock_has_wheels_beside_it(locked):
    document = tomllib.loads(export(locked.folder, "macos-arm64", form="pylock", index=None))
    [package] = document["packages"]
    [wheel] = package["wheels"]
    assert (package["name"], wheel["path"]) == ("thing", "thing-1.0-py3-none-any.whl")
    assert set(wheel) == {"path", "size", "hashes"}


def test_a_pylock_with_urls_names_those_of_the_index(locked):
    document = tomllib.loads(export(locked.folder, "linux-x86_64", form="pylock", index=Index()))
    assert document["packages"][0]["wheels"][0]["url"] == "https://127.0.0.1:9/thing/thing-1.0-py3-none-any.whl"


@pytest.mark.parametrize("damage", [False, True])
def test_uv_installs_a_pylock_from_the_files_beside_it_and_checks_them(tmp_path, index, damage):
    filename = index.add("held", "2.0")
    data = index.bytes_of(filename)

    wheel = WheelFile(
        project="held", version="2.0", filename=filename, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)
    )
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = "arm64" if os.uname().machine in {"arm64", "aarch64"} else "x86_64"
    platform = f"{'macos' if sys.platform == 'darwin' else 'linux'}-{machine}"
    (tmp_path / "pylock.toml").write_text(pylock_body([wheel], python=python, platform=platform))
    (tmp_path / filename).write_bytes(data[:-1] + b"x" if damage else data)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "--offline",
            "--target",
            tmp_path / "t",
            "-r",
            "pylock.toml",
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is not damage, done.stderr


def document(**wheel: object) -> dict[str, object]:
    return {
        "packages": [{"name": "x", "version": "1.0", "wheels": [{"url": "https://h/x-1.0-py3-none-any.whl", **wheel}]}]
    }


@pytest.mark.parametrize("wheel", [{"size": 1}, {"hashes": {"sha256": "0" * 64}}, {"size": 1, "hashes": {"md5": "0"}}])
def test_a_wheel_without_sha256_or_size_is_refused(world, wheel):
    with pytest.raises(UncheckableError, match=r"x-1\.0-py3-none-any\.whl"):
        chosen_wheels(document(**wheel), read_spec(world.folder, "macos-arm64"))


def test_a_package_without_a_fitting_wheel_is_refused(world):
    wheel = {"url": "https://h/x-1.0-cp313-cp313-macosx_14_0_arm64.whl", "size": 1, "hashes": {"sha256": "0" * 64}}
    with pytest.raises(NoWheelError, match=r"macOS 14\.0: x 1\.0"):
        chosen_wheels(document(**wheel), read_spec(world.folder, "macos-arm64"))
