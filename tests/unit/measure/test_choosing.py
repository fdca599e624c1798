"""Which bundles a report is about, and what is said when there are none."""

from __future__ import annotations

import pytest

from pipeline.errors import NothingSelectedError, UsageError
from pipeline.measure.choosing import choose
from pipeline.names import AmbiguousNameError
from tests.simulators.footprints import Shelf


def test_a_release_and_a_baseline_can_be_named(two_releases: Shelf):
    chosen = choose(two_releases.artifacts, patterns=["linux-x86_64-cpu"], release="b10", baseline="b9")
    assert [artifact.version for artifact in chosen.bundles] == ["b10"]
    assert [artifact.version for artifact in chosen.baselines.values()] == ["b9"]


def test_an_older_release_is_compared_with_nothing_newer(two_releases: Shelf):
    assert choose(two_releases.artifacts, release="b9").baselines == {}


def test_the_baseline_from_elsewhere_is_its_newest_and_counts_among_the_releases(two_releases: Shelf, shelf: Shelf):
    there = Shelf()
    there.bundle("b7", there.layer("core", {"a": "1"}))
    there.bundle("b8", there.layer("core", {"a": "2"}))
    chosen = choose(two_releases.artifacts, patterns=["*-cpu"], elsewhere=there.artifacts)
    (target,) = chosen.baselines
    assert chosen.baselines[target].version == "b8"
    assert [artifact.version for artifact in chosen.releases[target]] == ["b8", "b9", "b10"]


def test_the_very_same_bundle_elsewhere_is_no_baseline(two_releases: Shelf):
    assert choose(two_releases.artifacts, elsewhere=two_releases.artifacts[-2:]).baselines == {}


def test_a_named_baseline_elsewhere_may_be_the_very_same_bundle(two_releases: Shelf):
    chosen = choose(two_releases.artifacts, baseline="b10", elsewhere=two_releases.artifacts[-2:])
    assert chosen.baselines == {artifact.target: artifact for artifact in chosen.bundles}
    report = two_releases.report(baseline="b10", elsewhere=two_releases.artifacts[-2:])
    assert [(one.fetch, one.new_bytes, one.files) for one in report.comparisons] == [(0, 0, ()), (0, 0, ())]


@pytest.mark.parametrize(("choices", "says"), [
    ({"patterns": ["linux-x86_64-cuda-13.0"]}, "no target matches"),
    ({"release": "b11"}, "the version b11"),
    ({"baseline": "b8"}, "no b8 to compare with"),
])  # fmt: skip
def test_what_is_not_there_is_said_with_what_is(two_releases: Shelf, choices, says):
    with pytest.raises(NothingSelectedError, match=says) as caught:
        choose(two_releases.artifacts, **choices)
    assert caught.value.hint


def test_a_missing_baseline_names_the_versions_that_there_are(two_releases: Shelf):
    with pytest.raises(NothingSelectedError) as caught:
        choose(two_releases.artifacts, baseline="b8")
    assert "b10, b9" in str(caught.value.hint)


def test_nothing_at_all_is_nothing_selected():
    with pytest.raises(NothingSelectedError, match="no bundle"):
        choose(())


def test_a_release_is_not_compared_with_itself(two_releases: Shelf):
    with pytest.raises(UsageError, match="with itself"):
        choose(two_releases.artifacts, release="b10", baseline="b10")


def test_a_name_of_two_engines_is_refused(two_releases: Shelf):
    two_releases.bundle("1.0", two_releases.layer("core", {"a": "1"}), engine="other")
    with pytest.raises(AmbiguousNameError, match="ambiguous"):
        choose(two_releases.artifacts, patterns=["linux-x86_64-cpu"])
