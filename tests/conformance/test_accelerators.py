"""Every registered accelerator kind keeps its promises."""

from __future__ import annotations

import pytest

from pipeline.accelerators.registry import KINDS

kinds = pytest.mark.parametrize("name", sorted(KINDS))


@kinds
def test_the_example_is_of_its_kind(name):
    assert KINDS[name].example.kind == name


@kinds
def test_a_host_needs_no_more_than_the_humblest_library(name):
    features = {"a": frozenset({"avx", "avx2"}), "b": frozenset({"avx"})}
    assert set(KINDS[name].required_features(features)) <= {"avx"}


@kinds
def test_no_library_needs_nothing(name):
    assert KINDS[name].required_features({}) == ()


def test_every_shipped_recipe_is_of_a_registered_kind(catalog):
    assert {recipe.kind for recipe in catalog.accelerators.values()} <= set(KINDS)
