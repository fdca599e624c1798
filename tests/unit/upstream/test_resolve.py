"""A selector means one release: by shape and number, whole, with what the target needs."""

from __future__ import annotations

import pytest

from pipeline.errors import IntegrityError, NothingSelectedError, OfflineError
from pipeline.upstream.completeness import ReleaseState
from pipeline.upstream.listing import ReleaseList
from pipeline.upstream.recorded import RecordedApi
from pipeline.upstream.resolve import resolve
from pipeline.upstream.selectors import parse_selector
from tests.simulators.release_server import REPOSITORY

CUDA = "windows-x86_64-cuda-12.4"


@pytest.fixture
def ask(asker, wish):
    def run(selector: str, *targets: str, **more):
        return resolve(parse_selector(selector), asker.releases(), wish(*targets, **more), asker.pointer)

    return run


@pytest.fixture
def older(github, pin):
    return github.add_recorded(pin, tag="b10890", published_at="2026-09-09T02:00:00Z")


def add(github, pin, tag: str, published_at: str, *, keep: int | None = None, drop: str | None = None):
    release = github.add_recorded(pin, tag=tag, published_at=published_at)
    for name in list(release.assets)[keep:] if keep is not None else []:
        del release.assets[name]
    for name in [name for name in release.assets if drop and drop in name]:
        del release.assets[name]
    return release


def test_latest_is_the_newest_build_although_it_is_flagged_prerelease(ask, github, older):
    github.add_version("v0.9.0", "b10890", published_at="2026-09-10T11:00:00Z")
    found = ask("latest")
    assert (found.release.tag, found.state.complete, found.via) == ("b10892", True, None)


def test_numbers_decide_not_dates_or_text(ask, github, pin):
    add(github, pin, "b9999", "2026-09-10T01:00:00Z")
    assert ask("latest").release.tag == "b10892"


@pytest.mark.parametrize("keep", [0, 7, 8, 18])
def test_a_partial_release_is_passed_over(ask, github, pin, older, keep):
    add(github, pin, "b10893", "2026-09-10T01:00:00Z", keep=keep)
    found = ask("latest")
    assert found.release.tag == "b10892"
    assert [tag for tag, _ in found.skipped] == ["b10893"]


def test_several_partial_releases_in_a_row_are_passed_over(ask, github, pin):
    for number in range(10893, 10900):
        add(github, pin, f"b{number}", f"2026-09-10T0{number - 10892}:00:00Z", keep=8)
    assert ask("latest").release.tag == "b10892"


def test_a_release_that_is_still_filling_up_is_passed_over(ask, github, pin, older):
    add(github, pin, "b10893", "2026-09-10T11:50:00Z", keep=26)
    assert ask("latest").release.tag == "b10892"
    release = add(github, pin, "b10894", "2026-09-10T11:00:00Z")
    next(iter(release.assets.values())).state = "starter"
    assert ask("latest").release.tag == "b10892"


def test_a_target_that_upstream_gave_up_holds_nothing_back_for_long(ask, github, pin, older):
    add(github, pin, "b10893", "2026-09-10T01:00:00Z", drop="s390x")
    found = ask("latest")
    assert (found.release.tag, found.state.lacks) == ("b10893", ("engine linux-s390x cpu",))


def test_latest_for_a_target_is_the_newest_that_has_it(ask, github, pin, older):
    add(github, pin, "b10893", "2026-09-10T01:00:00Z", drop="bin-macos-x64")
    assert ask("latest").release.tag == "b10893"
    found = ask("latest", "macos-x86_64-cpu")
    assert found.release.tag == "b10892"
    assert found.archives == {"macos-x86_64-cpu": ("llama-b10892-bin-macos-x64.tar.gz",)}
    assert [tag for tag, _ in found.skipped] == ["b10893"]


def test_a_release_whose_engine_lacks_its_runtime_is_partial_and_passed_over(ask, github, pin, older):
    add(github, pin, "b10893", "2026-09-10T01:00:00Z", drop="cudart-llama-bin-win-cuda-12.4")
    for targets in ((), (CUDA,)):
        found = ask("latest", *targets)
        assert (found.release.tag, [tag for tag, _ in found.skipped]) == ("b10892", ["b10893"])
    assert ask("b10893").state == ReleaseState(complete=False, lacks=("runtime windows-x86_64 cuda-12.4",), coming=0)


def test_a_build_with_no_near_one_is_taken_as_latest(ask):
    found = ask("latest")
    assert (found.release.tag, found.state.complete) == ("b10892", None)


@pytest.mark.parametrize(("selector", "text"), [("b99999", "b99999"), ("b5", "b5"), ("v9.9.9", "v9.9.9")])
def test_what_a_recorded_listing_does_not_hold_is_not_said_to_be_nowhere(asker, github, wish, selector, text):
    api = RecordedApi(asker.api().get(f"/repos/{REPOSITORY}/releases?per_page=100").body, name="x", recorded_at=0)
    releases = ReleaseList(api, REPOSITORY, recorded=True)
    with pytest.raises(NothingSelectedError) as caught:
        resolve(parse_selector(selector), releases, wish(), asker.pointer)
    assert caught.value.message == f"the recorded listing does not hold {text}"


