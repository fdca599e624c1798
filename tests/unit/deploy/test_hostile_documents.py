"""Documents that are rightly signed and hostile all the same: none installs anything else, crashes or hangs."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cli.main import run
from pipeline.deploy.generations import list_generations
from pipeline.deploy.select import select
from pipeline.errors import IntegrityError, PipelineError
from pipeline.model.manifest_document import read_manifest
from tests.simulators.engine_world import HOST, World
from tests.simulators.forger import ROLE, Forger
from tests.unit.model.test_hostile_json import HOSTILE, PLACES, UNCLEAN

HUGE = 10**17
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TARGET = "llama.cpp/linux-x86_64-cpu"

# Where in an artifact, and what: each is signed by the engine's own keys.
FIELDS: list[tuple[tuple[str | int, ...], object]] = [
    *[(("url",), place) for place in PLACES if place != "a" * 5000],
    *[(("size",), value) for value in (0, -1, HUGE, 10**18 - 1, 1.5, "1", True, None, [1], 2**63, -(2**63))],
    *[(("installed_size",), value) for value in (-1, HUGE, 0.0, "0", True)],
    *[(("layers", 0, "size"), value) for value in (0, -1, HUGE, 1e300, "1", True)],
    *[(("layers", 0, "installed_size"), value) for value in (-1, 0, 1, HUGE, "1")],
    *[
        (("layers", 0, "sha256"), value)
        for value in ("", "0" * 64, "0" * 63, "G" * 64, "../" * 21 + "x", "0" * 64 + "\n")
    ],
    *[(("layers", 0, "tree_sha256"), value) for value in ("", "0" * 64, "/etc/passwd", ".." * 32)],
    *[(("layers", 0, "name"), value) for value in ("", "..", "a/b", "core\n", "c\u043ere", "x" * 200, "core-debug")],
    (("layers",), []),
    *[
        (("version",), value)
        for value in ("", "..", "b2/../../x", "b\u0662", "b2\n", "b2 ", "\u001b[2Jb2", "-rf", "x" * 200)
    ],
    *[(("engine",), value) for value in ("", "..", "other", "LLAMA.CPP", "llama.cpp/", "ll\u0430ma.cpp", "CON")],
    *[(("platform",), value) for value in ("", "linux", "../x", "linux-x86_64\u0000")],
    *[(("accel",), value) for value in ("", "..", "gpu", "cuda-" + "9" * 100)],
    *[(("entry_points",), value) for value in ({"x": "../x"}, {"../x": "bin/x"}, {"x": "/bin/sh"}, {"x": "bin\\x"})],
    *[
        (("entry_points",), value)
        for value in ({"x": ""}, {"x": "bin/not-there"}, {"x": "C:/x"}, {"x": "a\u202eb"}, [])
    ],
    *[(("requires", "glibc"), value) for value in ("9" * 5000, "x" * 65, "", "\u0669.\u0669", 2, "2.34\n")],
    *[(("requires", "driver"), value) for value in ("9" * 5000, {}, "1 2")],
    *[(("requires", "cpu"), value) for value in (["no-such-extension"], "avx2", [1], ["x" * 5000])],
    *[(("upstream", "source_sha256"), value) for value in ("x", 1)],
    (("unknown",), 1),
    (("proof", "generated_tokens"), -1),
    (("licenses",), "MIT"),
    (("origin",), "stolen"),
]


def put(document: object, path: tuple[str | int, ...], value: object) -> None:
    *above, last = path
    for part in above:
        document = document[part]
    document[last] = value


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    world = World(folder)
    world.build("b1")
    world.publish()
    world.install()
    world.build("b2")
    world.publish()
    return folder


@pytest.fixture
def scene(template: Path, tmp_path: Path) -> tuple[World, Forger]:
    shutil.copytree(template, tmp_path / "world", symlinks=True)
    world = World(tmp_path / "world")
    return world, Forger(world.repository, world.keys)


def install(world: World, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Install as a user does; return the exit code and everything that was written."""
    arguments = ["install", TARGET, "--from", world.repository, "--root", world.root, "--version", "b2", *more]
    code = run([*map(str, arguments), "--trusted-root", str(world.keys_dir / "root.json")])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before = list_generations(world.root)
    for more in ((), ("--json",), ("--verbose",)):
        code, text = install(world, capsys, *more)
        assert code in {2, 3, 4, 5, 7, 8}, text
        assert CONTROL.search(text) is None
        assert len(text) < 20_000
    assert list_generations(world.root) == before


def test_the_control_installs(scene, capsys):
    world, forger = scene
    manifest = forger.manifest()
    forger.publish_manifest(json.dumps(manifest).encode())
    assert install(world, capsys)[0] == 0


@pytest.mark.parametrize(
    ("path", "value"), FIELDS, ids=[f"{n}-{p[-1]}-{ascii(v)[:40]}" for n, (p, v) in enumerate(FIELDS)]
)
def test_a_signed_manifest_with_a_hostile_field_installs_nothing(scene, capsys, path, value):
    world, forger = scene
    manifest = forger.manifest()
    artifact = next(one for one in manifest["artifacts"] if one["version"] == "b2")
    put(artifact, path, value)
    forger.publish_manifest(json.dumps(manifest).encode())
    refused(world, capsys)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_signed_manifest_that_json_readers_disagree_about_installs_nothing(scene, capsys, kind):
    world, forger = scene
    forger.publish_manifest(HOSTILE[kind](json.dumps(forger.manifest()).encode()))
    refused(world, capsys)


