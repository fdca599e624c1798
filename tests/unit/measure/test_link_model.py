from __future__ import annotations

import pytest

from pipeline.measure.link_model import fit_link_model, predict, shape, shapes_of
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
    seen = shapes_of(lawful(), LINKS)
    assert predict(model, wanted, seen=seen) == pytest.approx(law(SLOW, 400_000_000, 900_000_000), rel=1e-3)


def test_the_error_is_that_of_targets_of_which_the_fit_has_seen_nothing():
    """One target's installations take three times the law: what the law of the others says misses each of them."""
    noisy = lawful(noise=lambda n: 3.0 if n < 4 else 1.0)
    model = fit_link_model(noisy, LINKS)
    strange = [point for point in model.points if point.target == noisy[0].target]
    assert len(strange) == 4
    for point in strange:
        assert point.predicted == pytest.approx(point.measured / 3, rel=0.01)
    assert model.largest_error >= 0.66
    assert model.median_error <= model.largest_error


def test_of_two_targets_none_says_how_far_off_a_forecast_is():
    model = fit_link_model(lawful()[:8], LINKS)
    assert model.terms[3].coefficient == pytest.approx(0.02, rel=1e-3)
    assert (model.median_error, model.largest_error) == (None, None)
    assert all(point.predicted is None for point in model.points)


def test_measurements_of_one_target_say_nothing_of_another_size():
    measured = lawful()[:4]
    model, seen = fit_link_model(measured, LINKS), shapes_of(measured, LINKS)
    download, installed = SIZES[0]
    same = shape(SLOW, download_bytes=download, installed_bytes=installed)
    assert predict(model, same, seen=seen) == pytest.approx(law(SLOW, download, installed), rel=1e-3)
    for other in (installed * 40, installed // 2):
        assert predict(model, shape(None, download_bytes=1, installed_bytes=other), seen=seen) is None
    assert model.largest_error is None


def test_installations_from_the_disk_say_nothing_of_links():
    measured = [one for one in lawful() if one.link is None]
    model, seen = fit_link_model(measured, LINKS), shapes_of(measured, LINKS)
    assert predict(model, shape(None, download_bytes=1, installed_bytes=900_000_000), seen=seen) is not None
    assert predict(model, shape(SLOW, download_bytes=1, installed_bytes=16_000_000), seen=seen) is None


def test_nothing_is_said_beyond_what_was_measured_of_a_term_that_is_left_out():
    measured = [  # the larger one was faster
        measurement("bundled", None, run(unpack=5.0), target="a", installed_bytes=10_000_000),
        measurement("bundled", None, run(unpack=2.0), target="b", installed_bytes=50_000_000),
    ]
    model, seen = fit_link_model(measured, LINKS), shapes_of(measured, LINKS)
    assert model.terms[3].coefficient == 0
    assert predict(model, shape(None, download_bytes=1, installed_bytes=30_000_000), seen=seen) is not None
    assert predict(model, shape(None, download_bytes=1, installed_bytes=60_000_000), seen=seen) is None


def test_the_fit_is_the_best_of_all_that_have_no_coefficient_below_zero():
    """Leaving out the lowest coefficient of a free fit until none is below zero ends with ``greedy`` here."""
    figures = ((20, SLOW, 8.0), (20, FAST, 16.0), (60, None, 8.0), (300, None, 2.0), (300, SLOW, 4.0))
    measured = [
        measurement(
            "on-demand" if link else "bundled",
            link.name if link else None,
            run(download=seconds),
            target=str(size),
            download_bytes=size * 100_000,
            installed_bytes=size * 1_000_000,
        )
        for size, link, seconds in figures
    ]
    rows = [shape.row() for shape in shapes_of(measured, LINKS)]

    def missed(coefficients):
        said = [sum(a * b for a, b in zip(coefficients, row, strict=True)) for row in rows]
        return sum((value / one[2] - 1) ** 2 for value, one in zip(said, figures, strict=True))

    found = [term.coefficient for term in fit_link_model(measured, LINKS).terms]
    greedy = [2.823431, 0.0, 0.106033, 0.0]
    assert min(found) >= 0
    assert missed(found) < missed(greedy) - 0.2


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
