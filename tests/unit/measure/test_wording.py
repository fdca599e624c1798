from __future__ import annotations

import pytest

from pipeline.measure.wording import bytes_text, change_text, share_text, time_text


@pytest.mark.parametrize(("size", "text"), [
    (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (12_345, "12.3 kB"), (999_949, "1.00 MB"), (99_950_000, "100 MB"),
    (1_234_000_000, "1.23 GB"), (-2_500_000, "-2.50 MB"),
])  # fmt: skip
def test_sizes_have_three_digits(size, text):
    assert bytes_text(size) == text


def test_a_change_says_both_bytes_and_share():
    assert change_text(1000, 1100) == "+100 B (+10.0 %)"
    assert change_text(1000, 900) == "-100 B (-10.0 %)"
    assert change_text(0, 5) == "+5 B"
    assert change_text(7, 7) == "same"


def test_a_small_share_is_not_called_nothing():
    assert [share_text(part, 100_000) for part in (0, 1, 1234, 50_000)] == ["0%", "<0.1%", "1.2%", "50%"]
    assert share_text(1, 0) == "-"


@pytest.mark.parametrize(("milliseconds", "text"), [
    (250, "0.25 s"), (12_340, "12.3 s"), (245_000, "4 min 05 s"), (7_620_000, "2 h 07 min"),
])  # fmt: skip
def test_times_are_written_as_people_say_them(milliseconds, text):
    assert time_text(milliseconds) == text
