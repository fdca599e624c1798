"""Locking an environment: what is written, what is refused, and that nothing is ever half written."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from pipeline.app.services import disk
from pipeline.catalog.environments import read_environment
from pipeline.catalog.lock_files import LockError
from pipeline.errors import HostError, IntegrityError, NetworkError, OfflineError, PipelineError, UsageError
from pipeline.lock import stale
from pipeline.lock.refusals import NoWheelError, UncheckableError, UnsatisfiableError, YankedError
from tests.simulators.lock_world import PLATFORMS, LockWorld

GENERATED = ("conda-lock.yml", "conda-records.json", "pylock.linux-x86_64.toml", "pylock.macos-arm64.toml")


def test_all_files_are_written_and_read_back(world):
    outcome = world.lock()
    assert outcome.files == GENERATED
    mac = read_environment(world.folder, "macos-arm64")
    assert {"python", "openssl", "zstd"} <= {package.name for package in mac.conda}
    assert [wheel.filename for wheel in mac.wheels] == ["thing-1.0-py3-none-any.whl"]
    assert all(package.url.startswith("https://conda.anaconda.org/conda-forge/") for package in mac.conda)
    assert stale(world.folder, PLATFORMS) == ()


def test_a_lock_names_neither_index_nor_channel_place_nor_machine(world):
    world.lock()
    for name, text in world.files().items():
        assert "127.0.0.1" not in text, name
        assert str(world.home) not in text, name
        assert "file:" not in text, name


def test_locking_again_writes_nothing(locked):
    before = locked.files()
    outcome = locked.lock()
    assert (outcome.files, outcome.changes) == ((), ())
    assert locked.files() == before


def test_a_dry_run_shows_the_changes_and_writes_nothing(locked, index):
    index.add("thing", "1.1")
    index.add("more", "2.0")
    locked.require("thing", "more; sys_platform == 'linux'")
    before = locked.files()
    outcome = locked.lock(dry_run=True)
    assert [(change.platform, change.name, change.before, change.after) for change in outcome.changes] == [
        ("linux-x86_64", "more", None, "2.0"),
        ("linux-x86_64", "thing", "1.0", "1.1"),
        ("macos-arm64", "thing", "1.0", "1.1"),
    ]
    assert locked.files() == before


def test_the_header_says_where_a_recorded_channel_is_from(world):
    world.lock()
    assert "# solved from: conda-express 26.9.4" in world.files()["conda-lock.yml"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_one_platform_alone_is_written_as_before_when_nothing_is_new(locked, platform):
    before = locked.files()
    assert locked.lock(platform).files == ()
    assert locked.files() == before


def test_platforms_stand_as_the_environment_lists_them_whichever_was_locked_last(world):
    world.edit("environment.yml", "[osx-arm64, linux-64]", "[linux-64, osx-arm64]")
    world.lock()
    both = world.files()["conda-lock.yml"]
    assert "  platforms:\n  - linux-64\n  - osx-arm64\n" in both
    assert both.index("    linux-64: ") < both.index("    osx-arm64: ")
    (world.folder / "conda-lock.yml").unlink()
    for platform in reversed(PLATFORMS):
        world.lock(platform)
    assert world.files()["conda-lock.yml"] == both


def test_one_platform_is_locked_and_the_other_stays(locked, index):
    index.add("thing", "1.1")
    locked.require("thing")
    outcome = locked.lock("macos-arm64")
    assert [(change.platform, change.after) for change in outcome.changes] == [("macos-arm64", "1.1")]
    reasons = stale(locked.folder, PLATFORMS)
    assert [reason.rpartition("/")[2] for reason in reasons] == [
        "pylock.linux-x86_64.toml: requirements.in changed since it was made"
    ]


def test_one_platform_alone_is_refused_when_the_base_changed_for_all(locked):
    locked.edit("environment.yml", "python 3.14.*", "python 3.14.9")
    with pytest.raises(UsageError, match=r"environment\.yml changed"):
        locked.lock("macos-arm64")


def test_the_wheel_that_fits_the_floor_best_is_chosen(wheels, index):
    for macos in (11, 14, 15, 26):
        index.add("metal", "1.0", tag=f"py3-none-macosx_{macos}_0_arm64")
    for glibc in ("2_17", "2_35", "2_39"):
        index.add("metal", "1.0", tag=f"py3-none-manylinux_{glibc}_x86_64")
    wheels.require("metal")
    wheels.lock()
    assert [read_environment(wheels.folder, platform).wheels[0].filename for platform in PLATFORMS] == [
        "metal-1.0-py3-none-macosx_14_0_arm64.whl",
        "metal-1.0-py3-none-manylinux_2_35_x86_64.whl",
    ]


def no_index(world: LockWorld, **variables: str) -> None:
    """Take the world's index out of its variables, and pip's files out of the test."""
    without = {"UV_DEFAULT_INDEX": "", "UV_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    world.variables |= {**without, **variables}


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"])
def test_a_lock_asks_the_indexes_that_a_build_asks(wheels, index, variable):
    is_default = variable.endswith("_INDEX_URL") and "EXTRA" not in variable
    no_index(wheels, UV_DEFAULT_INDEX="" if is_default else "http://127.0.0.1:9/none")
    wheels.variables[variable] = f"own={index.url}" if variable == "UV_INDEX" else index.url
    assert wheels.lock().files == GENERATED[2:]


def test_an_index_of_uvs_own_file_is_asked(wheels, index):
    no_index(wheels, UV_CONFIG_FILE=str(wheels.home / "uv.toml"))
    (wheels.home / "uv.toml").write_text(f'[[index]]\nname = "own"\nurl = "{index.url}"\ndefault = true\n')
    assert wheels.lock().files == GENERATED[2:]


def test_an_index_of_pips_own_file_is_asked(wheels, index):
    no_index(wheels)
    wheels.variables["PIP_CONFIG_FILE"] = str(wheels.home / "pip.conf")
    (wheels.home / "pip.conf").write_text(f"[global]\nindex-url = {index.url}\n")
    assert wheels.lock().files == GENERATED[2:]


@pytest.mark.parametrize("place", ["variable", "file"])
def test_wheels_that_no_index_has_are_not_locked_and_the_setting_is_named(wheels, index, place):
    filename = index.add("held", "2.0")
    (wheels.home / filename).write_bytes(index.bytes_of(filename))
    index.withdraw("held")
    wheels.require("held")
    wheels.variables |= {
        "variable": {"UV_FIND_LINKS": str(wheels.home)},
        "file": {"UV_CONFIG_FILE": str(wheels.home / "uv.toml")},
    }[place]
    (wheels.home / "uv.toml").write_text(f'find-links = ["{wheels.home}"]\n')
    with pytest.raises(UnsatisfiableError, match="held"):
        wheels.lock()
    [warning] = [event.message for event in wheels.said.events if getattr(event, "level", "") == "warning"]
    assert ("UV_FIND_LINKS" if place == "variable" else "uv.toml") in warning


def test_an_older_release_is_locked_where_the_newest_needs_a_newer_macos(wheels, index):
    index.add("metal", "1.0", tag="py3-none-macosx_14_0_arm64")
    index.add("metal", "1.0", tag="py3-none-manylinux_2_17_x86_64")
    index.add("metal", "2.0", tag="py3-none-macosx_15_0_arm64")
    index.add("metal", "2.0", tag="py3-none-manylinux_2_17_x86_64")
    wheels.require("metal")
    wheels.lock()
    assert [read_environment(wheels.folder, platform).wheels[0].version for platform in PLATFORMS] == ["1.0", "2.0"]


@pytest.mark.parametrize("lost", ["sha256", "size"])
def test_a_conda_package_without_digest_or_size_is_refused_by_name(world, lost):
    def change(records):
        for record in records.values():
            if record["name"] == "tzdata":
                record.pop(lost)

    world.edit_records("noarch", change)
    before = world.files()
    with pytest.raises(UncheckableError, match="noarch/tzdata-2026c"):
        world.lock()
    assert world.files() == before


def test_a_wheel_without_size_is_refused_by_name(wheels, index):
    index.add("poor", "3.0", without=("size",))
    wheels.require("thing", "poor")
    with pytest.raises(UncheckableError, match=r"poor-3\.0-py3-none-any\.whl"):
        wheels.lock()


def test_a_yanked_release_is_refused_in_the_words_of_uv(wheels, index):
    index.add("gone", "1.0", yanked="eats your models")
    wheels.require("thing", "gone==1.0")
    before = wheels.files()
    with pytest.raises(YankedError, match="eats your models"):
        wheels.lock()
    assert wheels.files() == before


def test_requirements_that_contradict_each_other_say_why(wheels, index):
    index.add("other", "1.0", needs=("thing>=2",))
    wheels.require("thing==1.0", "other")
    with pytest.raises(UnsatisfiableError, match="depend on thing>=2 and you require thing==1"):
        wheels.lock()


def test_a_release_without_a_wheel_for_the_floor_is_refused(wheels, index):
    index.add("metal", "1.0", tag="py3-none-macosx_26_0_arm64")
    wheels.require("metal; sys_platform == 'darwin'")
    with pytest.raises((UnsatisfiableError, NoWheelError), match="metal"):
        wheels.lock()


def test_a_requirement_that_is_none_is_an_error_of_usage(wheels):
    wheels.require("thing===", "!!")
    with pytest.raises(UsageError, match=r"requirements\.in"):
        wheels.lock()


def test_an_index_that_is_down_is_the_networks_fault(wheels, index):
    index.broken = True
    wheels.variables["UV_HTTP_RETRIES"] = "0"
    with pytest.raises(NetworkError):
        wheels.lock()


def test_a_base_that_cannot_be_solved_is_told_in_the_solvers_words(world):
    world.edit("virtual-packages.yml", '__glibc: "2.35"', '__glibc: "2.12"')
    with pytest.raises(UnsatisfiableError, match=r"linux-64: (?s:.*)__glibc >=2\.17"):
        world.lock()


def test_a_channel_that_is_down_is_the_networks_fault(world):
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:9"):
        world.lock(channel="http://127.0.0.1:9/conda-forge")


def test_a_channel_whose_repodata_is_damaged_is_refused(world):
    for subdir in ("noarch", "linux-64", "osx-arm64"):
        (world.channel / subdir / "repodata.json").write_text('{"packages": tr')
    with pytest.raises(IntegrityError):
        world.lock()


@pytest.mark.parametrize("place", ["nowhere", "envs", "ftp://127.0.0.1/x"])
def test_a_channel_that_is_no_channel_is_an_error_of_usage(world, place):
    with pytest.raises(UsageError, match="--channel"):
        world.lock(channel=str(world.home / place) if "://" not in place else place)


def test_one_place_cannot_stand_for_two_channels(world):
    world.edit("environment.yml", "[conda-forge]", "[conda-forge, bioconda]")
    with pytest.raises(UsageError, match="replaces one channel"):
        world.lock()


@pytest.mark.parametrize("channel", [None, "https://127.0.0.1:9/x"])
def test_without_the_network_a_channel_elsewhere_is_not_asked(world, channel):
    with pytest.raises(OfflineError):
        world.lock(channel=channel, offline=True)


def test_without_the_network_the_index_is_not_asked(wheels, index):
    with pytest.raises(OfflineError):
        wheels.lock(offline=True)
    assert index.requests == []


def test_a_conda_that_is_not_there_is_named(world):
    with pytest.raises(HostError, match="no-such-conda"):
        world.lock(conda="no-such-conda")


def test_without_a_conda_and_without_py_rattler_it_says_what_to_install(world):
    with pytest.raises(HostError, match="rattler") as caught:
        world.lock(without_rattler=True)
    assert "Miniforge" in caught.value.hint
    assert "engine-pipeline[lock]" in caught.value.hint


@pytest.mark.parametrize("module", ["conda_lock", "uv"])
def test_a_python_without_the_tools_says_what_to_install(world, module):
    with pytest.raises(HostError, match=module.replace("_", "-")):
        world.lock(without_module=module)


def test_only_wheels_are_locked_where_conda_packages_are_a_problem(world):
    (world.folder / "conda-problem.txt").write_text("no records\n")
    assert world.lock().files == GENERATED[2:]
    assert read_environment(world.folder, "macos-arm64").conda_problem == "no records"
    assert stale(world.folder, PLATFORMS) == ()


def test_a_lock_of_a_platform_that_is_no_more_asked_for_is_removed(locked):
    locked.edit("environment.yml", "[osx-arm64, linux-64]", "[osx-arm64]")
    outcome = locked.lock("macos-arm64", complete=True)
    assert "pylock.linux-x86_64.toml" in outcome.files
    assert not (locked.folder / "pylock.linux-x86_64.toml").exists()
    assert stale(locked.folder, ["macos-arm64"]) == ()


@dataclass
class DiesAfter:
    """The real disk, until so many files were moved into place."""

    moves: int
    real: object = field(default_factory=disk)

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def move_over(self, source: Path, destination: Path, *, durable: bool = True) -> None:
        if not self.moves:
            raise KeyboardInterrupt
        self.moves -= 1
        self.real.move_over(source, destination, durable=durable)


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_a_lock_that_died_half_way_is_found_and_mended(locked, index, moves):
    index.add("thing", "1.1")
    locked.require("thing")
    locked.edit("virtual-packages.yml", '"14.0"', '"14.2"')
    before = locked.files()
    with pytest.raises(KeyboardInterrupt):
        locked.lock(using=DiesAfter(moves))
    after = locked.files()
    assert sum(before[name] != after[name] for name in GENERATED) == moves
    assert stale(locked.folder, PLATFORMS) != ()
    locked.lock()
    assert stale(locked.folder, PLATFORMS) == ()
    assert not (locked.folder / ".locking").exists()


@dataclass
class SaysThatItWaits:
    """The real disk, and whether a lock was somebody else's."""

    waited: Event = field(default_factory=Event)
    real: object = field(default_factory=disk)

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    def lock(self, path: Path, *, waiting: Callable[[], None]):
        def tell() -> None:
            waiting()
            self.waited.set()

        return self.real.lock(path, waiting=tell)


