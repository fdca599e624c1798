"""The proof of an environment from its files: every complaint, over real binaries, a real channel and a real solver."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import replace

import pytest

from pipeline.errors import HostError, ProofError
from pipeline.make.prove_environment import prove_environment
from pipeline.system.binaries import FileInspector
from pipeline.system.conda_tool import RattlerTool
from tests.simulators.binaries import fixture
from tests.simulators.conda_packages import CondaPackage, Member
from tests.simulators.engine_world import services_for
from tests.simulators.environment_steps import EnvironmentSteps, MadeWheel

LIBRARIES = {"llama": "llama", "ggml": "ggml", "ggml-base": "base", "ggml-cpu": "backend", "ggml-metal": "metal"}
SITE = "lib/python3.14/site-packages"
MACOS, LINUX = "macos-arm64", "linux-x86_64"


def binary(platform: str, role: str) -> bytes:
    return fixture(platform, role).read_bytes()


def python(platform: str = MACOS, **files: Member) -> CondaPackage:
    """Return a conda package with an interpreter, and a library that it needs."""
    subdir = {MACOS: "osx-arm64", LINUX: "linux-64"}[platform]
    suffix = "so.0" if platform == LINUX else "0.dylib"
    program = binary(platform, "base")  # a library without needs of its own stands for the program
    return CondaPackage(
        "python",
        "3.14.9",
        {"bin/python3.14": Member(program, executable=True), f"lib/libggml-base.{suffix}": Member(program), **files},
        subdir=subdir,
        depends=("tzdata",),
        license="Python-2.0",
    )


def tzdata() -> CondaPackage:
    return CondaPackage("tzdata", "2026a", {"share/zoneinfo/UTC": Member(b"TZif2")}, subdir="noarch", noarch="generic")


@pytest.fixture(scope="module")
def inspector():
    return FileInspector()


@pytest.fixture
def steps(tmp_path, inspector) -> EnvironmentSteps:
    """Return an environment for macOS in which everything holds."""
    services = replace(services_for(tmp_path / "store"), binaries=inspector, conda=RattlerTool())
    (tmp_path / "steps").mkdir()
    return EnvironmentSteps(
        folder=tmp_path / "steps",
        services=services,
        wheels=[
            MadeWheel(
                "engine",
                files={"engine/_core.so": binary(MACOS, "base"), "engine/__init__.py": b"x = 1\n"},
                tag="cp314-cp314-macosx_14_0_arm64",
                metadata="Requires-Dist: words>=1\nRequires-Dist: tzdata; sys_platform == 'darwin'\n",
            ),
            MadeWheel("words", "1.2"),
        ],
        conda=[python(), tzdata()],
    )


@pytest.fixture
def prove(steps, tmp_path):
    """Prove the environment of the fixture as a test has changed it."""

    def run(**services):
        action, results = steps.make()
        work = tmp_path / "work"
        work.mkdir()
        return prove_environment(action, "prove", replace(steps.services, **services), results, work)

    return run


@pytest.fixture
def complaints(prove):
    """Return the lines of the refusal, which has to come."""

    def run(**services) -> list[str]:
        with pytest.raises(ProofError) as caught:
            prove(**services)
        assert caught.value.exit_code == 10
        return caught.value.message.split("\n  ")

    return run


def test_an_environment_for_macos_in_which_everything_holds_is_measured_anywhere(steps, prove):
    outputs = prove()
    assert outputs.facts["proof"]["level"] == "none"
    assert outputs.facts["requires"]["macos"] == "13.3"
    assert outputs.facts["requires"]["glibc"] is None
    assert "/usr/lib/libSystem.B.dylib" in outputs.facts["requires"]["libraries"]
    assert (outputs.facts["binaries"], outputs.facts["wheels"], outputs.facts["conda_packages"]) == (3, 2, 2)


def test_an_environment_for_linux_says_its_glibc(steps, prove):
    steps.platform = LINUX
    steps.conda = [python(LINUX), tzdata()]
    steps.wheels[0].files["engine/_core.so"] = binary(LINUX, "base")
    steps.wheels[0].tag = "cp314-cp314-manylinux_2_34_x86_64"
    requires = prove().facts["requires"]
    assert (requires["macos"], requires["glibc"]) == (None, "2.34")
    assert "libc.so.6" in requires["libraries"]


def test_an_environment_over_a_hosts_python_has_no_channel_to_prove(steps, prove):
    steps.conda = []
    steps.wheels.append(MadeWheel("tzdata", "2026.1"))
    outputs = prove(conda=None)
    assert (outputs.facts["binaries"], outputs.facts["conda_packages"]) == (1, 0)


def test_a_run_that_was_asked_for_on_another_system_is_measured_and_that_is_said(steps, prove):
    steps.level = "run"
    assert prove().facts["proof"]["level"] == "none"
    (notice,) = [event for event in steps.services.events.events if getattr(event, "level", "") == "warning"]
    assert "it is for macos-arm64" in notice.message


def test_a_run_that_was_insisted_on_on_another_system_is_an_error(steps, prove):
    steps.level, steps.insist = "run", True
    with pytest.raises(HostError, match="cannot be run here: it is for macos-arm64"):
        prove()


@pytest.mark.parametrize(
    ("platform", "role", "why"),
    [
        (MACOS, "backend-macos-26.0", "needs macOS 26.0, the floor is 14.0"),
        (MACOS, "program-unsigned", "has no signature: macOS on arm64 kills it at once"),
        ("macos-x86_64", "base", "(macho, x86_64) is no binary of macos-arm64"),
        (LINUX, "base", "(elf, x86_64) is no binary of macos-arm64"),
    ],
)
def test_a_binary_of_a_wheel_that_macos_would_not_take_is_named(steps, complaints, platform, role, why):
    steps.wheels[0].files |= {"engine/_other.so": binary(platform, role)}
    assert f"engine-1.0: {SITE}/engine/_other.so {why}" in "\n".join(complaints())


def test_a_binary_of_a_conda_package_is_read_too(steps, complaints):
    steps.conda[0] = python(**{"lib/new.dylib": Member(binary(MACOS, "backend-macos-26.0"))})
    assert "conda package python: lib/new.dylib needs macOS 26.0, the floor is 14.0" in "\n".join(complaints())


def test_a_universal_binary_with_a_part_for_the_platform_fits(steps, prove):
    libraries = {f"engine/lib{name}.0.dylib": binary(MACOS, role) for name, role in LIBRARIES.items()}
    steps.wheels[0].files |= {"engine/_universal.so": binary("macos-universal", "program"), **libraries}
    assert prove().facts["binaries"] == 3 + 1 + len(libraries)


def test_a_library_that_lies_where_a_binary_does_not_look_is_named(steps, complaints):
    steps.wheels[0].files["engine/_llama.so"] = binary(MACOS, "llama")
    steps.conda[0] = python(**{"lib/libggml.0.dylib": Member(binary(MACOS, "ggml"))})
    said = "\n".join(complaints())
    assert f"engine-1.0: {SITE}/engine/_llama.so needs @rpath/libggml.0.dylib, which is neither in the" in said


def test_a_linux_library_is_found_in_condas_folder_of_libraries(steps, complaints):
    steps.platform = LINUX
    steps.conda = [python(LINUX), tzdata()]
    steps.wheels[0].files = {"engine/_llama.so": binary(LINUX, "llama")}
    steps.wheels[0].tag = "cp314-cp314-manylinux_2_34_x86_64"
    (line,) = complaints()
    assert f"{SITE}/engine/_llama.so needs libggml.so.0, which is neither in" in line


def test_a_linux_library_for_a_newer_glibc_than_the_floor_is_named(steps, complaints):
    steps.platform = LINUX
    steps.conda = [python(LINUX), tzdata()]
    newer = binary(LINUX, "base").replace(b"GLIBC_2.34\0", b"GLIBC_2.39\0")
    steps.wheels[0].files = {"engine/_core.so": newer}
    steps.wheels[0].tag = "cp314-cp314-manylinux_2_34_x86_64"
    said = "\n".join(complaints())
    assert f"engine-1.0: {SITE}/engine/_core.so needs glibc 2.39, the floor is 2.35" in said


def test_a_damaged_binary_is_named_with_its_package(steps, complaints):
    steps.wheels[0].files["engine/_cut.so"] = binary(MACOS, "base")[:200]
    (line,) = complaints()
    assert f"engine-1.0: {SITE}/engine/_cut.so is a damaged binary" in line


def test_a_wheels_library_that_is_none_is_named(steps, complaints):
    steps.wheels[0].files["engine/_page.so"] = b"<!DOCTYPE html>"
    assert f"engine-1.0: {SITE}/engine/_page.so is named like a library and is none" in complaints()[0]


def test_starters_for_windows_and_object_files_are_nobodys_business(steps, prove):
    steps.wheels[0].files["engine/cli-arm64.exe"] = binary("windows-arm64", "program")
    data = bytearray(binary(MACOS, "program-unsigned"))
    data[12:16] = (1).to_bytes(4, "little")  # MH_OBJECT
    steps.conda[0] = python(**{"lib/python3.14/config-3.14-darwin/python.o": Member(bytes(data))})
    assert prove().facts["binaries"] == 3


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("cp314-cp314-macosx_26_0_arm64", "needs macOS 26.0 or newer, the floor is 14.0"),
        ("cp313-cp313-macosx_14_0_arm64", "is for cp313-cp313, the environment has Python 3.14"),
    ],
)
def test_a_wheel_for_a_higher_floor_or_another_python_is_named(steps, complaints, tag, why):
    steps.wheels[0].tag = tag
    assert complaints() == [f"tiny/macos-arm64-mlx: engine-1.0-{tag}.whl {why}"]


def test_a_channel_that_solves_to_more_or_less_than_the_lock_is_named(steps, complaints):
    newer = dataclasses.replace(tzdata(), version="2026b")
    steps.conda.append(newer)
    assert "solving in the bundled channel does not choose tzdata-2026a-0.conda, which is locked" in complaints()[0]


def test_a_channel_in_which_nothing_can_be_solved_is_named(steps, complaints):
    steps.conda = [python()]
    assert "nothing in the bundled channel satisfies python 3.14.*" in "\n".join(complaints())


def index_of(steps: EnvironmentSteps) -> dict:
    """Return what the channel's index of the platform says; the packages' bytes are the same each time."""
    record = {**steps.conda[0].index, "sha256": hashlib.sha256(steps.conda[0].encode()).hexdigest()}
    record["size"] = len(steps.conda[0].encode())
    return {"packages": {}, "packages.conda": {steps.conda[0].filename: record}, "info": {"subdir": "osx-arm64"}}


@pytest.mark.parametrize(
    ("key", "value", "locked"),
    [("sha256", "1" * 64, None), ("size", 1, None), ("depends", [], ["tzdata"]), ("version", "3.14.8", "3.14.9")],
)
def test_an_index_that_says_something_else_than_the_lock_is_named(steps, complaints, key, value, locked):
    document = index_of(steps)
    wanted = document["packages.conda"]["python-3.14.9-0.conda"][key]
    assert locked is None or wanted == locked
    document["packages.conda"]["python-3.14.9-0.conda"][key] = value
    steps.tamper["conda/osx-arm64/repodata.json"] = json.dumps(document).encode()
    said = f"osx-arm64/repodata.json says {key} {value!r} of python-3.14.9-0.conda, the lock says {wanted!r}"
    assert said in "\n".join(complaints())


def test_an_index_with_another_package_is_named(steps, complaints):
    document = index_of(steps)
    extra = {**document["packages.conda"]["python-3.14.9-0.conda"], "name": "extra"}
    document["packages.conda"]["extra-1-0.conda"] = extra
    steps.tamper["conda/osx-arm64/repodata.json"] = json.dumps(document).encode()
    assert "has extra-1-0.conda, which is not in the lock" in "\n".join(complaints())


@pytest.mark.parametrize("data", [b"[", b"[]", b'{"packages": {}}', None])
def test_an_index_that_is_none_is_named(steps, complaints, data):
    steps.tamper["conda/osx-arm64/repodata.json"] = data
    said = "\n".join(complaints())
    why = "the bundled channel has no osx-arm64/repodata.json" if data is None else "is no channel's index"
    assert why in said


def test_a_conda_package_that_was_changed_lost_or_added_is_named(steps, complaints):
    steps.tamper |= {
        "conda/osx-arm64/python-3.14.9-0.conda": b"PK other",
        "conda/noarch/tzdata-2026a-0.conda": None,
        "conda/noarch/extra-1-0.conda": b"PK",
    }
    said = "\n".join(complaints())
    assert f"python-3.14.9-0.conda has sha256 {hashlib.sha256(b'PK other').hexdigest()}, the lock says" in said
    assert "tzdata-2026a-0.conda is locked and is not there" in said
    assert "conda/noarch/extra-1-0.conda is in the bundled channel and not in the lock" in said


def test_a_wheel_that_was_fetched_as_another_is_named(steps, prove, tmp_path):
    action, results = steps.make()
    blobs = results["fetch wheels"].blobs
    other = blobs["words-1.2-py3-none-any.whl"].model_copy(update={"sha256": "1" * 64})
    shorter = blobs["engine-1.0-cp314-cp314-macosx_14_0_arm64.whl"].model_copy(update={"size_bytes": 1})
    results["fetch wheels"] = results["fetch wheels"].model_copy(
        update={"blobs": {other.filename: other, shorter.filename: shorter}}
    )
    (tmp_path / "work").mkdir()
    with pytest.raises(ProofError) as caught:
        prove_environment(action, "prove", steps.services, results, tmp_path / "work")
    assert f"words-1.2-py3-none-any.whl has sha256 {'1' * 64}, the lock says" in caught.value.message
    assert "engine-1.0-cp314-cp314-macosx_14_0_arm64.whl has 1 bytes, the lock says" in caught.value.message


def test_a_package_that_no_layer_lists_or_that_is_not_locked_is_named(steps, tmp_path):
    action, results = steps.make()
    layer = results["layer wheels"]
    parts = [{**part, "version": "9"} if part["name"] == "words" else part for part in layer.facts["packages"]]
    results["layer wheels"] = layer.model_copy(update={"facts": {**layer.facts, "packages": parts}})
    (tmp_path / "work").mkdir()
    with pytest.raises(ProofError) as caught:
        prove_environment(action, "prove", steps.services, results, tmp_path / "work")
    assert "words 9 is in a layer and is not what is locked" in caught.value.message
    assert "words 1.2 is locked and in no layer" in caught.value.message


def test_packages_that_say_no_license_are_named(steps, complaints):
    steps.wheels[1].license = ""
    steps.conda[1] = dataclasses.replace(tzdata(), license="")
    said = complaints()
    assert [line for line in said if "license" in line] == [
        "words 1.2 does not say its license",
        "tzdata 2026a does not say its license",
    ]


def test_a_file_that_is_not_the_wheels_is_named(steps, complaints):
    steps.tamper[f"{SITE}/engine/__init__.py"] = b"x = 2\n"
    assert f"{SITE}/engine/__init__.py is not the file that engine-1.0 says" in complaints()[0]


def test_a_file_that_a_wheel_lost_or_never_had_is_named(steps, complaints):
    steps.tamper |= {f"{SITE}/engine/__init__.py": None, f"{SITE}/stray.py": b""}
    said = "\n".join(complaints())
    assert f"engine-1.0 lacks {SITE}/engine/__init__.py, which its RECORD lists" in said
    assert f"{SITE}/stray.py is in a layer of wheels and in no wheel's RECORD" in said


def test_a_project_that_a_wheel_has_copied_into_itself_is_no_wheel(steps, prove):
    """As setuptools 84 does: the copy's RECORD speaks of places where nothing lies."""
    steps.wheels[0].files["engine/_vendor/other-2.0.dist-info/RECORD"] = b"other.py,sha256=AAAA,1\n"
    assert prove().facts["wheels"] == 2