@pytest.mark.parametrize("text", UNCLEAN)
def test_a_signed_manifest_with_unclean_text_installs_nothing_and_shows_none_of_it(scene, capsys, text):
    world, forger = scene
    manifest = forger.manifest()
    for artifact in manifest["artifacts"]:
        artifact["licenses"] = [json.loads(UNCLEAN[text])]
    forger.publish_manifest(json.dumps(manifest).encode())
    refused(world, capsys)


def test_a_signed_manifest_of_one_artifact_twice_installs_nothing(scene, capsys):
    world, forger = scene
    manifest = forger.manifest()
    manifest["artifacts"] += copy.deepcopy(manifest["artifacts"])
    forger.publish_manifest(json.dumps(manifest).encode())
    refused(world, capsys)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"version":', '"version": 99, "version":'),
        ('"_type":', '"x": NaN, "_type":'),
        ('"targets":', '"targets": {}, "targets":'),
        ('"signatures":', '"signatures": [], "signatures":'),
    ],
)
def test_signed_metadata_that_json_readers_disagree_about_installs_nothing(scene, capsys, before, after):
    world, forger = scene
    forger.sign(ROLE, data=lambda data: json.dumps(json.loads(data)).replace(before, after, 1).encode())
    refused(world, capsys)


# --- any change at all ------------------------------------------------------------------------------------------------

_MORE = ["9" * 5000, "x" * 5000, [], {}, [[]], ["x"], {"x": "y"}, "https://u:p@h/x", "0" * 64, "2026-02-30T00:00:00Z"]
VALUES = st.sampled_from(
    [
        *_MORE,
        None,
        True,
        -1,
        0,
        1,
        HUGE,
        1.5,
        "",
        "x",
        "..",
        "../x",
        "/",
        "\\",
        "\x1b[2J",
        "\u202e",
        "\ud800",
        "%2e%2e",
        "C:",
    ]
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def mutate(data: st.DataObject, document: object) -> object:
    """Return the document with one to three values replaced, removed, added or doubled."""
    changed = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        found = list(places(changed))
        path = data.draw(st.sampled_from(found))
        above = changed
        for part in path[:-1]:
            above = above[part]
        what = data.draw(st.sampled_from(["replace", "remove", "add", "double"]))
        if what == "replace":
            above[path[-1]] = data.draw(VALUES)
        elif what == "remove":
            del above[path[-1]]
        elif isinstance(above, list):
            above.append(data.draw(VALUES) if what == "add" else copy.deepcopy(above[path[-1]]))
        else:
            above["more"] = data.draw(VALUES)
        if not list(places(changed)):
            break
    return changed


@settings(max_examples=300)
@given(data=st.data())
def test_any_change_of_a_manifest_is_refused_or_means_what_it_says(template: Path, data: st.DataObject):
    manifest = Forger(template / "repository", World(template).keys).manifest()
    changed = json.dumps(mutate(data, manifest)).encode("utf-8", "surrogatepass")
    try:
        read = read_manifest(changed)
    except IntegrityError:
        return
    with contextlib.suppress(PipelineError):
        select(read.artifacts, HOST, engine=None)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_signed_change_of_a_manifest_is_refused_or_installs_the_same_bytes(
    template: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    folder = tmp_path_factory.mktemp("change") / "world"
    shutil.copytree(template, folder, symlinks=True)
    world = World(folder)
    forger = Forger(world.repository, world.keys)
    changed = json.dumps(mutate(data, forger.manifest())).encode("utf-8", "surrogatepass")
    forger.publish_manifest(changed)
    try:
        outcome = world.install(version="b2", target=TARGET)
    except PipelineError:
        assert [one.version for one in list_generations(world.root)] == ["b1"]
    else:
        assert b"core b2" in (Path(outcome.path) / "bin/llama-server").read_bytes()
    shutil.rmtree(folder)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", ROLE])
def test_any_signed_change_of_metadata_is_refused_or_installs_the_same_bytes(
    template: Path, tmp_path_factory: pytest.TempPathFactory, role: str, data: st.DataObject
):
    folder = tmp_path_factory.mktemp("change") / "world"
    shutil.copytree(template, folder, symlinks=True)
    world = World(folder)
    forger = Forger(world.repository, world.keys)
    signed = json.loads(forger.path(role).read_text())["signed"]
    signed["version"] += 1
    changed = mutate(data, signed)
    try:
        forger.sign_document(role, changed)
    except Exception:  # noqa: BLE001 - what cannot be written canonically cannot be signed
        shutil.rmtree(folder)
        return
    try:
        outcome = world.install(version="b2", target=TARGET)
    except PipelineError:
        assert [one.version for one in list_generations(world.root)] == ["b1"]
    else:
        assert b"core b2" in (Path(outcome.path) / "bin/llama-server").read_bytes()
    shutil.rmtree(folder)
