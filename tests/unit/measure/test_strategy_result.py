from __future__ import annotations

import pytest

from pipeline.errors import IntegrityError, UsageError
from pipeline.measure.decisions import known
from pipeline.measure.strategy_result import decided, joined
from pipeline.measure.strategy_times import strategy_times
from pipeline.model.manifest_document import write_document
from pipeline.model.profiles import DeploymentProfile
from pipeline.model.strategies import BenchMachine, Forecast, StrategiesResult, read_strategies
from pipeline.model.strategy_runs import MadeLink
from tests.unit.measure.made_measurements import FAST, LAN, SLOW, TARGET, measurement, run

MACHINE = BenchMachine(platform="linux-x86_64", system="test", processors=2, memory_bytes=1)
CUDA = "llama.cpp/linux-x86_64-cuda-13.0"


def made(*profiles):
    return tuple(MadeLink(profile=profile, maker="relay") for profile in profiles)


ALL = made(LAN, FAST, SLOW)


def result(*measurements, day=1, links=ALL, **more):
    fields = {"machine": MACHINE, "versions": {"python": "3.11"}, "model": "m"} | more
    return StrategiesResult(measured_at=f"2026-11-0{day}T00:00:00Z", links=links, measurements=measurements, **fields)


def forecast(seconds: float) -> Forecast:
    return Forecast(
        strategy="on-demand",
        target=CUDA,
        version="b1",
        link="20mbit",
        why="no driver",
        seconds=seconds,
        lowest=seconds,
        highest=seconds,
        download_bytes=400_000_000,
        installed_bytes=600_000_000,
        product_bytes=0,
        disk_bytes=600_000_000,
    )


def test_a_result_is_read_as_it_was_written():
    written = result(measurement("bundled", None, run(unpack=1.234)))
    assert read_strategies(write_document(written), what="it") == written


@pytest.mark.parametrize("data", [b"", b"[]", b'{"schema_version": 2}', b"\xff"])
def test_what_is_no_result_is_refused(data):
    with pytest.raises(IntegrityError, match="no result of `bench strategies`"):
        read_strategies(data, what="it")


def test_of_several_results_the_later_figure_counts():
    old = result(measurement("bundled", None, run(unpack=9.0)), measurement("on-demand", "lan", run(download=3.0)))
    new = result(measurement("bundled", None, run(unpack=1.0)), day=2)
    for order in ([old, new], [new, old]):
        found = {m.strategy: m.total.median for m in joined(order).measurements}
        assert found == {"bundled": 1.0, "on-demand": 3.0}


SIZES = ((5, 16), (50, 220), (1, 30))


def installed(*numbers, seconds=lambda size: 1.0 + size / 50):
    """Return measurements of targets of several sizes, from the disk and over the slow link."""
    found = []
    for n in numbers:
        download, size = (figure * 1_000_000 for figure in SIZES[n])
        sizes = {"target": f"t{n}", "download_bytes": download, "installed_bytes": size}
        base = seconds(size / 1e6)
        found.append(measurement("bundled", None, run(unpack=base, load=1.0), **sizes))
        over = base + download * 8 / SLOW.bits_per_second
        found.append(measurement("on-demand", "20mbit", run(download=over, load=1.0), **sizes))
    return found


def test_forecasts_follow_the_model_of_all_results_together():
    one = result(*installed(0), forecasts=(forecast(1.0),))
    other = result(*installed(1), day=2)
    (found,) = joined([one, other]).forecasts
    assert found.seconds == pytest.approx(1 + 600 / 50 + 400 * 8 / 20 + 1, rel=1e-3)
    assert found.forecast is True


def test_one_target_forecasts_no_other_size_whatever_its_document_said():
    (found,) = joined([result(*installed(0), forecasts=(forecast(10.1),))]).forecasts
    assert (found.seconds, found.lowest, found.highest) == (None, None, None)


def test_two_targets_forecast_without_a_range():
    (found,) = joined([result(*installed(0, 1), forecasts=(forecast(1.0),))]).forecasts
    assert found.seconds > 100
    assert (found.lowest, found.highest) == (None, None)


def slow_ones(factor):
    """Return three targets, the second of which takes some times what the law of the others says."""
    law = installed(0, 2)
    return [*law, *installed(1, seconds=lambda size: factor * (1.0 + size / 50))]


def test_a_range_is_what_may_be_measured_where_the_error_is_relative_to_that():
    """Predicted was half of what was measured, so what is forecast may take twice as long; load is as it was."""
    found = joined([result(*slow_ones(2.0), forecasts=(forecast(1.0),))])
    (one,), error, after = found.forecasts, found.link_model.largest_error, found.link_model.after_seconds
    assert 0 < error < 1
    assert one.lowest == pytest.approx((one.seconds - after) / (1 + error) + after, abs=0.02)
    assert one.highest == pytest.approx((one.seconds - after) / (1 - error) + after, abs=0.02)