def test_a_file_that_a_wheel_and_a_conda_package_bring_is_named(steps, complaints):
    steps.conda[0] = python(**{f"{SITE}/words.py": Member(b"")})
    steps.wheels[1].files["words.py"] = b""
    assert f"{SITE}/words.py is brought by words-1.2 and by conda package python" in complaints()[0]


def test_a_set_with_something_missing_is_named(steps, complaints):
    del steps.wheels[1]
    assert complaints() == ["tiny/macos-arm64-mlx: engine 1.0 requires words>=1, which is not in the environment"]


def test_a_requirement_is_met_by_what_a_conda_package_for_every_platform_brings(steps, prove, complaints):
    del steps.wheels[1]
    metadata = b"Metadata-Version: 2.1\nName: words\nVersion: 0.9\n"
    words = CondaPackage(
        "words-of-conda",
        "5",
        {"site-packages/words-0.9.dist-info/METADATA": Member(metadata)},
        subdir="noarch",
        noarch="python",
    )
    steps.conda = [dataclasses.replace(python(), depends=("tzdata", "words-of-conda")), tzdata(), words]
    assert complaints() == ["tiny/macos-arm64-mlx: engine 1.0 requires words>=1, the environment has 0.9"]


def test_a_wheel_for_a_newer_python_than_the_locked_one_is_named(steps, complaints):
    steps.wheels[1].metadata = "Requires-Python: >=3.14.10\n"
    assert "words 1.2 needs Python >=3.14.10, the environment has 3.14.9" in complaints()[0]


def test_what_is_wrong_with_packages_hides_nothing_of_what_is_wrong_with_binaries(steps, complaints):
    steps.tamper["conda/noarch/tzdata-2026a-0.conda"] = b"PK other"
    steps.wheels[0].files["engine/_other.so"] = binary(MACOS, "backend-macos-26.0")
    said = "\n".join(complaints())
    assert "tzdata-2026a-0.conda has sha256" in said
    assert "needs macOS 26.0" in said


def test_everything_that_does_not_hold_is_shown_together_up_to_a_screenful(steps, complaints):
    steps.wheels[1].license = ""
    for number in range(25):
        steps.tamper[f"{SITE}/stray{number:02}.py"] = b""
    said = complaints()
    assert said[0] == "tiny/macos-arm64-mlx: 26 things do not hold"
    assert said[1] == "words 1.2 does not say its license"
    assert (len(said), said[-1]) == (22, "and 6 more")


@pytest.mark.parametrize("conda", [None])
def test_without_a_solver_nothing_is_claimed(prove, conda):
    with pytest.raises(HostError, match="conda packages") as caught:
        prove(conda=conda)
    assert "environments" in caught.value.hint
