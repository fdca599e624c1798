"""Every registered accelerator kind keeps its promises."""

from __future__ import annotations

import pytest

from pipeline.accelerators.registry import KINDS, kind_of
from pipeline.model.host import HostFacts
from pipeline.model.manifest import Requires
from pipeline.names import parse_accel

NOTHING = Requires(glibc=None, cpu=(), libraries=(), driver=None, macos=None, gpu_architectures=())
BARE = ("platform", "system", "cpu_count", "cpu_features", "glibc", "memory_bytes")

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


@kinds
def test_the_example_host_fits_and_one_without_its_devices_does_not(name):
    kind = KINDS[name]
    bare = HostFacts(**{field: getattr(kind.example_host, field) for field in BARE})
    assert kind.misfits(kind.example_accel, NOTHING, kind.example_host) == ()
    assert bool(kind.misfits(kind.example_accel, NOTHING, bare)) is kind.is_gpu


@kinds
def test_an_accelerator_leads_to_its_kind_by_its_family(name):
    kind = KINDS[name]
    assert parse_accel(kind.example_accel) == kind.example_accel
    assert kind_of(kind.example_accel) is kind
    assert all(kind_of(family) is kind for family in kind.families)
    assert kind.example_host.platform in kind.example.platforms


@kinds
def test_only_the_processor_comes_last(name):
    assert KINDS[name].is_gpu is (KINDS[name].preference > KINDS["cpu"].preference)


def test_no_two_kinds_share_a_family_or_a_preference():
    families = [family for kind in KINDS.values() for family in kind.families]
    assert len(set(families)) == len(families)
    assert len({kind.preference for kind in KINDS.values()}) == len(KINDS)


def test_what_nobody_registered_has_no_kind():
    assert kind_of("qaic-1.0") is None


def test_every_shipped_recipe_is_of_a_registered_kind(catalog):
    assert {recipe.kind for recipe in catalog.accelerators.values()} <= set(KINDS)