def test_a_range_has_no_upper_end_where_the_error_is_as_large_as_what_was_measured():
    found = joined([result(*slow_ones(0.4), forecasts=(forecast(1.0),))])
    (one,) = found.forecasts
    assert found.link_model.largest_error >= 1
    assert one.lowest < one.seconds
    assert one.highest is None


def test_a_target_of_which_no_forecast_can_be_made_is_not_decided_and_not_drawn():
    found = joined([result(*installed(0), forecasts=(forecast(10.1),))])
    assert known(found.measurements, found.forecasts) == known(found.measurements, ())
    assert not [one for one in strategy_times(found) if one.forecast]


def test_what_was_measured_later_is_forecast_no_more():
    one = result(measurement("bundled", None, run(unpack=1.0)), forecasts=(forecast(1.0),))
    other = result(measurement("on-demand", "20mbit", run(download=200.0), target=CUDA), day=2)
    assert joined([one, other]).forecasts == ()


def test_results_of_several_machines_are_not_mixed():
    elsewhere = result(day=2, machine=MACHINE.model_copy(update={"processors": 64}))
    with pytest.raises(UsageError, match="several machines"):
        joined([result(), elsewhere])


def test_links_of_one_name_that_differ_are_not_mixed():
    with pytest.raises(UsageError, match="lan is not the same"):
        joined([result(), result(day=2, links=made(LAN.model_copy(update={"round_trip_ms": 9.0})))])


LISTED = measurement("bundled", None, run(unpack=1.0))


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"measurements": (LISTED.model_copy(update={"version": "b2"}),)}, f"version of {TARGET} .*: b1 and b2"),
        ({"forecasts": (forecast(1.0).model_copy(update={"target": TARGET, "version": "b2"}),)}, "b1 and b2"),
        ({"versions": {"python": "3.12"}}, "version of python .*: 3.11 and 3.12"),
        ({"model": "other sha256:00"}, "the model .*: m and other"),
        ({"links": (MadeLink(profile=LAN, maker="throttle"),)}, "what made the link lan .*: relay and throttle"),
    ],
)
def test_results_that_are_not_alike_are_not_mixed(other, says):
    with pytest.raises(UsageError, match=says):
        joined([result(LISTED), result(day=2).model_copy(update=other)])


def test_an_engine_that_makes_its_model_goes_with_one_that_is_given_one():
    spot = "made on the spot by the engine"
    both = joined([result(day=2), result(model=spot)])
    assert both.model == f"m and {spot}"
    assert joined([both, result(day=3, model=spot)]).model == f"m and {spot}"
    assert joined([result(model="a and b"), result(day=2, model="a and b")]).model == "a and b"


def test_a_failure_that_was_measured_later_is_listed_no_more():
    failures = ("bundled of llama.cpp/linux-x86_64-avx2: it broke", "on-demand of x over lan: gone")
    old, new = result(failures=failures), result(LISTED, day=2)
    assert joined([old, new]).failures == failures[1:]
    assert joined([result(LISTED), result(day=2, failures=failures)]).failures == failures


def test_decisions_are_of_the_figures_and_of_the_profiles_that_are_given():
    profile = DeploymentProfile(
        name="p",
        title="P",
        network="public",
        link="20mbit",
        compiler=False,
        carries=True,
        model_counts=False,
        minimise=("seconds",),
        within=1.1,
    )
    found = result(measurement("bundled", None, run(unpack=1.0)), measurement("on-demand", "20mbit", run(download=9)))
    (decision,) = decided(found, [profile]).decisions
    assert (decision.profile, decision.target, decision.chosen) == ("p", TARGET, "bundled")


def test_a_report_draws_medians_without_the_model_and_keeps_forecasts_apart():
    slow = measurement(
        "on-demand", "20mbit", run(download=3.0, model=9.0, load=1.0), run(download=5.0, model=9.0, load=1.0)
    )
    drawn = strategy_times(result(slow, measurement("bundled", None, run(unpack=0.5)), forecasts=(forecast(381.2),)))
    assert [(one.strategy, one.link, one.milliseconds, one.least, one.most, one.forecast) for one in drawn] == [
        ("on-demand", "20mbit", 5000, 4000, 6000, False),
        ("bundled", "", 500, 500, 500, False),
        ("on-demand", "20mbit", 381_200, 381_200, 381_200, True),
    ]
