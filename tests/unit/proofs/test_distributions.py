from __future__ import annotations

import pytest

from pipeline.proofs.distributions import Distribution, read_distribution, set_problems, target_markers

MACOS = target_markers("macos-arm64", "3.14.9")


def wheel(project: str, version: str = "1.0", *requires: str, python: str = "") -> Distribution:
    return Distribution(project, version, f"{project}.whl", requires, python)


def conda(project: str, version: str) -> Distribution:
    return Distribution(project, version, f"conda package {project}", is_wheel=False)


def problems(*distributions: Distribution, **others: str) -> tuple[str, ...]:
    return set_problems(distributions, MACOS, others=others)


def test_a_complete_set_has_no_problems():
    assert problems(wheel("app", "1.0", "Lib_X>=2,<3", "tzdata; sys_platform == 'win32'"), wheel("lib-x", "2.5")) == ()


def test_a_requirement_that_nothing_satisfies_is_named():
    assert problems(wheel("app", "1.0", "lib>=2")) == ("app 1.0 requires lib>=2, which is not in the environment",)


def test_a_requirement_that_another_version_is_there_for_is_named_with_both():
    assert problems(wheel("app", "1.0", "lib>=2"), wheel("lib", "1.9")) == (
        "app 1.0 requires lib>=2, the environment has 1.9",
    )


@pytest.mark.parametrize(
    "marker",
    [
        "sys_platform == 'darwin'",
        "platform_system == 'Darwin' and platform_machine == 'arm64'",
        "python_version >= '3.14'",
        "python_full_version == '3.14.9'",
        "os_name == 'posix' and implementation_name == 'cpython'",
    ],
)
def test_markers_are_the_targets(marker):
    assert len(problems(wheel("app", "1.0", f"lib; {marker}"))) == 1


@pytest.mark.parametrize("marker", ["sys_platform == 'linux'", "python_version < '3.14'", "extra == 'more'"])
def test_what_is_for_another_target_or_an_extra_that_nobody_asks_for_is_not_required(marker):
    assert problems(wheel("app", "1.0", f"lib; {marker}")) == ()


def test_linux_on_arm64_is_aarch64_to_markers():
    markers = target_markers("linux-arm64", "3.12")
    assert (markers["platform_machine"], markers["python_full_version"]) == ("aarch64", "3.12.0")


def test_extras_that_are_asked_for_are_followed_however_they_are_spelled():
    app = wheel("app", "1.0", "lib[Fast_Path]")
    lib = wheel("lib", "1.0", "speed; extra == 'fast-path'", "never; extra == 'other'")
    assert problems(app, lib) == ("lib 1.0 requires speed, which is not in the environment",)
    assert problems(app, lib, wheel("speed")) == ()


def test_extras_that_ask_for_each_other_end():
    a = wheel("a", "1.0", "b[x]; extra == 'x'", "b[x]")
    b = wheel("b", "1.0", "a[x]; extra == 'x'", "gone; extra == 'x'")
    assert problems(a, b) == ("b 1.0 requires gone, which is not in the environment",)


def test_a_project_that_is_there_twice_is_named_with_both_that_bring_it():
    assert problems(wheel("lib", "1.0"), conda("lib", "2.0")) == (
        "lib is there twice: 1.0 by lib.whl, 2.0 by conda package lib",
    )


def test_a_conda_package_provides_with_metadata_or_without():
    app = wheel("app", "1.0", "lib>=2", "other")
    assert problems(app, conda("lib", "2.1"), other="1") == ()
    assert problems(app, conda("lib", "1.9"), other="1") == ("app 1.0 requires lib>=2, the environment has 1.9",)


def test_a_version_that_is_only_condas_satisfies_no_bound():
    assert problems(wheel("app", "1.0", "lib"), lib="9e") == ()
    assert problems(wheel("app", "1.0", "lib>=1"), lib="9e") == ("app 1.0 requires lib>=1, the environment has 9e",)


def test_what_a_conda_package_requires_is_condas_business():
    assert problems(Distribution("lib", "1", "conda", ("gone",), ">=4", is_wheel=False)) == ()


def test_a_wheel_for_another_python_is_named():
    assert problems(wheel("app", "1.0", python="<3.13")) == ("app 1.0 needs Python <3.13, the environment has 3.14.9",)


@pytest.mark.parametrize(
    ("distribution", "said"),
    [
        (wheel("app", "1.0", "not a requirement"), "app 1.0 requires 'not a requirement', which cannot be read"),
        (wheel("app", "1.0", python="three"), "app 1.0 asks for a Python that makes no sense: 'three'"),
    ],
)
def test_metadata_that_makes_no_sense_is_named(distribution, said):
    assert problems(distribution) == (said,)


def test_a_prerelease_that_was_locked_counts():
    assert problems(wheel("app", "1.0", "lib>=1"), wheel("lib", "2.0rc1")) == ()


METADATA = """Metadata-Version: 2.4
Name: Some.Project
Version: 1.2
Requires-Python: >=3.10
Requires-Dist: lib>=2

Words.
"""


def test_metadata_says_name_version_and_requirements():
    found = read_distribution(METADATA, brought_by="layer wheels")
    assert found == Distribution("some-project", "1.2", "layer wheels", ("lib>=2",), ">=3.10", is_wheel=True)


def test_metadata_without_a_name_is_none():
    assert read_distribution("Metadata-Version: 2.4\nVersion: 1\n", brought_by="x") is None
