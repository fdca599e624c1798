"""Packages come side by side, each checked, and what cannot be had is named as a whole."""

from __future__ import annotations

import dataclasses

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NetworkError, NothingSelectedError, OfflineError
from pipeline.make.packages import fetch_packages
from pipeline.model.environment_actions import FetchPackages, PackageFile
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from pipeline.system.transfer_policy import TransferPolicy
from tests.simulators import http_server as sim
from tests.simulators.engine_world import Recorder, services_for
from tests.simulators.fixed_index import FixedIndex

LOCKED = "https://conda.example/conda-forge"
DATA = {f"pkg{number}-1-0.conda": f"package {number}".encode() * 100 for number in range(4)}


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def make_services(tmp_path):
    base = services_for(tmp_path)

    def make(*, index=None, offline=False, mirrors=(), channels=None):
        downloader = HttpDownloader(
            base.store,
            offline=offline,
            events=Recorder(),
            clock=SystemClock(),
            mirrors=[str(path) for path in mirrors],
            policy=TransferPolicy(tries=1),
        )
        return dataclasses.replace(
            base,
            downloader=downloader,
            index=index,
            jobs=2,
            offline=offline,
            channels=channels or {},
            mirrors=tuple(map(str, mirrors)),
        )

    return make


def conda_packages(data=None, **changes):
    files = tuple(
        PackageFile(
            filename=name,
            sha256=sha256_bytes(content),
            size_bytes=len(content),
            channel=LOCKED,
            path=f"noarch/{name}",
        )
        for name, content in (data or DATA).items()
    )
    return FetchPackages(environment="mlx", platform="macos-arm64", what="conda packages", files=files, **changes)


def wheels():
    files = tuple(
        PackageFile(filename=f"{name}.whl", sha256=sha256_bytes(b"w"), size_bytes=1, project=name)
        for name in ("a", "b")
    )
    return FetchPackages(environment="mlx", platform="macos-arm64", what="wheels", files=files)


def test_packages_come_from_the_configured_channel_and_are_called_by_name(server, make_services, tmp_path):
    urls = [server.host(f"/mirrored/noarch/{name}", data) for name, data in DATA.items()]
    services = make_services(channels={LOCKED: urls[0].rpartition("/noarch")[0] + "/"})
    made = fetch_packages(conda_packages(), "fetch", services, tmp_path)
    assert {name: blob.sha256 for name, blob in made.blobs.items()} == {
        name: sha256_bytes(data) for name, data in DATA.items()
    }
    seen = [event for event in services.events.events if type(event).__name__ == "StepProgress"]
    assert (seen[-1].done, seen[-1].total) == (sum(map(len, DATA.values())),) * 2


def test_every_package_that_cannot_be_had_is_named(server, make_services, tmp_path):
    names = sorted(DATA)
    url = server.host(f"/c/noarch/{names[0]}", DATA[names[0]])
    services = make_services(channels={LOCKED: url.rpartition("/noarch")[0]})
    with pytest.raises(NetworkError) as caught:
        fetch_packages(conda_packages(), "fetch", services, tmp_path)
    assert names[0] not in caught.value.message
    assert all(name in caught.value.message for name in names[1:])
    assert "of mlx for macos-arm64" in caught.value.message
    assert "--from-mirror" in caught.value.hint
    assert "--wheels-only" in caught.value.hint
    assert caught.value.exit_code == 6


def test_a_channel_that_is_down_is_named_once_for_all(server, make_services, tmp_path):
    services = make_services(channels={LOCKED: "http://127.0.0.1:9/c"})
    with pytest.raises(NetworkError) as caught:
        fetch_packages(conda_packages(), "fetch", services, tmp_path)
    assert all(name in caught.value.message for name in DATA)
    assert caught.value.message.count("127.0.0.1:9") == 1


