"""What an update brings of each target, from each version to the next: whole, by layer, with deltas."""

from __future__ import annotations

import pytest

from pipeline.measure.tables import update_table
from pipeline.measure.update_views import delta_table, flawed_deltas, lacking_text, update_figures, update_words
from pipeline.model.updates import PublishedDelta
from tests.simulators.footprints import Shelf
from tests.unit.measure.test_footprint import CPU


@pytest.fixture
def three(shelf: Shelf) -> Shelf:
    """Three versions: the core changes each time, the backend once, and the last one has a layer more."""
    for number, backend in (("b1", "one"), ("b2", "one"), ("b3", "two")):
        more = (shelf.layer("runtime", {"lib/rt.so": "r" * 50}),) if number == "b3" else ()
        core = shelf.layer("core", {"lib/core.so": number * 50})
        shelf.bundle(number, core, shelf.layer("cpu", {"lib/cpu.so": backend * 20}), *more)
    return shelf


def named(shelf: Shelf, deltas: dict[tuple[str, str, str], int | PublishedDelta]):
    """Return what gives deltas by (layer, version before, version); a number is the size of a good one."""
    trees = {
        (layer.name, artifact.version): layer.tree_sha256 for artifact in shelf.artifacts for layer in artifact.layers
    }
    known = {
        (trees[name, old], trees[name, new]): PublishedDelta(found) if isinstance(found, int) else found
        for (name, old, new), found in deltas.items()
    }
    return lambda engine, pair: known.get(tuple(pair)) if engine == "llama.cpp" else None


def test_each_step_has_the_whole_bundle_its_changed_layers_and_what_comes_with_deltas(three):
    report = three.report(delta_of=named(three, {("core", "b1", "b2"): 12, ("core", "b2", "b3"): 9}))
    first, second = report.updates
    core, cpu, runtime = 51, 31, 26
    assert (first.target, first.baseline, first.version, first.compared) == (CPU, "b1", "b2", False)
    assert (first.naive, first.by_layer, first.with_deltas) == (core + cpu + 10, core, 12)
    assert [(one.name, one.comes, one.delta, one.ratio) for one in first.layers] == [
        ("core", "delta", 12, round(12 / 51, 4))
    ]
    assert second.compared
    assert (second.by_layer, second.with_deltas) == (core + cpu + runtime, 9 + cpu + runtime)
    assert [(one.name, one.comes) for one in second.layers] == [("core", "delta"), ("cpu", "none"), ("runtime", "new")]
    assert second.by_layer == report.comparisons[0].fetch


def test_a_delta_that_is_no_smaller_than_its_layer_is_not_taken(three):
    report = three.report(delta_of=named(three, {("core", "b2", "b3"): 51}))
    update = report.updates[-1]
    assert (update.layers[0].comes, update.layers[0].delta, update.layers[0].ratio) == ("larger", 51, 1.0)
    assert update.with_deltas == update.by_layer
    assert "its delta is no smaller" in delta_table(report).rows[0][-1]


@pytest.mark.parametrize(
    ("first", "second", "comes", "brought"),
    [
        (PublishedDelta(30), PublishedDelta(20), "delta", 20),
        (PublishedDelta(30), PublishedDelta(20, "damaged"), "damaged", 46),
        (PublishedDelta(30, "damaged"), PublishedDelta(20), "delta", 20),
        (PublishedDelta(30), PublishedDelta(None, "missing"), "delta", 30),
        (PublishedDelta(30), PublishedDelta(None, "damaged"), "delta", 30),
        (PublishedDelta(None, "missing"), PublishedDelta(None, "damaged"), "damaged", 46),
        (None, PublishedDelta(None, "missing"), "missing", 46),
        (PublishedDelta(46, "damaged"), PublishedDelta(50), "larger", 46),
    ],
)
def test_the_smallest_delta_by_signed_size_counts_as_install_takes_it(shelf, first, second, comes, brought):
    one, other = shelf.layer("core", {"a": "1" * 90}), shelf.layer("cpu", {"b": "2" * 90})
    shelf.bundle("b1", one, other)
    shelf.bundle("b2", shelf.layer("core", {"a": "3" * 90}), other)
    deltas = {one.tree_sha256: first, other.tree_sha256: second}
    (update,) = shelf.report(delta_of=lambda _, trees: deltas[trees.old]).updates
    assert (update.layers[0].comes, update.with_deltas) == (comes, brought)


def test_a_damaged_delta_counts_as_the_whole_layer_and_is_named(three):
    deltas = {("core", "b1", "b2"): PublishedDelta(12, "damaged"), ("core", "b2", "b3"): 9}
    report = three.report(delta_of=named(three, deltas))
    update = report.updates[0]
    assert (update.layers[0].comes, update.with_deltas) == ("damaged", update.by_layer)
    named_one = f"core of {CPU} b1 → b2"
    assert flawed_deltas(report) == (named_one,)
    assert f"1 layer of updates counted whole, the delta being damaged: {named_one}." in update_words(report)