def test_whoever_locks_an_environment_waits_for_whoever_else_does(wheels):
    watched = SaysThatItWaits()
    before = wheels.files()
    with ThreadPoolExecutor(1) as second:
        with disk().lock(wheels.folder.parent / ".tiny.lock"):
            running = second.submit(wheels.lock, using=watched)
            assert watched.waited.wait(60), "it does not wait"
            assert wheels.lock(dry_run=True).files != (), "who writes nothing need not wait"
            assert wheels.files() == before
            assert not running.done()
        assert running.result(60).files == GENERATED[2:]
    assert stale(wheels.folder, PLATFORMS) == ()


def test_two_that_lock_one_environment_at_once_leave_one_set(wheels):
    with ThreadPoolExecutor(2) as pool:
        outcomes = [future.result(60) for future in [pool.submit(wheels.lock) for _ in range(2)]]
    assert sorted(len(outcome.files) for outcome in outcomes) == [0, 2]
    assert stale(wheels.folder, PLATFORMS) == ()


def test_files_of_two_runs_are_no_set(locked):
    (locked.folder / "pylock.macos-arm64.toml").write_text(
        locked.files()["pylock.macos-arm64.toml"].replace("size = ", "size = 1")
    )
    assert all("edited" in reason for reason in stale(locked.folder, PLATFORMS))
    assert len(stale(locked.folder, PLATFORMS)) == 3


