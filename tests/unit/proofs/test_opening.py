from __future__ import annotations

import os
import subprocess

import pytest

from pipeline.errors import ProofError
from pipeline.proofs.opening import absent_for
from pipeline.system.processes import ProcessRunner


def library(folder, name, source, *links):
    path = folder / name
    flags = ["-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{name}", "-Wl,-rpath,$ORIGIN", "-Wl,--no-as-needed"]
    subprocess.run(
        ["gcc", *flags, "-x", "c", "-", "-x", "none", "-o", path, *links], input=source, text=True, check=True
    )
    return path


@pytest.fixture
def folders(tmp_path):
    for name in ("bundle", "driver", "stand-ins"):
        (tmp_path / name).mkdir()
    return tmp_path


def absent(folders, path):
    env = {"PATH": os.environ["PATH"]}
    return absent_for(path, stand_ins=folders / "stand-ins", commands=ProcessRunner(), env=env, cwd=folders)


def test_a_library_whose_symbols_are_all_there_opens(folders):
    runtime = library(folders / "bundle", "libruntime.so.1", "int multiply(void) { return 1; }")
    plugin = library(
        folders / "bundle", "libplugin.so", "int multiply(void); int run(void) { return multiply(); }", runtime
    )
    assert absent(folders, plugin) == ""


def test_what_only_a_driver_has_is_named_and_a_stand_in_is_enough(folders):
    driver = library(folders / "driver", "libdriver.so.1", "int drive(void) { return 1; }")
    plugin = library(folders / "bundle", "libplugin.so", "int drive(void); int run(void) { return drive(); }", driver)
    assert absent(folders, plugin) == "libdriver.so.1"
    library(folders / "stand-ins", "libdriver.so.1", "int drive(void) { return -1; }")
    assert absent(folders, plugin) == ""


def test_a_symbol_that_nothing_has_is_an_error_although_nobody_calls_it(folders):
    runtime = library(folders / "bundle", "libruntime.so.1", "int multiply(void) { return 1; }")
    plugin = library(folders / "bundle", "libplugin.so", "int gone(void); int run(void) { return gone(); }", runtime)
    with pytest.raises(ProofError, match=r"libplugin.so cannot be opened: .*undefined symbol: gone"):
        absent(folders, plugin)
