from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.model.toolkit import Toolkit
from pipeline.system.processes import ProcessRunner
from pipeline.system.toolkits import find_toolkits, look_into


def recipe(*places: str) -> Toolkit:
    return Toolkit(
        title="Kit",
        variables=("KIT_HOME",),
        places=places,
        program="bin/kit",
        version_args=("--version",),
        version_pattern=r"release (\d+\.\d+)",
        files=("lib/libkit.so", "include/*.h"),
        install="install it",
    )


def install(folder: Path, version: str = "13.0", *, whole: bool = True) -> Path:
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "kit"
    program.write_text(f'#!/bin/sh\necho "kit, release {version}, V$1"\n')
    program.chmod(0o755)
    for name in ("lib/libkit.so", "include/kit.h") if whole else ():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def find(toolkit, version="", **variables):
    environment = {"PATH": "/usr/bin"}
    return find_toolkits(toolkit, version, commands=ProcessRunner(), environment=environment, variables=variables)


def test_a_toolkit_is_asked_for_its_version(tmp_path):
    install(tmp_path / "kit")
    (place,) = find(recipe(str(tmp_path / "kit")))
    assert (place.path, place.version, place.lacking, place.variable) == (str(tmp_path / "kit"), "13.0", (), "")


def test_what_is_lacking_is_named(tmp_path):
    install(tmp_path / "kit", whole=False)
    (place,) = find(recipe(str(tmp_path / "kit")))
    assert place.lacking == ("lib/libkit.so", "include/*.h")


def test_a_folder_is_listed_once_however_many_names_lead_to_it(tmp_path):
    install(tmp_path / "kit-13.0")
    (tmp_path / "kit").symlink_to("kit-13.0")
    places = find(recipe(str(tmp_path / "kit-{version}"), str(tmp_path / "kit")), "13.0")
    assert [place.path for place in places] == [str(tmp_path / "kit-13.0")]


def test_a_place_with_a_version_in_its_name_is_left_out_where_none_is_meant(tmp_path):
    install(tmp_path / "kit-")
    assert find(recipe(str(tmp_path / "kit-{version}"))) == ()


def test_a_folder_that_a_variable_names_is_listed_first_also_when_nothing_is_in_it(tmp_path):
    install(tmp_path / "kit")
    empty, usual = find(recipe(str(tmp_path / "kit")), KIT_HOME=str(tmp_path / "none"))
    assert (empty.variable, empty.version, empty.lacking[0]) == ("KIT_HOME", None, "bin/kit")
    assert usual.variable == ""


def test_a_version_may_stand_in_a_file(tmp_path):
    folder = install(tmp_path / "kit")
    (folder / "include" / "kit.h").write_text("// kit\n#define KIT_VERSION 12.4\n")
    changes = {"version_args": (), "version_file": "include/kit.h", "version_pattern": r"KIT_VERSION (\S+)"}
    toolkit = Toolkit(**(recipe(str(folder)).model_dump() | changes))
    (place,) = find(toolkit)
    assert (place.version, place.program) == ("12.4", "kit, release 13.0, V--version")
    (folder / "include" / "kit.h").unlink()
    assert find(toolkit)[0].version is None


@pytest.mark.parametrize("content", ["#!/bin/sh\necho nothing\n", "#!/nonexistent\n", ""])
def test_a_program_that_says_no_version_has_none(tmp_path, content):
    folder = install(tmp_path / "kit")
    (folder / "bin" / "kit").write_text(content)
    place = look_into(folder, recipe("/nowhere"), commands=ProcessRunner(), environment={})
    assert place.version is None