def test_without_network_all_that_are_not_here_are_named(make_services, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    names = sorted(DATA)
    (mirror / names[0]).write_bytes(DATA[names[0]])
    with pytest.raises(OfflineError) as caught:
        fetch_packages(conda_packages(), "fetch", make_services(offline=True, mirrors=[mirror]), tmp_path)
    assert "3 of 4 conda packages of mlx for macos-arm64 are not here" in caught.value.message
    assert names[0] not in caught.value.message
    assert all(name in caught.value.message for name in names[1:])
    assert f"looked for in the store, {mirror}" in caught.value.message
    assert f"put the files by their names into {mirror}" in caught.value.hint
    assert "--format conda-explicit" in caught.value.hint


def test_without_network_wheels_are_named_and_what_brings_them(make_services, tmp_path):
    index = FixedIndex(OfflineError("the index is in the network", hint="put a.whl somewhere"))
    with pytest.raises(OfflineError) as caught:
        fetch_packages(wheels(), "fetch", make_services(index=index, offline=True), tmp_path)
    assert caught.value.message.startswith("2 of 2 wheels of mlx for macos-arm64 are not here (a.whl, b.whl; ")
    assert "there is no url" not in caught.value.message
    assert "without --offline" in caught.value.hint
    assert "--from-mirror" in caught.value.hint
    assert "lock --env mlx --platform macos-arm64 --format pylock --with-urls" in caught.value.hint
    assert ".whl" not in caught.value.hint


def test_of_very_many_packages_the_first_are_named_and_the_rest_counted(make_services, tmp_path):
    many = {f"pkg{number:02}-1-0.conda": f"package {number}".encode() for number in range(30)}
    with pytest.raises(OfflineError, match=r"30 of 30 conda packages .*pkg07-1-0\.conda and 22 more") as caught:
        fetch_packages(conda_packages(many), "fetch", make_services(offline=True), tmp_path)
    assert "pkg08" not in caught.value.message


def test_what_a_mirror_lacks_is_named_with_the_place_and_how_it_is_filled(make_services, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "pkg0-1-0.conda").write_bytes(DATA["pkg0-1-0.conda"])
    services = make_services(mirrors=[mirror], channels={LOCKED: "http://127.0.0.1:9/c"})
    with pytest.raises(NetworkError) as caught:
        fetch_packages(conda_packages(), "fetch", services, tmp_path)
    assert "3 of 4 conda packages" in caught.value.message
    assert f"{mirror}/FILE does not exist" in caught.value.message
    assert f"put the files by their names into {mirror}" in caught.value.hint
    assert "--from-mirror" not in caught.value.hint


def test_wheels_that_a_mirror_lacks_are_named_where_the_index_does_not_answer(make_services, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "a.whl").write_bytes(b"w")
    asked = wheels()
    other = asked.files[1].model_copy(update={"sha256": sha256_bytes(b"v")})
    asked = asked.model_copy(update={"files": (asked.files[0], other)})
    index = FixedIndex(NetworkError("the index could not be read", hint="run the same command again later"))
    with pytest.raises(NetworkError, match=r"1 of 2 wheels .*b\.whl.*the index could not be read") as caught:
        fetch_packages(asked, "fetch", make_services(index=index, mirrors=[mirror]), tmp_path)
    assert f"put the files by their names into {mirror}" in caught.value.hint


def test_wrong_bytes_are_an_error_of_integrity(server, make_services, tmp_path):
    urls = [server.host(f"/c/noarch/{name}", data[:-1] + b"!") for name, data in DATA.items()]
    services = make_services(channels={LOCKED: urls[0].rpartition("/noarch")[0]})
    with pytest.raises(IntegrityError):
        fetch_packages(conda_packages(), "fetch", services, tmp_path)


def test_two_files_of_one_name_are_refused(make_services, tmp_path):
    action = conda_packages()
    action = action.model_copy(update={"files": (*action.files, action.files[0])})
    with pytest.raises(IntegrityError, match=r"two files are called pkg0-1-0\.conda"):
        fetch_packages(action, "fetch", make_services(), tmp_path)


def test_a_mirror_is_asked_before_the_index(make_services, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name in ("a.whl", "b.whl"):
        (mirror / name).write_bytes(b"w")
    index = FixedIndex({})
    fetch_packages(wheels(), "fetch", make_services(index=index, mirrors=[mirror]), tmp_path)
    assert index.asked == []


def test_wheels_are_found_through_the_index_by_project(server, make_services, tmp_path):
    index = FixedIndex({name: server.host(f"/{name}", b"w") for name in ("a.whl", "b.whl")})
    made = fetch_packages(wheels(), "fetch", make_services(index=index), tmp_path)
    assert sorted(made.blobs) == ["a.whl", "b.whl"]
    assert set(index.asked) <= {("a", "a.whl"), ("b", "b.whl")}


def test_a_wheel_that_no_index_has_any_more_names_the_lock(make_services, tmp_path):
    index = FixedIndex(NothingSelectedError("no configured index has a.whl"))
    with pytest.raises(NothingSelectedError, match=r"no configured index has a\.whl") as caught:
        fetch_packages(wheels(), "fetch", make_services(index=index), tmp_path)
    assert "lock --env mlx" in caught.value.hint