def fetched(name: str, **values: object) -> dict[str, object]:
    """Return a record as conda's FETCH has it."""
    record = {
        "name": name,
        "version": "3.14.9",
        "build": "h0_0",
        "build_number": 0,
        "depends": [],
        "constrains": [],
        "md5": "0" * 32,
        "sha256": "1" * 64,
        "size": 10,
        "subdir": "osx-arm64",
        "fn": f"{name}-3.14.9-h0_0.conda",
        "url": f"https://conda.anaconda.org/conda-forge/osx-arm64/{name}-3.14.9-h0_0.conda",
        "channel": "conda-forge",
        "license": "Python-2.0",
        "timestamp": 1,
    }
    return record | values


def test_the_users_conda_decides_when_there_is_one(world):
    world.edit("environment.yml", "[osx-arm64, linux-64]", "[osx-arm64]")
    answer = {"success": True, "actions": {"FETCH": [fetched("python")], "LINK": [{"name": "python"}]}}
    conda = world.stand_in_conda({"osx-arm64": answer})
    world.lock("macos-arm64", conda=str(conda), complete=True)
    [package] = read_environment(world.folder, "macos-arm64").conda
    assert (package.name, package.size_bytes, package.license) == ("python", 10, "Python-2.0")
    create = next(call for call in world.conda_calls() if "create" in call)
    assert create[0] == "osx-arm64"
    assert world.channel.as_uri() in create
    assert "conda-forge" not in create


