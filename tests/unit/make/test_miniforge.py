"""A bundle brings Miniforge for machines without any conda: checked, used once, and gone again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError
from pipeline.make.miniforge_layer import make_miniforge_layer
from pipeline.model.environment_actions import MakeMiniforgeLayer
from pipeline.model.result import StepResult
from tests.simulators import miniforge
from tests.simulators.environment_world import noarch_package, python_package
from tests.simulators.made_environment import KEY, MadeEnvironment
from tests.simulators.small_wheels import SmallWheel
from tests.simulators.stand_in_conda import write_conda

TOY = SmallWheel("toy", files={"toy.py": b"def main():\n    print('toy')\n"}, scripts={"toy": "toy:main"})
SHELLS = [["dash"], ["busybox", "ash"], ["bash", "--posix"]]
TOOLS = ("basename", "bash", "cat", "chmod", "dirname", "env", "grep", "head", "mkdir", "mktemp", "rm", "sed", "sh")
TOOLS += ("sha256sum", "tail", "tar", "wc")


def make(folder: Path, data: bytes | None) -> MadeEnvironment:
    packages = (python_package(), noarch_package())
    return MadeEnvironment(folder, packages=packages, wheels={"wheels": (TOY,)}, miniforge=data)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> MadeEnvironment:
    return make(tmp_path_factory.mktemp("made"), miniforge.installer())


@pytest.fixture(scope="module")
def bundle(made, tmp_path_factory) -> Path:
    return made.write_bundle(tmp_path_factory.mktemp("a bundle's #1 & 100% [place]") / "bundle")


@pytest.fixture
def copy(bundle, tmp_path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


@pytest.fixture
def tools(tmp_path) -> Path:
    """Return a folder with what the script needs, and no conda."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Return a folder for TMPDIR: the test's own has too long a path for that."""
    with TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def install(bundle, prefix, *, tools, shell=("sh",), **variables):
    program, *options = shell
    return subprocess.run(
        [shutil.which(program), *options, bundle / "share/engine-pipeline/install-offline.sh", prefix],
        capture_output=True, text=True, check=False, env={"PATH": str(tools), **variables}, timeout=120,
    )  # fmt: skip


def refused(bundle, tmp_path, tools, *, said):
    """Install, which fails and leaves nothing."""
    with TemporaryDirectory(dir="/tmp") as temporary:
        done = install(bundle, tmp_path / "place/prefix", tools=tools, TMPDIR=temporary)
        assert not list(Path(temporary).iterdir())
    assert done.returncode == 1, done.stdout
    assert said in done.stderr
    assert not list((tmp_path / "place").iterdir())


def test_the_layer_has_the_installer_as_published_and_its_digest_as_the_release_says_it(made, bundle):
    data = miniforge.installer()
    assert (bundle / "miniforge" / miniforge.FILENAME).read_bytes() == data
    said = (bundle / "miniforge" / f"{miniforge.FILENAME}.sha256").read_text()
    assert said == f"{sha256_bytes(data)}  ./{miniforge.FILENAME}\n"
    facts = made.results["miniforge"].facts
    (part,) = facts["packages"]
    assert (facts["role"], part["name"], part["version"]) == ("miniforge", "miniforge3", miniforge.VERSION)
    assert (part["license"], part["sha256"]) == ("BSD-3-Clause", sha256_bytes(data))
    assert part["purl"].startswith(f"pkg:generic/miniforge3@{miniforge.VERSION}?")


def test_an_installer_with_other_bytes_makes_no_layer(made, tmp_path):
    path = tmp_path / miniforge.FILENAME
    path.write_bytes(b"other")
    blob = made.services.store.add_blob(path, filename=path.name)
    action = MakeMiniforgeLayer(
        layer_name="miniforge",
        fetched="fetch",
        installer=miniforge.pinned(miniforge.installer()),
        zstd_level=1,
        epoch_seconds=0,
    )
    with pytest.raises(IntegrityError, match="was not brought as it is pinned"):
        make_miniforge_layer(
            action, "step", made.services, {"fetch": StepResult(key=KEY, blobs={path.name: blob})}, tmp_path / "work"
        )


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_where_no_conda_is_the_one_of_the_bundle_makes_the_base(bundle, tmp_path, tools, temporary, shell):
    prefix, calls = tmp_path / "a place/prefix", tmp_path / "calls"
    variables = {"TMPDIR": str(temporary), miniforge.CALLS: str(calls), "HOME": str(tmp_path)}
    done = install(bundle, prefix, tools=tools, shell=shell, **variables)
    assert done.returncode == 0, done.stderr
    home, forge = calls.read_text().splitlines()
    assert Path(home).parent == Path(forge).parent
    assert Path(forge).parent.parent == temporary
    assert not list(temporary.iterdir()), "it is removed when it has done its work"
    assert subprocess.check_output([prefix / "bin/toy"], text=True) == "toy\n"
    assert not (prefix / "miniforge").exists(), "it only travels"
    assert [path.name for path in prefix.parent.iterdir()] == [prefix.name]


@pytest.mark.skipif(shutil.which("shasum") is None, reason="shasum is not here")
@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "damaged"])
def test_shasum_checks_it_where_no_sha256sum_is(copy, tmp_path, tools, damaged):
    (tools / "sha256sum").unlink()
    for name in ("shasum", "perl"):
        (tools / name).symlink_to(shutil.which(name))
    if damaged:
        (copy / "miniforge" / miniforge.FILENAME).write_bytes(b"#!/bin/sh\n")
        refused(copy, tmp_path, tools, said=f"damaged or missing: ./{miniforge.FILENAME}: FAILED")
    else:
        done = install(copy, tmp_path / "prefix", tools=tools, TMPDIR=str(tmp_path))
        assert done.returncode == 0, done.stderr


