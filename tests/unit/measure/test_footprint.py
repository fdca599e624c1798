"""What a report computes of bundles: sizes, sharing, updates, growth, findings, times."""

from __future__ import annotations

from pipeline.model.footprint import FootprintReport
from pipeline.model.growth import Amount
from pipeline.model.layer_content import SectionSizes
from pipeline.model.manifest_document import read_document, write_document
from pipeline.model.step_times import StepTime, StepTimes, joined_times
from tests.simulators.footprints import Shelf, a_file

CPU, AVX2 = "llama.cpp/linux-x86_64-cpu", "llama.cpp/linux-x86_64-avx2"


def test_the_newest_version_of_each_target_is_reported_and_versions_count_by_number(two_releases: Shelf):
    report = two_releases.report()
    assert [(b.target, b.version) for b in report.bundles] == [(AVX2, "b10"), (CPU, "b10")]
    assert [(c.target, c.baseline) for c in report.comparisons] == [(AVX2, "b9"), (CPU, "b9")]


def test_sharing_is_the_naive_sum_then_each_layer_once_then_each_file_once(two_releases: Shelf):
    targets, releases = two_releases.report().sharing
    core, cpu, avx2 = 15 + 130 + 4, 40 + 20, 60 + 20
    assert targets.naive == Amount(
        download=2 * (core // 2 + 1) + (cpu // 2 + 1) + (avx2 // 2 + 1), installed=2 * core + cpu + avx2
    )
    assert targets.by_layer.installed == core + cpu + avx2
    assert targets.by_file == core + 40 + 60 + 20, "the license is in both backends"
    assert [(f.paths, len(f.layers)) for f in targets.shared_files] == [(("LICENSE",), 2)]
    assert (releases.scope, releases.bundles) == ("releases", 4)
    assert releases.by_layer.installed == core + cpu + avx2 + (10 + 100 + 4)
    assert releases.by_file == core + 120 + 110, "a file that did not change is there once"


def test_an_update_fetches_changed_layers_alone_and_says_which_files_grew(two_releases: Shelf):
    comparison = next(c for c in two_releases.report().comparisons if c.target == CPU)
    assert [(layer.name, layer.same) for layer in comparison.layers] == [("core", False), ("cpu", True)]
    assert comparison.fetch == (15 + 130 + 4) // 2 + 1
    assert comparison.new_bytes == 15 + 130
    assert [(f.path, f.grown) for f in comparison.files] == [("lib/core.so", 30), ("bin/llama-server", 5)]


def test_layers_and_files_that_came_and_went_are_changes(shelf: Shelf):
    shelf.bundle("b1", shelf.layer("core", {"a": "1", "b": "2"}), shelf.layer("old", {"c": "3"}))
    shelf.bundle("b2", shelf.layer("core", {"a": "1", "d": "45"}), shelf.layer("new", {"c": "3"}))
    (comparison,) = shelf.report().comparisons
    assert [(one.name, one.before is None, one.after is None) for one in comparison.layers] == [
        ("core", False, False),
        ("new", True, False),
        ("old", False, True),
    ]
    assert [(f.layer, f.path, f.before, f.after) for f in comparison.files] == [
        ("core", "d", None, 2),
        ("new", "c", None, 1),
        ("core", "b", 1, None),
        ("old", "c", 1, None),
    ]
    assert comparison.new_bytes == 2, "what only changed its layer is not new"


def test_growth_has_every_version_the_oldest_first(two_releases: Shelf):
    growth = next(one for one in two_releases.report().growth if one.target == CPU)
    assert [point.version for point in growth.points] == ["b9", "b10"]
    assert [point.layers["core"] for point in growth.points] == [114, 149]


def test_debug_files_are_no_part_of_a_bundle(shelf: Shelf):
    debug = shelf.layer("core-debug", {"debug": "d" * 1000}, role="debug", optional=True)
    shelf.bundle("b1", shelf.layer("core", {"a": "1"}), debug)
    report = shelf.report()
    assert report.bundles[0].installed == 1
    assert [layer.name for layer in report.layers] == ["core"]
    assert [(layer.name, layer.optional) for layer in report.bundles[0].layers] == [
        ("core", False),
        ("core-debug", True),
    ]


def test_what_a_bundle_could_do_without_is_found(shelf: Shelf):
    kept = SectionSizes(text=10, debug=5, symbols=3, other=2)
    elf = {"format": "elf", "mode": "executable"}
    files = {
        "bin/llama-server": a_file("bin/llama-server", "s" * 20, **elf, sections=kept),
        "bin/llama-bench": a_file("bin/llama-bench", "b" * 30, **elf),
        "lib/libx.so.1": a_file("lib/libx.so.1", "x" * 30, **elf),
        "one.txt": a_file("one.txt", "twice"),
        "run.sh": a_file("run.sh", "#!", mode="executable"),
    }
    shelf.bundle("b1", shelf.layer("core", files), shelf.layer("cpu", {"two.txt": "twice", "empty": "", "none": ""}))
    findings = shelf.report().bundles[0].findings
    assert [(f.path, f.size) for f in findings.unstripped] == [("bin/llama-server", 8)]
    assert [f.path for f in findings.unlisted_programs] == ["bin/llama-bench"]
    assert [(d.paths, d.wasted) for d in findings.duplicates] == [(("core/one.txt", "cpu/two.txt"), 5)]


def test_only_times_of_reported_targets_are_there(two_releases: Shelf):
    times = (a_time("a", CPU), a_time("b", "llama.cpp/macos-arm64-metal"))
    assert [time.step for time in two_releases.report(times=times).times] == ["a"]


def test_a_report_is_the_same_every_time_and_survives_being_written(two_releases: Shelf):
    report = two_releases.report()
    data = write_document(report)
    assert data == write_document(two_releases.report())
    assert read_document(FootprintReport, data, what="report.json") == report


def test_a_reused_step_keeps_how_long_the_same_work_took():
    first = StepTimes(steps=(a_time("compile", CPU, milliseconds=900), a_time("prove", CPU, milliseconds=50)))
    second = StepTimes(
        steps=(
            a_time("compile", CPU, reused=True, run="2026-11-27T00:00:00Z"),
            a_time("prove", CPU, milliseconds=70, run="2026-11-27T00:00:00Z"),
        )
    )
    assert [(t.step, t.milliseconds, t.reused) for t in joined_times(first, second).steps] == [
        ("compile", 900, False),
        ("prove", 70, False),
    ]


def test_a_step_that_another_target_reused_is_of_both():
    later = {"run": "2026-11-27T00:00:00Z"}
    avx2 = StepTimes(steps=(a_time("compile the core", AVX2, milliseconds=900), a_time("pack", AVX2, milliseconds=5)))
    cpu = StepTimes(
        steps=(
            a_time("compile the core", CPU, reused=True, **later),
            a_time("pack", CPU, milliseconds=7, **later),
        )
    )
    for known in ((avx2, cpu), (cpu, avx2)):
        assert [(t.step, t.targets, t.milliseconds) for t in joined_times(*known).steps] == [
            ("compile the core", (AVX2, CPU), 900),
            ("pack", (AVX2, CPU), 7),
        ]


def test_a_step_of_another_key_is_other_work():
    first = StepTimes(steps=(a_time("compile", CPU, milliseconds=900),))
    second = StepTimes(steps=(a_time("compile", CPU, reused=True, key="b" * 64, run="2026-11-27T00:00:00Z"),))
    assert [(t.milliseconds, t.reused) for t in joined_times(first, second).steps] == [(0, True)]


def a_time(step: str, *targets: str, **changes: object) -> StepTime:
    fields = {
        "step": step,
        "kind": "compile",
        "key": "a" * 64,
        "targets": targets,
        "run": "2026-11-26T00:00:00Z",
        "start_milliseconds": 0,
        "milliseconds": 0,
    }
    return StepTime(**(fields | changes))