def test_urls_of_another_place_become_the_channels_own(world):
    world.edit("environment.yml", "[osx-arm64, linux-64]", "[osx-arm64]")
    record = fetched("python", url="http://127.0.0.1:9/copy/osx-arm64/python-3.14.9-h0_0.conda")
    conda = world.stand_in_conda({"osx-arm64": {"actions": {"FETCH": [record], "LINK": []}}}, name="micromamba")
    world.lock("macos-arm64", conda=str(conda), channel="http://127.0.0.1:9/copy", complete=True)
    [package] = read_environment(world.folder, "macos-arm64").conda
    assert package.url == "https://conda.anaconda.org/conda-forge/osx-arm64/python-3.14.9-h0_0.conda"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"exception_name": "CondaHTTPError", "message": "HTTP 503"}, NetworkError),
        ({"exception_name": "PackagesNotFoundError", "message": "no python 3.99"}, UnsatisfiableError),
        ({"exception_name": "LibMambaUnsatisfiableError", "message": "conflict"}, UnsatisfiableError),
        ("error    libmamba Could not solve for environment specs", UnsatisfiableError),
        ("critical libmamba Download error (28)", NetworkError),
        ({"exception_name": "CorruptedEnvironmentError", "message": "odd"}, PipelineError),
    ],
)
def test_what_the_users_conda_says_decides_the_kind_of_error(world, answer, kind):
    conda = world.stand_in_conda(dict.fromkeys(("osx-arm64", "linux-64"), answer), code=1)
    said = answer if isinstance(answer, str) else str(answer["message"])
    with pytest.raises(PipelineError) as caught:
        world.lock(conda=str(conda))
    assert type(caught.value) is kind
    assert said in caught.value.message


def test_a_conda_lock_is_never_replaced_by_one_that_cannot_be_read(world):
    answer = {"actions": {"FETCH": [fetched("python", version="3.13.1", fn="x")], "LINK": []}}
    conda = world.stand_in_conda(dict.fromkeys(("osx-arm64", "linux-64"), answer))
    before = world.files()
    with pytest.raises(LockError):
        world.lock(conda=str(conda))
    assert world.files() == before
