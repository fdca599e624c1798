from __future__ import annotations

import pytest

from pipeline.app.hosts_without_tls import hosts_without_tls
from pipeline.errors import UsageError


def test_hosts_without_tls_are_those_of_http_urls_and_pip_s_trusted_ones():
    environment = {"PIP_INDEX_URL": "http://one.example/simple", "PIP_TRUSTED_HOST": "two.example:8080"}
    found = hosts_without_tls(environment, "http://three.example/m", "https://four.example", "/a/folder")
    assert found == {"one.example", "two.example", "three.example"}


@pytest.mark.parametrize(
    "variable", ["UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"]
)
def test_every_variable_that_names_an_index_counts_and_uv_s_names_do_not(variable):
    value = "https://safe.example/s mine=http://one.example/s?a=b http://two.example/s?a=b"
    assert hosts_without_tls({variable: value}) == {"one.example", "two.example"}


@pytest.mark.parametrize(
    ("text", "hosts"),
    [('index-url = "http://one.example/s"', {"one.example"}), ("index = [", set()), ("index = 5", set())],
)
def test_indexes_of_uv_s_own_file_count_and_a_damaged_file_is_told_by_whoever_needs_it(tmp_path, text, hosts):
    (tmp_path / "uv.toml").write_text(text)
    assert hosts_without_tls({"UV_CONFIG_FILE": str(tmp_path / "uv.toml")}) == hosts


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PIP_INDEX_URL", "http://me:secret@[bad"),
        ("UV_INDEX", "mine=http://[bad"),
        ("UV_DEFAULT_INDEX", "http://[bad"),
        ("PIP_TRUSTED_HOST", "[bad"),
    ],
)
def test_a_variable_that_holds_no_url_is_named_and_not_shown(variable, value):
    with pytest.raises(UsageError, match=variable) as caught:
        hosts_without_tls({variable: value})
    assert "bad" not in caught.value.message


def test_a_mirror_that_is_no_url_is_a_usage_error():
    with pytest.raises(UsageError, match="ENGINE_PIPELINE_MIRROR"):
        hosts_without_tls({}, "http://[bad")
