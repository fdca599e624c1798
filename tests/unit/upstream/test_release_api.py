"""The API is asked as little as possible, the token goes nowhere else, and its limits are told apart."""

from __future__ import annotations

import pytest

from pipeline.errors import NetworkError, OfflineError, UsageError
from pipeline.system.rate_limits import RateLimitError
from pipeline.upstream.listing import read_page
from tests.simulators.release_server import REPOSITORY, ReleaseServer

PATH = f"/repos/{REPOSITORY}/releases?per_page=100"


def test_a_listing_that_did_not_change_costs_no_request_of_the_limit(asker, github):
    first = asker.api().get(PATH)
    asker.clock.seconds += 3600
    second = asker.api().get(PATH)
    assert github.api_statuses == [200, 304]
    assert second.body == first.body
    assert second.checked_at - first.checked_at == 3600


def test_a_listing_that_changed_is_read_anew(asker, github):
    asker.api().get(PATH)
    github.add("b10893", published_at="2026-09-10T01:00:00Z")
    assert [release.tag for release in read_page(asker.api().get(PATH).body, what="x").releases] == ["b10893", "b10892"]
    assert github.api_statuses == [200, 200]


def test_what_is_not_there_is_none(asker):
    assert asker.api().get(f"/repos/{REPOSITORY}/releases/tags/b1") is None


def test_a_cache_that_was_damaged_is_not_used(asker, github):
    asker.api().get(PATH)
    (kept,) = asker.folder.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"b10892", b"b10666"))
    assert b"b10892" in asker.api().get(PATH).body
    assert github.api_statuses == [200, 200]


def test_offline_what_was_read_is_answered_with_its_age(asker, github):
    online = asker.api().get(PATH)
    asker.offline = True
    asker.clock.seconds += 86_400
    answer = asker.api().get(PATH)
    assert (answer.body, answer.checked_at, answer.cached) == (online.body, online.checked_at, True)
    assert len(github.api_requests) == 1


def test_offline_what_was_never_read_is_missing(asker):
    asker.offline = True
    with pytest.raises(OfflineError):
        asker.api().get(PATH)


def test_the_token_goes_to_the_api_and_to_nobody_else(asker, github):
    asker.token = "t0ken"  # noqa: S105 - made up
    with ReleaseServer() as other:
        github.redirect_api_to = other.api.removesuffix("/api/v3")
        other.add("b1", published_at="2026-09-10T01:00:00Z")
        assert asker.api().get(PATH) is not None
        assert github.api_requests[0][1]["authorization"] == "Bearer t0ken"
        assert "authorization" not in other.api_requests[0][1]
    github.redirect_api_to = None
    github.host("b10892", "x.zip", b"data")
    asker.documents().get(github.asset_url("b10892", "x.zip"), limit_bytes=10)
    assert all(
        "authorization" not in headers
        for resource in github.storage.resources.values()
        for headers in resource.requests
    )


def test_without_a_token_nothing_is_said_of_one(asker, github):
    asker.api().get(PATH)
    assert "authorization" not in github.api_requests[0][1]


def test_a_token_is_not_sent_without_tls(asker, monkeypatch):
    asker.token = "t0ken"  # noqa: S105 - made up
    headers = asker.api("http://forge.example.com/api/v3")._headers(None)
    assert "Authorization" not in headers
    assert "Authorization" in asker.api("https://forge.example.com/api/v3")._headers(None)


def test_a_used_up_limit_says_when_to_try_again(asker, github):
    github.limit_rate(x_ratelimit_remaining=0, x_ratelimit_reset=int(asker.clock.seconds) + 1800)
    with pytest.raises(RateLimitError) as caught:
        asker.api().get(PATH)
    assert caught.value.exit_code == 6
    assert caught.value.until == int(asker.clock.seconds) + 1800
    assert "2026-09-10T12:30:00Z (in 30 min)" in caught.value.hint
    assert "GITHUB_TOKEN" in caught.value.hint
    assert len(github.api_requests) == 1


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_says_it_too(asker, github, status):
    github.limit_rate(status=status, retry_after=600)
    with pytest.raises(RateLimitError) as caught:
        asker.api().get(PATH)
    assert caught.value.until == int(asker.clock.seconds) + 600


def test_a_short_limit_is_waited_for(asker, github):
    began = asker.clock.seconds
    github.limit_rate(times=1, retry_after=5)
    assert asker.api().get(PATH) is not None
    assert asker.clock.seconds - began >= 5


@pytest.mark.parametrize("reset", ["soon", "-1", "9" * 40])
def test_a_limit_that_says_nonsense_about_its_end_is_a_limit_all_the_same(asker, github, reset):
    github.limit_rate(x_ratelimit_remaining=0, x_ratelimit_reset=reset)
    with pytest.raises(NetworkError, match="rate limit"):
        asker.api().get(PATH)


def test_a_refusal_is_no_limit(asker, github):
    github.limit_rate(status=403)
    with pytest.raises(NetworkError) as caught:
        asker.api().get(PATH)
    assert not isinstance(caught.value, RateLimitError)


@pytest.mark.parametrize(
    "address",
    ["", "api.example.com", "ftp://x/y", "https://user:pw@x/", "https://x/?a=b", "https://x/#f", "https:///x"],
)
def test_an_address_that_is_none_is_refused(asker, address):
    with pytest.raises(UsageError):
        asker.api(address or " ")


def test_a_next_page_elsewhere_is_not_asked(asker):
    with pytest.raises(NetworkError, match="not its own"):
        asker.api().get("https://evil.example.com/repos/x")
