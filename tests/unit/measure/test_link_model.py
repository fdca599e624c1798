from __future__ import annotations

import pytest

from pipeline.measure.link_model import fit_link_model, predict, shape
from tests.unit.measure.made_measurements import FAST, LAN, LINKS, SLOW, measurement, run

SIZES = ((5_000_000, 16_000_000), (50_000_000, 220_000_000), (1_000_000, 30_000_000))


def law(link, download_bytes, installed_bytes):
    """What the made installations take: 0.8 s, 6 round trips, 1.2 times the line, 20 ms a megabyte."""
    wire = 0.0 if link is None else 6 * link.round_trip_ms / 1000 + 1.2 * download_bytes * 8 / link.bits_per_second
    return 0.8 + wire + 0.02 * installed_bytes / 1e6


def lawful(noise=lambda _: 1.0):
    found = []
    for download, installed in SIZES:
        for link in (None, LAN, FAST, SLOW):
            seconds = law(link, download, installed) * noise(len(found))
            found.append(
                measurement(
                    "on-demand" if link else "bundled",
                    link.name if link else None,
                    run(download=seconds, load=0.3, first_token=0.2),
                    target=f"llama.cpp/linux-x86_64-{installed}",
                    download_bytes=download,
                    installed_bytes=installed,
                )
            )
    return found


def test_the_fit_finds_the_law_that_the_measurements_follow():
    model = fit_link_model(lawful(), LINKS)
    assert [term.coefficient for term in model.terms] == pytest.approx([0.8, 6, 1.2, 0.02], rel=1e-3)
    assert model.largest_error < 0.001


def test_a_forecast_by_the_fit_is_what_the_law_says_of_sizes_never_seen():
    model = fit_link_model(lawful(), LINKS)
    wanted = shape(SLOW, download_bytes=400_000_000, installed_bytes=900_000_000)
    assert predict(model, wanted) == pytest.approx(law(SLOW, 400_000_000, 900_000_000), rel=1e-3)


def test_the_error_is_that_of_measurements_that_the_fit_has_not_seen():
    noisy = lawful(noise=lambda n: 1.3 if n == 5 else 1.0)
    model = fit_link_model(noisy, LINKS)
    worst = max(model.points, key=lambda p: abs(p.predicted - p.measured) / p.measured)
    assert worst.measured == pytest.approx(noisy[5].runs[0].stages[0].seconds, abs=0.001)
    assert model.largest_error == pytest.approx(abs(worst.predicted - worst.measured) / worst.measured, abs=0.001)
    assert 0.05 < model.largest_error < 0.35
    assert model.median_error < model.largest_error


def test_no_coefficient_is_below_zero():
    backwards = [  # the slower link is the faster one, as on a machine whose load went down
        measurement("on-demand", "lan", run(download=3.0)),
        measurement("on-demand", "100mbit", run(download=2.0)),
        measurement("on-demand", "20mbit", run(download=1.0)),
    ]
    model = fit_link_model(backwards, LINKS)
    assert all(term.coefficient >= 0 for term in model.terms)
    assert model.terms[0].coefficient > 0


def test_few_measurements_have_a_fit_without_an_error():
    model = fit_link_model([measurement("bundled", None, run(unpack=1.0)), *lawful()[1:2]], LINKS)
    assert (model.median_error, model.largest_error) == (None, None)
    assert all(point.predicted is None for point in model.points)


def test_one_measurement_is_no_model():
    assert fit_link_model([measurement("bundled", None, run(unpack=1.0))], LINKS) is None


def test_builds_and_what_comes_after_the_installation_are_not_in_the_fit():
    built = measurement("self-built", "lan", run(compile=300.0, load=1.0, first_token=0.5))
    model = fit_link_model([*lawful(), built], LINKS)
    assert [term.coefficient for term in model.terms] == pytest.approx([0.8, 6, 1.2, 0.02], rel=1e-3)
    assert model.after_seconds == pytest.approx(0.5)  # the median of four targets: three times 0.5 and once 1.5