def test_a_build_that_lacks_what_the_target_needs_is_refused_with_the_nearest_that_have_it(ask, github, pin, older):
    add(github, pin, "b10891", "2026-09-09T12:00:00Z", drop="cudart")
    with pytest.raises(NothingSelectedError) as caught:
        ask("b10891", CUDA)
    assert caught.value.exit_code == 3
    assert "b10892" in caught.value.hint
    assert "b10890" in caught.value.hint
    assert ask("b10891", "linux-x86_64-cpu").release.tag == "b10891"


def test_a_build_that_is_not_there_names_its_neighbours(ask, older):
    with pytest.raises(NothingSelectedError, match="b10891") as caught:
        ask("b10891")
    assert caught.value.hint == "the nearest newer is b10892, the nearest older is b10890"


def test_an_old_build_is_found_by_its_tag(ask, github):
    for number in range(11_000, 11_150):
        github.add(f"b{number}", published_at="2026-09-10T00:00:00Z")
    assert ask("b10892").release.tag == "b10892"


def test_bounds_choose_the_newest_within_them(ask, github, pin, older):
    add(github, pin, "b10893", "2026-09-10T01:00:00Z")
    assert ask("<b10893").release.tag == "b10892"
    assert ask(">=b10890,<b10892").release.tag == "b10890"
    with pytest.raises(NothingSelectedError):
        ask(">b10893")


def test_bounds_stop_asking_below_the_lowest(ask, github):
    for number in range(1, 400):
        github.add(f"b{number}", published_at="2025-01-01T00:00:00Z")
    with pytest.raises(NothingSelectedError):
        ask(">=b20000")
    assert len(github.api_requests) == 1


def test_stable_follows_the_pointer_of_the_newest_version(ask, github, older):
    github.add_version("v0.3.9", "b10890", published_at="2026-09-09T03:00:00Z")
    github.add_version("v0.4.0", "b10892", published_at="2026-09-10T03:00:00Z")
    github.add_version("v0.3.10", "b10890", published_at="2026-09-10T04:00:00Z")
    found = ask("stable")
    assert (found.release.tag, found.via) == ("b10892", "v0.4.0")
    assert ask("v0.3.9").release.tag == "b10890"


def test_stable_looks_further_back_when_builds_fill_the_first_page(ask, github, older):
    for number in range(11_000, 11_150):
        github.add(f"b{number}", published_at="2026-09-10T00:00:00Z")
    github.add_version("v0.3.9", "b10890", published_at="2026-09-09T03:00:00Z")
    assert ask("stable").release.tag == "b10890"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"latest\n",
        b"b10892\nb10893\n",
        b"b10892 ",
        b"b0\n",
        b"\xef\xbb\xbfb10892\n",
        b"b" + b"1" * 70,
        b"../b10892",
    ],
)
def test_a_pointer_that_is_no_build_is_refused(ask, github, line):
    github.add("v0.4.0", published_at="2026-09-10T03:00:00Z", assets={"nightly-tag.txt": line}, prerelease=False)
    with pytest.raises(IntegrityError):
        ask("stable")


def test_a_pointer_whose_bytes_are_not_those_of_the_listing_is_refused(ask, github):
    github.add_version("v0.4.0", "b10892", published_at="2026-09-10T03:00:00Z").assets["nightly-tag.txt"].sha256 = (
        "0" * 64
    )
    with pytest.raises(IntegrityError, match="sha256"):
        ask("stable")


def test_a_version_without_a_pointer_is_refused(ask, github):
    github.add("v0.4.0", published_at="2026-09-10T03:00:00Z", assets={"other.txt": b"b10892\n"}, prerelease=False)
    with pytest.raises(IntegrityError, match=r"nightly-tag\.txt"):
        ask("v0.4.0")


def test_a_version_that_is_not_there_names_those_that_are(ask, github):
    github.add_version("v0.4.0", "b10892", published_at="2026-09-10T03:00:00Z")
    with pytest.raises(NothingSelectedError) as caught:
        ask("v0.4.1")
    assert "v0.4.0" in caught.value.hint


def test_no_version_at_all_is_nothing_selected(ask):
    with pytest.raises(NothingSelectedError):
        ask("stable")


def test_younger_releases_are_passed_over_and_it_is_said(ask, older):
    found = ask("latest", min_age_days=1)
    assert found.release.tag == "b10890"
    assert "0.6 days old" in found.skipped[0][1]


def test_a_named_release_that_is_too_young_is_refused(ask, older):
    with pytest.raises(NothingSelectedError) as caught:
        ask("b10892", min_age_days=1)
    assert "b10890" in caught.value.hint


def test_a_young_version_is_passed_over(ask, github, older):
    github.add_version("v0.3.9", "b10890", published_at="2026-09-09T03:00:00Z")
    github.add_version("v0.4.0", "b10892", published_at="2026-09-10T03:00:00Z")
    assert ask("stable", min_age_days=1).release.tag == "b10890"


def test_offline_a_listing_that_was_read_is_enough_for_what_it_has(ask, asker, older):
    ask("latest")
    asker.offline = True
    assert ask("latest").release.tag == "b10892"
    with pytest.raises(OfflineError):
        ask("b1")
