"""Wheels lie where they belong below a prefix, and nothing in them is taken on trust."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.make.wheel_layer import make_wheel_layer
from pipeline.model.environment import Floors
from pipeline.model.environment_actions import MakeWheelLayer
from pipeline.model.result import StepResult
from tests.simulators.engine_world import services_for
from tests.simulators.small_wheels import SmallWheel

WRONG = f"a.py,sha256={'A' * 43},1\n"
WRONG_HEX = f"a.py,sha256={'0' * 64},1\n"
SITE = "lib/python3.14/site-packages"
TOY = SmallWheel("toy_box", files={"toy_box/__init__.py": b"x = 1\n"}, scripts={"toy": "toy_box:main"})


@pytest.fixture
def make(tmp_path):
    services = services_for(tmp_path)

    def run(*wheels, work="work", **changes):
        locked, blobs = [], {}
        for wheel in wheels:
            entry = wheel.write(tmp_path / "wheels")
            copy = tmp_path / wheel.filename
            copy.write_bytes((tmp_path / "wheels" / wheel.filename).read_bytes())
            blobs[wheel.filename] = services.store.add_blob(copy, filename=wheel.filename)
            locked.append(entry.model_copy(update=changes.pop("lock", {})))
        action = MakeWheelLayer(
            layer_name="wheels", role="wheels", fetched="fetch", wheels=tuple(locked), python="3.14", zstd_level=1,
            epoch_seconds=0, **{"platform": "macos-arm64", "floors": Floors(macos="14.0"), **changes},
        )  # fmt: skip
        folder = tmp_path / work
        folder.mkdir()
        outputs = make_wheel_layer(action, "step", services, {"fetch": StepResult(key="0" * 64, blobs=blobs)}, folder)
        return outputs, services.store.tree_path(outputs.trees["layer"])

    return run


def files_of(tree):
    return sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())


def test_a_wheel_lies_in_site_packages_and_its_programs_are_facts(make):
    outputs, tree = make(TOY)
    info = f"{SITE}/toy_box-1.0.dist-info"
    assert files_of(tree) == [
        *(f"{info}/{name}" for name in ("INSTALLER", "METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        f"{SITE}/toy_box/__init__.py",
    ]
    assert (tree / info / "INSTALLER").read_text() == "engine-pipeline\n"
    assert outputs.facts["scripts"] == {"toy": "toy_box:main"}
    assert outputs.facts["packages"] == [
        {
            "name": "toy-box",
            "version": "1.0",
            "license": "MIT",
            "purl": "pkg:pypi/toy-box@1.0",
            "sha256": outputs.facts["packages"][0]["sha256"],
        }
    ]


def test_record_lists_every_file_as_it_lies_and_the_programs_to_come(make):
    _, tree = make(TOY)
    rows = list(csv.reader((tree / SITE / "toy_box-1.0.dist-info/RECORD").read_text().splitlines()))
    names = [row[0] for row in rows]
    assert names == sorted(names)
    assert ["../../../bin/toy", "", ""] in rows
    listed = {os.path.normpath(f"{SITE}/{name}") for name in names} - {"bin/toy"}
    assert listed == set(files_of(tree))
    assert next(row for row in rows if row[0] == "toy_box/__init__.py")[2] == "6"


def test_files_of_other_schemes_lie_where_they_belong(make):
    data = "toy_box-1.0.data"
    wheel = SmallWheel(
        "toy_box",
        files={
            f"{data}/data/share/toy/a.txt": b"a",
            f"{data}/headers/toy.h": b"h",
            f"{data}/platlib/toy.so": b"so",
            f"{data}/scripts/plain": b"#!/bin/sh\n",
        },
        executable=(f"{data}/platlib/toy.so",),
    )
    _, tree = make(wheel)
    expected = {"share/toy/a.txt", "include/python3.14/toy-box/toy.h", f"{SITE}/toy.so", "bin/plain"}
    assert expected <= set(files_of(tree))
    modes = {path: (tree / path).stat().st_mode & 0o777 for path in expected}
    assert [path for path, mode in modes.items() if mode != (0o644 if path.endswith((".h", ".txt")) else 0o755)] == []


def test_a_program_for_python_finds_the_python_beside_it_whatever_the_path(make, tmp_path):
    wheel = SmallWheel(
        "toy", files={"toy-1.0.data/scripts/tell": b"#!python\nimport sys\nprint(sys.argv[1:], end='')\n"}
    )
    _, tree = make(wheel)
    place = tmp_path / "a place with 'quotes'" / "bin"
    place.mkdir(parents=True)
    (place / "python").symlink_to(sys.executable)
    (place / "tell").write_bytes((tree / "bin/tell").read_bytes())
    (place / "tell").chmod(0o755)
    (tmp_path / "link").symlink_to(place / "tell")
    assert subprocess.check_output([tmp_path / "link", "a b"], text=True) == "['a b']"


def test_the_same_wheels_give_the_same_bytes_whatever_the_umask(make):
    wheels = (TOY, SmallWheel("other", files={"other.py": b"", "run.sh": b""}, executable=("run.sh",)))
    first, _ = make(*wheels)
    before = os.umask(0o077)
    try:
        second, _ = make(*wheels, work="again")
    finally:
        os.umask(before)
    assert (first.trees, first.blobs) == (second.trees, second.blobs)


def test_two_wheels_may_bring_the_same_file(make):
    shared = {"space/__init__.py": b"# a namespace\n"}
    _, tree = make(SmallWheel("one", files=shared), SmallWheel("two", files=shared))
    assert (tree / SITE / "space/__init__.py").read_bytes() == b"# a namespace\n"


@pytest.mark.parametrize(
    ("wheels", "said"),
    [
        ((SmallWheel("one", files={"a.py": b"1"}), SmallWheel("two", files={"a.py": b"2"})), "one-1.0-py3-none.* has"),
        ((SmallWheel("one", files={"a": b"1"}), SmallWheel("two", files={"a/b": b"2"})), "in the way"),
        ((SmallWheel("one", scripts={"x": "a:b"}), SmallWheel("two", scripts={"x": "c:d"})), "another program x"),
        ((SmallWheel("one", scripts={"../x": "a:b"}),), "refused"),
        ((SmallWheel("one", scripts={"x": "a:b;c"}),), "cannot be used|refused"),
        ((SmallWheel("one", scripts={"x": "a b:c"}),), "cannot be used|refused"),
        ((SmallWheel("one", files={"../../../../escaped": b""}),), "refused"),
        ((SmallWheel("one", files={"one-1.0.data/scripts/../../x": b""}),), "refused"),
        ((SmallWheel("one", files={"/tmp/escaped": b""}),), "cannot be used"),
        ((SmallWheel("one", files={"one-1.0.data/data/miniforge/Miniforge3-1.sh": b""}),), "has Miniforge there"),
        ((SmallWheel("one", files={"one-1.0.data/data/Miniforge/miniforge3-1.sh": b""}),), "has Miniforge there"),
        ((SmallWheel("one", files={"a.py": b"1"}, record={"a.py": ""}),), "not mentioned in RECORD"),
        ((SmallWheel("one", files={"a.py": b"1"}, record={"a.py": WRONG}),), "didn't match RECORD"),
        ((SmallWheel("one", files={"a.py": b"1"}, record={"a.py": WRONG_HEX}),), "didn't match RECORD"),
        ((SmallWheel("one", record={"lost": "one-1.0.dist-info/lost,sha256=AA,1\n"}),), "lacks one-1.0.dist-info/lost"),
        ((SmallWheel("one", files={"one-1.0.data/nowhere/x": b""}),), "not contained in a valid .data"),
        ((SmallWheel("one", says=("another", "1.0")),), "says of itself that it is another 1.0"),
        ((SmallWheel("one", says=("one", "2.0")),), "says of itself that it is one 2.0"),
        ((SmallWheel("one", says=("one", "not a version")),), "says of itself"),
        ((SmallWheel("one", tag="cp312-cp312-macosx_14_0_arm64"),), "has Python 3.14"),
        ((SmallWheel("one", tag="cp315-abi3-macosx_14_0_arm64"),), "has Python 3.14"),
        ((SmallWheel("one", tag="pp3-none-any"),), "has Python 3.14"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_wheel_is_refused(make, wheels, said):
    with pytest.raises(IntegrityError, match=said):
        make(*wheels)


def test_digests_in_hex_are_understood_and_written_as_the_format_has_them(make):
    """As in mflux 0.17.5, which uv 0.7.22 built."""
    line = f"a.py,sha256={sha256_bytes(b'1')},1\n"
    _, tree = make(SmallWheel("one", files={"a.py": b"1"}, record={"a.py": line}))
    record = (tree / SITE / "one-1.0.dist-info/RECORD").read_text()
    assert "a.py,sha256=a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s,1" in record.splitlines()


@pytest.mark.parametrize(
    ("tag", "platform", "fits"),
    [
        ("cp314-cp314-macosx_14_0_arm64", "macos-arm64", True),
        ("cp310-abi3-macosx_10_9_universal2", "macos-arm64", True),
        ("py3-none-macosx_15_0_arm64", "macos-arm64", False),
        ("cp314-cp314-macosx_14_0_x86_64", "macos-arm64", False),
        ("py3-none-any", "macos-arm64", True),
        ("cp314-cp314-manylinux_2_35_x86_64", "linux-x86_64", True),
        ("cp314-cp314-manylinux2014_x86_64", "linux-x86_64", True),
        ("cp314-cp314-manylinux_2_36_x86_64", "linux-x86_64", False),
        ("cp314-cp314-musllinux_1_2_x86_64", "linux-x86_64", False),
        ("cp314-cp314-manylinux_2_17_aarch64", "linux-arm64", True),
    ],
)
def test_a_wheel_must_be_for_the_platform_and_its_floor(make, tag, platform, fits):
    floors = Floors(macos="14.0") if platform.startswith("macos") else Floors(glibc="2.35")
    wheel = SmallWheel("one", tag=tag)
    if fits:
        make(wheel, platform=platform, floors=floors)
    else:
        with pytest.raises(IntegrityError, match=r"the floor is|not for"):
            make(wheel, platform=platform, floors=floors)


def test_a_wheel_that_is_no_zip_is_refused(make):
    class Broken(SmallWheel):
        def write(self, folder):
            entry = super().write(folder)
            (folder / self.filename).write_bytes(b"PK no")
            return entry.model_copy(update={"sha256": sha256_bytes(b"PK no"), "size_bytes": 5})

    with pytest.raises(IntegrityError, match=r"toy-1\.0-py3-none-any\.whl cannot be used"):
        make(Broken("toy"))


def test_a_wheel_of_another_project_than_locked_is_refused(make):
    with pytest.raises(IntegrityError, match=r"is locked as other 1\.0"):
        make(TOY, lock={"project": "other"})


def test_a_recipe_says_a_license_that_the_metadata_leaves_open(make):
    vague = SmallWheel("vague", metadata="Classifier: License :: OSI Approved :: BSD License\n")
    assert make(vague)[0].facts["packages"][0]["license"] == ""
    stated, _ = make(vague, work="again", licenses={"vague": "BSD-3-Clause"})
    assert stated.facts["packages"][0]["license"] == "BSD-3-Clause"


def test_what_a_wheel_has_compiled_is_left_out(make):
    _, tree = make(SmallWheel("one", files={"a.py": b"", "__pycache__/a.cpython-314.pyc": b"compiled"}))
    assert [path for path in files_of(tree) if "__pycache__" in path] == []
