from __future__ import annotations

from pipeline.measure.spread import spread, stage_spreads
from tests.unit.measure.made_measurements import run


def test_the_spread_of_runs_is_their_median_and_both_ends():
    found = spread([3.0, 1.0, 2.0, 10.0])
    assert (found.median, found.lowest, found.highest) == (2.5, 1.0, 10.0)


def test_stages_stand_in_the_order_in_which_they_happen_whatever_a_run_says():
    assert [s.stage for s in stage_spreads([run(first_token=1, download=2, trust=3)])] == [
        "trust",
        "download",
        "first-token",
    ]


def test_a_run_without_a_stage_counts_as_none_of_it():
    (trust, download) = stage_spreads([run(trust=1, download=4), run(trust=3)])
    assert (trust.seconds.median, download.seconds.median, download.seconds.lowest) == (2, 2, 0)


def test_a_total_has_the_model_and_the_other_figure_has_not():
    found = run(trust=1, model=10, first_token=0.5)
    assert (found.total_seconds, found.seconds_without_model) == (11.5, 1.5)