def test_a_delta_that_a_copy_lacks_is_no_fault_and_is_named_where_it_holds_others(three):
    lacking = PublishedDelta(None, "missing")
    report = three.report(delta_of=named(three, {("core", "b1", "b2"): lacking, ("core", "b2", "b3"): 9}))
    assert flawed_deltas(report) == ()
    assert lacking_text(report) == (
        f"this copy lacks the deltas of 1 layer of updates, counted whole: core of {CPU} b1 → b2"
    )
    assert lacking_text(three.report(delta_of=named(three, {("core", "b2", "b3"): 9}))) == ""


def test_a_copy_that_holds_none_of_its_deltas_says_so_once(three):
    lacking = PublishedDelta(None, "missing")
    report = three.report(delta_of=named(three, {("core", "b1", "b2"): lacking, ("core", "b2", "b3"): lacking}))
    said = "his copy holds none of its deltas: those of 2 layers of updates, counted whole"
    assert (flawed_deltas(report), lacking_text(report)) == ((), f"t{said}")
    assert update_words(report).endswith(f"T{said}.")


def test_without_a_repository_nothing_is_measured_and_that_is_said(three):
    report = three.report()
    assert [(one.with_deltas, one.layers[0].comes) for one in report.updates] == [(None, "unmeasured")] * 2
    assert {row[4:6] for row in delta_table(report).rows} == {("not measured", "-")}
    assert update_table(report).rows[0][5] == "not measured"
    assert "no deltas to measure" in update_words(report)


def test_a_repository_without_any_delta_of_use_says_so(three):
    report = three.report(delta_of=lambda *_: None)
    assert "no delta in this repository is of use" in update_words(report)
    assert report.updates[-1].with_deltas == report.updates[-1].by_layer


def test_a_step_from_an_older_baseline_comes_beside_the_steps_to_the_next(three):
    report = three.report(delta_of=named(three, {("core", "b1", "b3"): 7}), baseline="b1")
    assert [(one.baseline, one.version, one.compared, one.to_next) for one in report.updates] == [
        ("b1", "b2", False, True),
        ("b2", "b3", False, True),
        ("b1", "b3", True, False),
    ]
    table = delta_table(report)
    assert table.title == "Updates from each version to the next, and from the baseline"
    assert [row[1] for row in table.rows] == ["b1 (baseline) → b3", "b2 → b3", "b1 → b2"]
    assert report.updates[-1].layers[0].comes == "delta"


def drawn(report) -> list[list[tuple[str, int]]]:
    """Return of each picture of steps the version and size of every point of the line of layers."""
    found = [figure.picture["data"]["values"] for figure in update_figures(report) if figure.name.startswith("update-")]
    return [
        [(point["release"], point["size"]) for point in points if point["name"] == "layers that changed"]
        for points in found
    ]


def test_the_picture_of_steps_has_those_to_a_next_version_alone(three):
    core, cpu, runtime = 51, 31, 26
    expected = [[("b2", core), ("b3", core + cpu + runtime)]]
    assert drawn(three.report()) == drawn(three.report(baseline="b1")) == expected
    assert delta_table(three.report()).title == "Updates from each version to the next"


def test_another_bundle_of_a_version_as_the_baseline_is_no_point_and_has_a_row_that_says_so(shelf):
    core = [shelf.layer("core", {"lib/core.so": text * 50}) for text in ("1", "2", "other")]
    shelf.bundle("b1", core[0])
    shelf.bundle("b2", core[1])
    there = Shelf()
    there.bundle("b1", core[2])
    report = shelf.report(elsewhere=there.artifacts)
    assert drawn(report) == []
    assert [row[1] for row in delta_table(report).rows] == ["b1 (baseline) → b2", "b1 → b2"]


def test_the_same_bundle_from_elsewhere_as_the_baseline_is_the_same_step(three):
    elsewhere = [one.model_copy(update={"url": f"else/{one.url}"}) for one in three.artifacts[:2]]
    report = three.report(elsewhere=elsewhere)
    assert [(one.baseline, one.compared, one.to_next) for one in report.updates] == [
        ("b1", False, True),
        ("b2", True, True),
    ]


def test_several_steps_of_a_target_have_a_picture_with_a_line_for_deltas_where_they_were_measured(three):
    lines = [figure.legend for figure in update_figures(three.report(delta_of=lambda *_: None))]
    assert [set(legend) for legend in lines[1:]] == [{"whole bundle", "layers that changed", "with deltas"}]
    assert [set(figure.legend) for figure in update_figures(three.report())[1:]] == [
        {"whole bundle", "layers that changed"}
    ]


def test_what_did_not_change_brings_nothing(shelf):
    core = shelf.layer("core", {"a": "1"})
    shelf.bundle("b1", core)
    shelf.bundle("b2", core)
    report = shelf.report(delta_of=lambda *_: None)
    assert [(one.by_layer, one.with_deltas, one.layers) for one in report.updates] == [(0, 0, ())]
    assert delta_table(report).rows[0][-2:] == ("none", "none")
