"""Listings are read page by page, as little as is needed, and what is used of them is checked."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import IntegrityError
from pipeline.upstream.listing import MAX_PAGES, ReleaseList, read_page, read_release
from pipeline.upstream.recorded import RecordedApi
from tests.simulators.release_server import REPOSITORY


def row(**more) -> dict:
    return {
        "tag_name": "b1",
        "draft": False,
        "created_at": "2026-01-01T00:00:00Z",
        "published_at": None,
        "assets": [],
    } | more


def asset(**more) -> dict:
    return {
        "name": "llama-b1-ui.tar.gz", "state": "uploaded", "size": 5, "digest": f"sha256:{'0' * 64}",
        "browser_download_url": "https://example.com/x",
    } | more  # fmt: skip


def page(*rows) -> bytes:
    return json.dumps(rows).encode()


def test_the_real_release_is_read_whole(asker):
    releases = asker.releases()
    found = releases.find("b10892")
    assert len(found.assets) == 27
    assert found.published_at == "2026-09-09T22:14:05Z"
    assert found.asset("llama-b10892-bin-ubuntu-x64.tar.gz").sha256.startswith("fb262cab")
    assert found.asset("nothing") is None


def test_fields_that_nobody_uses_may_hold_anything(asker):
    document = row(body="\u202eevil\r\n\x01", reactions={"+1": 3}, assets=[asset(uploader={"login": "\x00"})])
    assert read_page(page(document), what="x").releases[0].assets[0].size_bytes == 5


def test_a_digest_is_sha256_or_none_at_all():
    assets = [asset(), asset(name="b", digest=None), asset(name="c", digest="sha512:ff")]
    found = read_page(page(row(assets=assets)), what="x").releases[0]
    assert [each.sha256 for each in found.assets] == ["0" * 64, None, None]


def test_a_file_that_is_coming_is_not_there_yet():
    found = read_page(page(row(assets=[asset(), asset(name="late.zip", state="starter")])), what="x").releases[0]
    assert ([each.name for each in found.assets], found.coming) == (["llama-b1-ui.tar.gz"], 1)


def test_drafts_and_tags_that_are_no_name_are_left_out():
    rows = [row(), row(tag_name="b2", draft=True), row(tag_name="a/b"), row(tag_name="-x")]
    assert [release.tag for release in read_page(page(*rows), what="x").releases] == ["b1"]


@pytest.mark.parametrize("document", [
    b"", b"{}", b"null", b"[1]", b'[{"tag_name": "b1"}]', page(row(tag_name=7)), page(row(created_at="yesterday")),
    page(row(published_at="2026-13-45T99:99:99Z")),
    page(row(assets=[asset(size="5")])), page(row(assets=[asset(size=-1)])),
    page(row(assets=[asset(digest="sha256:ff")])),
    page(row(assets=[asset(size=1.5)])),
    page(row(assets=[asset(browser_download_url="file:///etc/passwd")])), page(*[row()] * 101), b'[{"a": 1, "a": 2}]',
], ids=range(15))  # fmt: skip
def test_what_is_no_listing_is_refused(document):
    with pytest.raises(IntegrityError):
        read_page(document, what="x")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_is_a_listing_or_refused(value):
    with contextlib.suppress(IntegrityError):
        assert read_page(json.dumps(value).encode(), what="x").releases == ()


def test_a_draft_is_no_answer_for_a_tag():
    with pytest.raises(IntegrityError):
        read_release(json.dumps(row(draft=True)).encode(), what="x")


def fill(github, count: int) -> None:
    for number in range(1, count + 1):
        github.add(f"b{number}", published_at=f"2026-01-{1 + number // 24 % 28:02}T{number % 24:02}:00:00Z")


def test_one_page_is_asked_for_when_it_is_enough(asker, github):
    fill(github, 250)
    assert asker.releases().find("b10892") is not None
    assert len(github.api_requests) == 1


def test_an_older_tag_is_asked_for_by_its_name(asker, github):
    fill(github, 250)
    releases = asker.releases()
    assert releases.find("b1").tag == "b1"
    assert releases.find("b999") is None
    assert [path.rpartition("/")[2] for path, _ in github.api_requests] == ["releases?per_page=100", "b1", "b999"]


def test_pages_follow_the_link_and_end(asker, github):
    fill(github, 250)
    releases = asker.releases()
    pages = sum(1 for _ in releases.all_pages())
    assert (pages, len(releases.known), releases.read_more()) == (3, 251, False)
    assert [release.tag for release in releases.builds[:3]] == ["b10892", "b250", "b249"]


def test_pages_are_bounded(asker, github):
    fill(github, 100 * MAX_PAGES + 50)
    assert sum(1 for _ in asker.releases().all_pages()) == MAX_PAGES


def test_every_page_is_kept_for_next_time(asker, github):
    fill(github, 150)
    for _ in range(2):
        list(asker.releases().all_pages())
    assert github.api_statuses == [200, 200, 304, 304]


def test_a_repository_that_is_not_there_is_said(asker, github):
    github.repository = "somebody/else"
    with pytest.raises(IntegrityError, match=REPOSITORY):
        asker.releases().find("b1")


@pytest.mark.parametrize("name", ["a" * 256, "a/b", "a\n", ""])
def test_a_release_with_a_file_name_that_none_can_have_is_passed_over_and_named(name):
    rows = [row(assets=[asset(name=name)]), row(tag_name="b2", assets=[asset()])]
    found = read_page(page(*rows), what="x")
    assert [release.tag for release in found.releases] == ["b2"]
    assert list(found.unreadable) == ["b1"]
    assert len(found.unreadable["b1"]) < 200
    with pytest.raises(IntegrityError, match="which no file can have"):
        read_release(json.dumps(rows[0]).encode(), what="x")


def test_a_release_that_was_passed_over_is_not_said_to_be_gone(asker, github):
    github.host("b10892", "a" * 256, b"x")
    releases = asker.releases()
    with pytest.raises(IntegrityError, match="b10892"):
        releases.find("b10892")
    assert (releases.known, list(releases.unreadable)) == ((), ["b10892"])


def recorded(*tags: str) -> ReleaseList:
    data = page(*(row(tag_name=tag) for tag in tags))
    releases = ReleaseList(RecordedApi(data, name="page.json", recorded_at=0), REPOSITORY, recorded=True)
    releases.read_more()
    return releases


@pytest.mark.parametrize(
    ("tag", "reached"),
    [("b9", False), ("b10", True), ("b11", True), ("b12", True), ("b13", False), ("v0.4.1", False), ("v0.4.0", False)],
)
def test_a_recorded_listing_says_of_the_builds_within_it_alone_that_they_are_not_there(tag, reached):
    assert recorded("b12", "v0.4.0", "b10").reaches(tag) is reached


def test_an_empty_recording_reaches_nothing_and_the_api_everything(asker):
    assert recorded().reaches("b1") is False
    assert asker.releases().reaches("b1") is True
