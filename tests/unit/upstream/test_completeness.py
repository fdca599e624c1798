"""Which releases are whole, judged against near ones alone; each number at its boundary."""

from __future__ import annotations

import pytest

from pipeline.model.archives import ArchiveParts
from pipeline.model.release_listing import ListedAsset, ListedRelease
from pipeline.upstream.completeness import NEAR_BUILDS, PREDECESSORS, UPLOAD_SECONDS, age_epoch, state_of

WORDS = (
    "ubuntu-x64",
    "ubuntu-arm64",
    "ubuntu-s390x",
    "macos-x64",
    "macos-arm64",
    "win-cpu-x64",
    "win-cpu-arm64",
    "ubuntu-vulkan-x64",
)
PARTS = {"cpu": ArchiveParts(backend=("*",)), "cuda": ArchiveParts(backend=("*",), companion=True)}
TIME = "2026-09-09T00:00:00Z"
LATER = age_epoch(TIME) + 86_400


def release(number: int, words=WORDS, *, more: tuple[str, ...] = (), coming: int = 0) -> ListedRelease:
    names = (*(f"llama-b{number}-bin-{each}.tar.gz" for each in words), *more)
    assets = tuple(ListedAsset(name=name, url="https://example.com/x", size_bytes=1, sha256=None) for name in names)
    return ListedRelease(tag=f"b{number}", published_at=TIME, assets=assets, coming=coming)


def complete(it: ListedRelease, *others: ListedRelease, now: int = LATER) -> bool | None:
    return state_of(it, others, PARTS, now_seconds=now).complete


@pytest.mark.parametrize(("missing", "whole"), [(0, True), (1, True), (2, True), (3, False), (7, False)])
def test_a_quarter_may_be_missing_and_no_more(missing, whole):
    assert complete(release(11, WORDS[missing:]), release(10)) is whole


@pytest.mark.parametrize(("distance", "state"), [(1, False), (NEAR_BUILDS, False), (NEAR_BUILDS + 1, None)])
def test_builds_that_are_far_away_say_nothing(distance, state):
    it = release(10_000, WORDS[:2])
    assert complete(it, release(10_000 - distance)) is state
    assert complete(it, release(10_000 + distance)) is state


def test_without_any_other_build_it_is_not_known():
    it = release(10)
    assert state_of(it, [it], PARTS, now_seconds=LATER) == (None, (), 0)


def test_a_build_without_files_or_with_files_that_are_coming_is_partial_whatever_is_known():
    assert complete(release(10, ())) is False
    assert complete(release(10, coming=1)) is False


@pytest.mark.parametrize(("age", "whole"), [(0, False), (UPLOAD_SECONDS - 1, False), (UPLOAD_SECONDS, True)])
def test_in_its_first_hour_nothing_may_be_missing(age, whole):
    now = age_epoch(TIME) + age
    assert complete(release(11, WORDS[1:]), release(10), now=now) is whole
    assert complete(release(11), release(10), now=now) is True


@pytest.mark.parametrize(("distance", "state"), [(PREDECESSORS, False), (PREDECESSORS + 1, True)])
def test_the_eight_builds_before_it_count_together(distance, state):
    few = WORDS[:4]
    others = [release(100 - step, WORDS if step == distance else few) for step in range(1, PREDECESSORS + 2)]
    assert complete(release(100, few), *others) is state


def test_before_the_oldest_known_build_only_what_all_later_ones_have_is_expected():
    assert complete(release(10, WORDS[:4]), release(11), release(12, WORDS[:4])) is True
    assert complete(release(10, WORDS[:2]), release(11), release(12, WORDS[:4])) is False


def test_an_engine_without_the_runtime_that_its_recipe_asks_for_makes_a_release_partial():
    engine, runtime = "llama-b11-bin-win-cuda-12.4-x64.zip", "cudart-llama-bin-win-cuda-12.4-x64.zip"
    other = "cudart-llama-bin-win-cuda-13.3-x64.zip"
    assert complete(release(11, more=(engine, runtime)), release(10)) is True
    found = state_of(release(11, more=(engine, other)), [release(10)], PARTS, now_seconds=LATER)
    assert found == (False, ("runtime windows-x86_64 cuda-12.4",), 0)
    without = {"cuda": ArchiveParts(backend=("*",))}
    assert state_of(release(11, more=(engine, other)), [release(10)], without, now_seconds=LATER).complete is True