def test_a_wheel_may_have_a_folder_of_the_same_name(tmp_path, tools):
    name = "toy-1.0.data/data/miniforge/words.txt"
    wheel = SmallWheel("toy", files={"toy.py": b"def main():\n    pass\n", name: b"words"}, scripts={"toy": "toy:main"})
    packages = (python_package(), noarch_package())
    both = MadeEnvironment(
        tmp_path / "made", packages=packages, wheels={"wheels": (wheel,)}, miniforge=miniforge.installer()
    )
    done = install(both.write_bundle(tmp_path / "bundle"), tmp_path / "prefix", tools=tools, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "prefix/miniforge").iterdir()] == ["words.txt"]


@pytest.mark.parametrize("where", ["with a space", "relative", "long" * 15])
def test_it_goes_below_tmp_where_tmpdir_will_not_do(bundle, tmp_path, tools, temporary, where):
    (temporary / where).mkdir()
    calls = tmp_path / "calls"
    folder = where if where == "relative" else str(temporary / where)
    done = install(bundle, tmp_path / "prefix", tools=tools, TMPDIR=folder, **{miniforge.CALLS: str(calls)})
    assert done.returncode == 0, done.stderr
    forge = Path(calls.read_text().splitlines()[1]).parent
    assert forge.parent == Path("/tmp")
    assert not forge.exists()


def test_no_setting_of_the_user_reaches_the_conda_of_the_bundle(bundle, tmp_path, tools):
    noted = tmp_path / "noted"
    sent = ("CONDARC", "XDG_CONFIG_HOME", "PYTHONPATH", "PYTHONHOME", "CONDA_CHANNELS", "CONDA_ROOT", "_CONDA_ROOT")
    sent += ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX")
    variables = {**dict.fromkeys(sent, "/elsewhere"), "LANG": "C", miniforge.SETTINGS: str(noted)}
    done = install(bundle, tmp_path / "prefix", tools=tools, **variables)
    assert done.returncode == 0, done.stderr
    found = {line.partition("=")[0] for line in noted.read_text().splitlines()}
    assert not found & set(sent)
    assert {"LANG", "PATH", "HOME"} <= found


def test_a_conda_that_is_there_goes_first(bundle, tmp_path, tools):
    write_conda(tools)
    calls = tmp_path / "calls"
    done = install(bundle, tmp_path / "prefix", tools=tools, **{miniforge.CALLS: str(calls)})
    assert done.returncode == 0, done.stderr
    assert not calls.exists()


def test_no_conda_and_no_installer_says_what_to_do(tmp_path, tools):
    bundle = make(tmp_path / "made", None).write_bundle(tmp_path / "bundle")
    refused(bundle, tmp_path, tools, said="the bundle brings no Miniforge")


def test_a_script_of_a_wheel_is_not_taken_for_the_installer(tmp_path, tools):
    script = f"#!/bin/sh\necho run >'{tmp_path}/run'\n".encode()
    folder = "toy-1.0.data/data/miniforge"
    said = f"{sha256_bytes(script)}  ./tool.sh\n".encode()
    wheel = SmallWheel("toy", files={f"{folder}/tool.sh": script, f"{folder}/tool.sh.sha256": said})
    made = MadeEnvironment(
        tmp_path / "made", packages=(python_package(), noarch_package()), wheels={"wheels": (wheel,)}
    )
    refused(made.write_bundle(tmp_path / "bundle"), tmp_path, tools, said="the bundle brings no Miniforge")
    assert not (tmp_path / "run").exists()


def test_an_installer_with_another_digest_is_not_run(copy, tmp_path, tools):
    path = copy / "miniforge" / miniforge.FILENAME
    path.write_bytes(path.read_bytes() + b"!")
    refused(copy, tmp_path, tools, said=f"damaged or missing: ./{miniforge.FILENAME}: FAILED")


def test_an_installer_that_is_missing_is_named(copy, tmp_path, tools):
    (copy / "miniforge" / miniforge.FILENAME).unlink()
    refused(copy, tmp_path, tools, said=f"{miniforge.FILENAME}: ")


def test_an_installer_without_its_digest_is_not_run(copy, tmp_path, tools):
    (copy / "miniforge" / f"{miniforge.FILENAME}.sha256").unlink()
    refused(copy, tmp_path, tools, said="has not one installer with its .sha256")


DIGESTS = {
    "empty": "",
    "other": "{digest}  ./other.sh\n",
    "short": "0  ./{name}\n",
    "twice": "{digest}  ./{name}\n{digest}  ./{name}\n",
    "another first": "{digest}  ./other.sh\n{digest}  ./{name}\n",
    "another after": "{digest}  ./{name}\n0  ./other.sh\n",
}


@pytest.mark.parametrize("text", DIGESTS.values(), ids=DIGESTS)
def test_a_digest_of_something_else_does_not_count(copy, tmp_path, tools, text):
    path = copy / "miniforge" / f"{miniforge.FILENAME}.sha256"
    path.write_text(text.format(digest=path.read_text().split()[0], name=miniforge.FILENAME))
    refused(copy, tmp_path, tools, said="does not say the sha256 of")


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"code": 3}, "did not go into"), ({"brings": "bin/mamba"}, "brought no conda")],
    ids=["fails", "empty"],
)
def test_an_installer_that_does_not_do_its_work_leaves_nothing(tmp_path, tools, changes, said):
    bundle = make(tmp_path / "made", miniforge.installer(**changes)).write_bundle(tmp_path / "bundle")
    refused(bundle, tmp_path, tools, said=said)
