from __future__ import annotations

import pytest

from pipeline.model.environment import Floors
from pipeline.proofs.wheel_tags import wheel_problem

MACOS = Floors(macos="14.0")
LINUX = Floors(glibc="2.35")


def on_macos(filename: str) -> str:
    return wheel_problem(filename, platform="macos-arm64", python="3.14", floors=MACOS)


def on_linux(filename: str, platform: str = "linux-x86_64") -> str:
    return wheel_problem(filename, platform=platform, python="3.14", floors=LINUX)


@pytest.mark.parametrize(
    "filename",
    [
        "mlx-0.32.4-cp314-cp314-macosx_14_0_arm64.whl",
        "mlx_metal-0.32.4-py3-none-macosx_14_0_arm64.whl",
        "protobuf-7.36.2-cp310-abi3-macosx_10_9_universal2.whl",
        "hf_xet-1.8.0-cp38-abi3-macosx_11_0_arm64.whl",
        "shellingham-1.5.4-py2.py3-none-any.whl",
        "a-1-2-py3-none-any.whl",
    ],
)
def test_wheels_for_the_floor_or_below_fit_macos(filename):
    assert on_macos(filename) == ""


@pytest.mark.parametrize(
    "filename",
    [
        "mlx-0.32.4-cp314-cp314-manylinux_2_35_x86_64.whl",
        "numpy-2.5.5-cp314-cp314-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "a-1-cp39-abi3-manylinux2014_x86_64.whl",
        "a-1-cp314-cp314-manylinux1_x86_64.whl",
        "a-1-cp314-cp314-linux_x86_64.whl",
    ],
)
def test_wheels_for_the_floor_or_below_fit_linux(filename):
    assert on_linux(filename) == ""


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("mlx_metal-0.32.4-py3-none-macosx_26_0_arm64.whl", "needs macOS 26.0 or newer, the floor is 14.0"),
        ("a-1-py3-none-macosx_26_0_arm64.macosx_15_0_universal2.whl", "needs macOS 15.0 or newer, the floor is 14.0"),
        ("a-1-cp314-cp314-macosx_14_0_x86_64.whl", "is for macosx_14_0_x86_64, not for macos-arm64"),
        ("a-1-cp314-cp314-manylinux_2_28_x86_64.whl", "is for manylinux_2_28_x86_64, not for macos-arm64"),
        ("a-1-cp314-cp314-win_arm64.whl", "is for win_arm64, not for macos-arm64"),
        ("a-1-cp313-cp313-macosx_14_0_arm64.whl", "is for cp313-cp313, the environment has Python 3.14"),
        ("a-1-cp314-cp314t-macosx_14_0_arm64.whl", "is for cp314-cp314t, the environment has Python 3.14"),
        ("a-1-cp315-abi3-macosx_14_0_arm64.whl", "is for cp315-abi3, the environment has Python 3.14"),
        ("a-1-py2-none-any.whl", "is for py2-none, the environment has Python 3.14"),
        ("a-1.tar.gz", "has no name of a wheel"),
        ("a-1-py3.whl", "has no name of a wheel"),
    ],
)
def test_a_wheel_that_does_not_fit_macos_is_told_why(filename, why):
    assert on_macos(filename) == why


@pytest.mark.parametrize(
    ("filename", "why"),
    [
        ("a-1-cp314-cp314-manylinux_2_39_x86_64.whl", "needs glibc 2.39 or newer, the floor is 2.35"),
        ("a-1-cp314-cp314-musllinux_1_2_x86_64.whl", "is for musllinux_1_2_x86_64, not for linux-x86_64"),
        ("a-1-cp314-cp314-manylinux_2_28_aarch64.whl", "is for manylinux_2_28_aarch64, not for linux-x86_64"),
    ],
)
def test_a_wheel_that_does_not_fit_linux_is_told_why(filename, why):
    assert on_linux(filename) == why


def test_arm64_of_linux_is_aarch64():
    assert on_linux("a-1-cp314-cp314-manylinux_2_28_aarch64.whl", "linux-arm64") == ""


@pytest.mark.parametrize("platform", ["macos-arm64", "windows-x86_64"])
def test_without_a_floor_nothing_is_claimed(platform):
    problem = wheel_problem("a-1-py3-none-any.whl", platform=platform, python="3.14", floors=LINUX)
    assert problem == f"cannot be judged: no floor of {platform} is known"
