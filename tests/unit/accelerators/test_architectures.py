from __future__ import annotations

import random

import pytest

from pipeline.accelerators.architectures import missing_architectures, sorted_architectures

IN_ORDER = (
    ("sm_61", "sm_75", "sm_90", "sm_90a", "compute_90", "compute_90a", "sm_100f", "sm_120", "compute_120", "sm_121a"),
    ("gfx803", "gfx9-generic", "gfx900:xnack-", "gfx906", "gfx90a", "gfx90a:xnack+", "gfx90c", "gfx942", "gfx950"),
    ("gfx1012", "gfx10-3-generic", "gfx1030", "gfx11-generic", "gfx1100", "gfx1151", "gfx1201", "nonsense"),
)


@pytest.mark.parametrize("names", IN_ORDER)
def test_names_are_sorted_by_number_and_each_is_there_once(names):
    mixed = [*names, *names]
    random.Random(7).shuffle(mixed)
    assert sorted_architectures(mixed) == names


@pytest.mark.parametrize(("asked", "found", "missing"), [
    ((), (), ()),
    ((), ("sm_75",), ()),
    (("sm_75", "compute_90"), ("sm_75", "sm_80", "compute_90"), ()),
    (("sm_120", "sm_75", "sm_120"), ("sm_75",), ("sm_120",)),
    (("sm_90",), ("sm_90a", "compute_90"), ("sm_90",)),
    (("gfx90a",), ("gfx90a:xnack-",), ("gfx90a",)),
    (("gfx1100",), ("gfx11-generic",), ("gfx1100",)),
])  # fmt: skip
def test_what_was_asked_for_by_name_must_be_there_by_that_name(asked, found, missing):
    assert missing_architectures(asked, found) == missing
