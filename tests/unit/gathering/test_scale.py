"""What the benchmark of scale says of what it measured: exponents, and the aims where they are of the largest point."""

from __future__ import annotations

import pytest

from tests.benchmarks.scale import AIM_ARTIFACTS, AIM_MB, AIM_SECONDS, OPERATIONS, RELEASES, summary
from tests.gathering.growth_page import growth_lines
from tests.gathering.growth_picture import growth_picture
from tests.gathering.launching import Measured
from tests.gathering.protocol import complaints, is_met


def points(*counts: int, seconds=lambda count: count / 2000, megabytes: float = 100.0):
    return {count: {name: [Measured(seconds(count), megabytes, 0.1)] * 3 for name in OPERATIONS} for count in counts}


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_is_the_power_that_the_cost_grows_by(power):
    found = summary(points(20, 200, 2000, seconds=lambda count: 1.0 * count**power))
    for name in OPERATIONS:
        assert found["growth"][name]["seconds"] == {"all": power, "last_two": power}
        assert found["growth"][name]["processor_seconds"] == {"all": 0.0, "last_two": 0.0}
        assert found["growth"][name]["peak_mb"] == {"all": 0.0, "last_two": 0.0}
    assert complaints(found) == []


def test_a_start_that_does_not_grow_hides_growth_from_all_points_and_less_from_the_last_two():
    found = summary(points(20, 200, 2000, seconds=lambda count: 0.5 + count / 1000))
    growth = found["growth"]["select"]["seconds"]
    assert 0 < growth["all"] < growth["last_two"] < 1


def test_the_aims_are_of_2000_artifacts_in_40_releases_and_said_to_be_met():
    found = summary(points(20, 2000))
    assert (AIM_ARTIFACTS, RELEASES[AIM_ARTIFACTS], AIM_SECONDS, AIM_MB) == (2000, 40, 2.0, 200.0)
    assert found["aims"] == {
        "artifacts": 2000, "releases": 40, "seconds": 2.0, "megabytes": 200.0, "met": True, "missed": [],
    }  # fmt: skip


def test_what_misses_an_aim_is_named():
    found = summary(points(20, 2000, seconds=lambda count: 0.0011 * count, megabytes=201.0))
    assert found["aims"]["met"] is False
    assert "publish at 2000 artifacts" in found["aims"]["missed"]
    assert "publish at 2000 artifacts, peak" in found["aims"]["missed"]


def test_a_smaller_repository_says_nothing_of_the_aims():
    found = summary(points(20, 60))
    assert (found["aims"]["met"], found["aims"]["missed"]) == (None, [])
    assert {is_met(figure) for figure in found["figures"] if figure["unit"] != "exponent"} == {None}


def test_one_point_has_no_growth():
    found = summary(points(20))
    assert found["growth"] == {}
    assert not [figure for figure in found["figures"] if figure["unit"] == "exponent"]


def test_the_picture_names_every_operation():
    drawn = growth_picture(summary(points(20, 200, 2000))["table"], aim_seconds=AIM_SECONDS)
    assert drawn.startswith("<svg")
    assert all(f">{name}" in drawn for name in OPERATIONS)


def test_the_page_has_a_table_of_exponents_the_aims_and_the_picture():
    found = summary(points(20, 2000, seconds=lambda count: 0.0005 * count)) | {"pictures": ["scale.svg"]}
    text = "\n".join(growth_lines(found, pictures_folder="data/"))
    assert "| command | 20 | 2,000 | exponent |" in text
    assert "| select | 0.01 s (0.10), 100 MB | 1.00 s (0.10), 100 MB | 1.00 | 1.00 | 0.00 | 0.00 |" in text
    assert "below 2 s and 200 MB with 2,000 artifacts in 40 releases: **met**." in text
    assert "](data/scale.svg)" in text


def test_the_page_says_what_misses_an_aim_and_what_was_not_measured():
    slow = "\n".join(growth_lines(summary(points(20, 2000, seconds=lambda count: 0.0011 * count)), pictures_folder=""))
    assert "**missed** by plan at 2000 artifacts, publish at 2000 artifacts" in slow
    assert "not measured." in "\n".join(growth_lines(summary(points(20, 60)), pictures_folder=""))


def test_a_benchmark_without_growth_has_nothing_to_say_of_it():
    assert growth_lines({"left_out": []}, pictures_folder="") == []
    assert growth_lines(summary(points(20)), pictures_folder="") == []
