"""What scikit-build-core is told, and what it is not told: of any network, index or configuration."""

from __future__ import annotations

import os

from pipeline.builders.scikit_build import environment, wheel_argv


def test_settings_are_given_one_by_one():
    argv = wheel_argv("python", project="p", output="o", settings={"a.b": "c", "wheel.exclude": ("/x/", "/y/")})
    assert argv[:4] == ("python", "-I", "-m", "build")
    assert argv[-4:] == ("-Ca.b=c", "-Cwheel.exclude=/x/", "-Cwheel.exclude=/y/", "p")
    assert "--no-isolation" in argv


def test_what_the_project_needs_for_building_must_be_there_unless_that_is_waived():
    assert "--skip-dependency-check" not in wheel_argv("python", project="p", output="o", settings={})
    waived = wheel_argv("python", project="p", output="o", settings={}, check_dependencies=False)
    assert "--skip-dependency-check" in waived


def test_nothing_of_the_users_reaches_it():
    base = {
        "PATH": "/bin",
        "PIP_INDEX_URL": "https://index.example",
        "HTTPS_PROXY": "http://proxy",
        "CMAKE_ARGS": "-DX=1",
    }
    found = environment(base, epoch_seconds=7, programs=["/first"], more={"CMAKE_GENERATOR": "Ninja"})
    assert found["PATH"] == f"/first{os.pathsep}/bin"
    assert (found["PIP_NO_INDEX"], found["SOURCE_DATE_EPOCH"]) == ("1", "7")
    assert found["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert not {"PIP_INDEX_URL", "CMAKE_ARGS"} & set(found)
