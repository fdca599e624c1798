from __future__ import annotations

import pytest

from pipeline.cli.strategy_view import as_markdown, as_text
from pipeline.measure.strategy_result import decided, joined
from pipeline.model.profiles import DeploymentProfile
from tests.unit.measure.made_measurements import measurement, run
from tests.unit.measure.test_strategy_result import forecast, result

PROFILE = DeploymentProfile(
    name="p",
    title="Place",
    network="public",
    link="20mbit",
    compiler=False,
    carries=True,
    most_product_bytes=50_000_000,
    model_counts=False,
    minimise=("seconds",),
    within=1.1,
)


@pytest.fixture
def found():
    measured = (
        measurement("bundled", None, run(1.5, unpack=1.0, load=2.0), run(9.5, unpack=3.0, load=2.0)),
        measurement("on-demand", "20mbit", run(download=9.0, model=100.0)),
    )
    again = result(*measured[:1], day=2, forecasts=(forecast(1.0),))
    return decided(joined([result(*measured), again]), [PROFILE])


@pytest.mark.parametrize("render", [as_text, as_markdown])
def test_medians_spreads_and_the_load_of_the_machine_are_shown(found, render):
    text = render(found, [PROFILE])
    assert "4.00 (3.00 to 5.00)" in text
    assert "1.5 to 9.5" in text
    assert "109.00 (109.00 to 109.00)" in text  # with the model, and
    assert "9.00 (9.00 to 9.00)" in text  # without


def test_a_forecast_is_never_shown_as_a_measurement(found):
    larger = {"target": "mlx-lm/linux-x86_64-mlx", "download_bytes": 60_000_000, "installed_bytes": 200_000_000}
    mlx = (
        measurement("bundled", None, run(unpack=20.0), **larger),
        measurement("on-demand", "20mbit", run(download=40.0), **larger),
    )
    found = decided(joined([result(*found.measurements, *mlx, forecasts=(forecast(1.0),))]), [PROFILE])
    text = as_text(found, [PROFILE])
    measured, _, rest = text.partition("Forecasts")
    assert "cuda-13.0" not in measured
    assert "None of these was run" in rest
    assert "s (forecast)" in rest


def test_a_forecast_beyond_everything_that_was_measured_says_how_far(found):
    assert "no driver; 38 times the size of the largest that was measured" in as_text(found, [PROFILE])


def test_rules_stand_below_the_table_that_they_made(found):
    assert "p: seconds within 1.1; network public (20mbit), product may grow by 50.0 MB" in as_text(found, [PROFILE])


def test_markdown_is_tables(found):
    text = as_markdown(found, [PROFILE])
    assert text.count("\n| --- |") == text.count("### ")
    assert "| Place | llama.cpp/linux-x86_64-avx2 | bundled |" in text


def test_what_there_is_nothing_of_has_no_section():
    text = as_text(result(), [])
    assert "Forecasts" not in text
    assert "Link model" not in text
