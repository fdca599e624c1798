"""`report footprint` at the command line: of a dist folder, of a repository, and of what is damaged."""

from __future__ import annotations

import json
import shutil

import pytest

from pipeline.errors import IntegrityError
from pipeline.model.footprint import FootprintReport
from pipeline.model.manifest_document import read_document, read_manifest, write_document
from pipeline.model.step_times import StepTime, StepTimes
from tests.simulators.engine_world import CPU, LayerFiles, core
from tests.simulators.web import serving
from tests.unit.measure.made_measurements import measurement, run
from tests.unit.measure.test_strategy_result import result

TARGET = "llama.cpp/linux-x86_64-cpu"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FILES = {"report.html", "report.json", "report.md"}


@pytest.fixture
def world(world):
    world.build("2", (core("22"), CPU))
    world.build("2", (core("22"), LayerFiles("avx2", {"lib/libggml-avx2.so": b"avx2" * 900})), accel="avx2")
    return world


def test_a_dist_folder_becomes_a_page_a_summary_and_figures(user, world, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    said = user.ok("report", "footprint", "--from", world.folder / "dist", "--output", "out")
    assert {path.name for path in (tmp_path / "home/out").iterdir()} == FILES
    assert TARGET in said
    report = read_document(FootprintReport, (tmp_path / "home/out/report.json").read_bytes(), what="report.json")
    manifest = read_manifest((world.folder / "dist/manifest.json").read_bytes())
    newest = {a.target: a for a in manifest.artifacts if a.version == "2"}
    assert {b.target: (b.download, b.installed) for b in report.bundles} == {
        target: (artifact.size, artifact.installed_size) for target, artifact in newest.items()
    }
    (comparison,) = report.comparisons
    assert (comparison.target, comparison.baseline) == (TARGET, "1")
    assert [layer.same for layer in comparison.layers] == [False, True]
    assert report.without_baseline == ("llama.cpp/linux-x86_64-avx2",)
    assert (tmp_path / "summary.md").read_text() == (tmp_path / "home/out/report.md").read_text()


def test_a_second_report_reads_no_layer_and_is_the_same(user, world, tmp_path):
    dist = world.folder / "dist"
    first = user.json("report", "footprint", "--from", dist, "--output", "one")
    assert "reused" not in user.err
    shutil.rmtree(dist / "layers")
    second = user.json("report", "footprint", "--from", dist, "--output", "two")
    assert second["report"] == first["report"]
    for name in FILES:
        assert (tmp_path / "home/one" / name).read_bytes() == (tmp_path / "home/two" / name).read_bytes()


def test_a_repository_is_verified_and_read_from_a_folder_and_over_http(user, world, tmp_path):
    world.publish()
    options = ("--trusted-root", world.keys_dir / "root.json")
    folder = user.json("report", "footprint", "--from", world.repository, "--output", "one", *options)
    assert folder["report"]["made_from"] == "repository"
    shutil.rmtree(tmp_path / "home/.cache/engine-pipeline/results")
    with serving(world.repository) as (url, asked):
        web = user.json("report", "footprint", "--from", url, "--output", "two", *options)
        assert any("/blobs/" in path for path in asked)
    assert web["report"] == folder["report"]
    kept = [p for p in (tmp_path / "home/.cache/engine-pipeline/blobs").rglob("*") if p.is_file()]
    assert {path.read_bytes()[:1] for path in kept} == {b"{"}, "downloaded layers are not kept"


def test_a_repository_of_somebody_else_is_refused(user, world, tmp_path):
    world.publish()
    other = tmp_path / "other"
    user.ok("keys", "init", "--no-passphrase", "--keys", other)
    code = user.run("report", "footprint", "--from", world.repository, "--trusted-root", other / "root.json")
    assert code == 8
    assert not (tmp_path / "home/report").exists()


def test_the_baseline_may_be_in_another_folder(user, world):
    world.build("0", (core("0"), CPU), dist="before")
    places = ("--from", world.folder / "dist", "--baseline-from", world.folder / "before")
    found = user.json("report", "footprint", *places)
    assert [(one["target"], one["baseline"]) for one in found["report"]["comparisons"]] == [(TARGET, "0")]
    versions = {one["target"]: [point["version"] for point in one["points"]] for one in found["report"]["growth"]}
    assert versions[TARGET] == ["0", "1", "2"]


def test_the_same_repository_may_be_the_baseline_too(user, world):
    world.publish()
    options = ("--trusted-root", world.keys_dir / "root.json", "--from", world.repository)
    found = user.json("report", "footprint", *options, "--baseline-from", world.repository, "--baseline", "1")
    assert [one["baseline"] for one in found["report"]["comparisons"]] == ["1"]


@pytest.mark.parametrize("kind", ["footprint", "check"])
def test_a_copy_of_the_repository_may_be_the_baseline_over_http(user, world, tmp_path, kind):
    world.publish()
    copy = tmp_path / "copy"
    shutil.copytree(world.repository, copy)
    with serving(copy) as (url, _):
        options = ("--trusted-root", world.keys_dir / "root.json", "--from", world.repository)
        done = user.json("report", kind, *options, "--baseline-from", url, "--baseline", "1")
    assert "1" in json.dumps(done)


@pytest.mark.parametrize("kind", ["footprint", "check"])
@pytest.mark.parametrize("is_baseline", [True, False])
def test_both_places_of_a_report_may_be_named_without_tls(user, world, tmp_path, monkeypatch, kind, is_baseline):
    world.publish()
    shutil.copytree(world.repository, tmp_path / "proxy/http:/mirror.example/repository")
    dist, url = world.folder / "dist", "http://mirror.example/repository"
    here, there = (dist, url) if is_baseline else (url, dist)
    with serving(tmp_path / "proxy") as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        root = ("--trusted-root", world.keys_dir / "root.json")
        user.ok("report", kind, *root, "--from", here, "--baseline-from", there)
    assert any(path.startswith(url) for path in asked)


class Interrupted:
    """A reader that is stopped while it reads."""

    def read(self, archive, **_):
        assert archive.is_file()
        raise IntegrityError(f"{archive} was looked into and left", hint="none")


def test_a_downloaded_layer_is_not_kept_when_reading_it_fails(user, world, tmp_path, monkeypatch):
    world.publish()
    monkeypatch.setattr("pipeline.cli.commands.report_footprint.layer_reader", Interrupted)
    with serving(world.repository) as (url, _):
        assert user.run("report", "footprint", "--from", url, "--trusted-root", world.keys_dir / "root.json") == 7
    assert "was looked into and left" in user.err
    assert [
        p
        for p in (tmp_path / "home/.cache/engine-pipeline").rglob("*")
        if p.is_file() and p.read_bytes()[:4] == ZSTD_MAGIC
    ] == []


@pytest.mark.parametrize(("options", "code", "says"), [
    (("--target", "linux-x86_64-cuda-13.0"), 3, "no target matches"),
    (("--release", "9"), 3, "the version 9"),
    (("--baseline", "9"), 3, "no 9 to compare with"),
])  # fmt: skip
def test_what_is_not_there_ends_with_3_and_names_what_is(user, world, tmp_path, options, code, says):
    assert user.run("report", "footprint", "--from", world.folder / "dist", *options) == code
    assert says in user.err
    assert "next:" in user.err
    assert not (tmp_path / "home/report").exists()


def test_a_missing_baseline_names_the_versions_there_are(user, world):
    user.run("report", "footprint", "--from", world.folder / "dist", "--baseline", "9")
    assert "there are 2, 1" in user.err


def test_a_folder_that_is_neither_is_a_usage_error(user, tmp_path):
    assert user.run("report", "footprint", "--from", tmp_path) == 2
    assert "neither a dist folder nor a repository" in user.err


def test_a_damaged_layer_is_named_with_its_bundle_and_nothing_is_written(user, world, tmp_path):
    archive = next((world.folder / "dist/layers").glob("avx2-*"))
    archive.write_bytes(archive.read_bytes()[:-9])
    assert user.run("report", "footprint", "--from", world.folder / "dist") == 7
    assert "layer avx2 of llama.cpp/linux-x86_64-avx2 2" in user.err
    assert archive.name in user.err
    assert not (tmp_path / "home/report").exists()


def test_times_of_the_build_are_drawn_and_damaged_ones_refused(user, world, tmp_path):
    path = world.folder / "dist/times.json"
    fields = {"kind": "compile", "key": "a" * 64, "targets": (TARGET,), "run": "2026-11-26T00:00:00Z"}
    time = StepTime(step="compile the core", start_milliseconds=5, milliseconds=90_000, **fields)
    path.write_bytes(write_document(StepTimes(steps=(time,))))
    found = user.json("report", "footprint", "--from", world.folder / "dist")
    assert [one["step"] for one in found["report"]["times"]] == ["compile the core"]
    assert "1 min 30 s" in (tmp_path / "home/report/report.html").read_text()
    path.write_text('{"schema_version": 2}')
    assert user.run("report", "footprint", "--from", world.folder / "dist") == 7
    assert "times.json" in user.err


def test_the_figures_follow_the_kept_schema(user, world, tmp_path):
    user.ok("report", "footprint", "--from", world.folder / "dist")
    report = json.loads((tmp_path / "home/report/report.json").read_text())
    schema = json.loads(user.ok("schema", "footprint-report"))
    assert set(report) == set(schema["properties"])
    FootprintReport.model_validate(report, strict=False)


def test_without_the_library_it_stops_before_anything_is_read(user, world, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    assert user.run("report", "footprint", "--from", world.folder / "dist") == 5
    assert "engine-pipeline[report]" in user.err
    assert not (tmp_path / "home/report").exists()


def test_strategies_that_were_measured_are_drawn_and_a_file_that_is_none_is_refused(user, world, tmp_path):
    here = measurement("bundled", None, run(unpack=0.5), target=TARGET).model_copy(update={"version": "2"})
    measured = result(here)
    (tmp_path / "home/measured.json").write_text(measured.model_dump_json(by_alias=True))
    dist = world.folder / "dist"
    said = user.json("report", "footprint", "--from", dist, "--strategies", "measured.json", "--output", "out")
    (drawn,) = said["report"]["strategies"]
    assert (drawn["strategy"], drawn["milliseconds"]) == ("bundled", 500)
    assert "Time to the first token" in (tmp_path / "home/out/report.html").read_text()
    assert "not drawn" not in user.err
    (tmp_path / "home/none.json").write_text("{}")
    assert user.run("report", "footprint", "--from", dist, "--strategies", "none.json", "--output", "none") == 7
    assert "is no result of `bench strategies`" in user.err
    assert not (tmp_path / "home/none").exists()


def test_times_of_other_targets_and_versions_are_not_drawn_and_named(user, world, tmp_path):
    of_b1 = measurement("bundled", None, run(unpack=0.5), target=TARGET)
    of_metal = of_b1.model_copy(update={"target": "llama.cpp/macos-arm64-metal", "version": "2"})
    (tmp_path / "home/measured.json").write_text(result(of_b1, of_metal).model_dump_json(by_alias=True))
    said = user.json("report", "footprint", "--from", world.folder / "dist", "--strategies", "measured.json")
    assert said["report"]["strategies"] == []
    assert "2 strategy times not drawn, of no bundle of this report" in user.err
    assert f"{TARGET} b1" in user.err
    assert "llama.cpp/macos-arm64-metal 2" in user.err
