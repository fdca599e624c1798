from __future__ import annotations

import json

from pipeline.builders import sccache
from pipeline.model.compiler_cache import CompilerCacheSettings

CLIENT = sccache.client_environment(port=7, cache_dir="/c", size=None, prefix_maps="/src /build")
SECRET = {"SCCACHE_REDIS_PASSWORD": "word"}


def test_what_stands_before_each_compiler_knows_the_local_cache_alone():
    assert CLIENT["SCCACHE_DIR"] == "/c"
    assert CLIENT["SCCACHE_CACHE_SIZE"] == "10G"
    assert not [name for name in CLIENT if "REDIS" in name or "BUCKET" in name]


def test_where_prefix_maps_lead_to_is_in_the_keys():
    assert CLIENT["SCCACHE_C_CUSTOM_CACHE_BUSTER"] == "/src /build"


def test_a_client_that_met_no_server_leaves_none_behind_for_good_and_ours_stays():
    assert CLIENT["SCCACHE_IDLE_TIMEOUT"] not in {"", "0"}
    assert sccache.server_environment(CLIENT)["SCCACHE_IDLE_TIMEOUT"] == "0"


def test_redis_by_its_settings():
    settings = CompilerCacheSettings(backend="redis", url="redis://h:1", username="u", prefix="p", read_only=True)
    assert sccache.shared_environment(settings, SECRET) == {
        "SCCACHE_REDIS_ENDPOINT": "redis://h:1",
        "SCCACHE_REDIS_USERNAME": "u",
        "SCCACHE_REDIS_KEY_PREFIX": "p",
        "SCCACHE_REDIS_RW_MODE": "READ_ONLY",
        "SCCACHE_REDIS_PASSWORD": "word",
    }


def test_a_bucket_that_may_only_be_read_is_read_without_credentials_where_there_are_none():
    settings = CompilerCacheSettings(backend="s3", bucket="b", region="auto", endpoint="http://h:1", read_only=True)
    anonymous = sccache.shared_environment(settings, {})
    assert anonymous["SCCACHE_S3_NO_CREDENTIALS"] == "true"
    assert anonymous["SCCACHE_S3_USE_SSL"] == "false"
    assert "SCCACHE_S3_NO_CREDENTIALS" not in sccache.shared_environment(settings, {"AWS_ACCESS_KEY_ID": "k"})


def test_githubs_cache_is_told_its_version():
    found = sccache.shared_environment(CompilerCacheSettings(backend="gha", prefix="2"), {})
    assert found == {"SCCACHE_GHA_ENABLED": "on", "SCCACHE_GHA_VERSION": "2"}


def test_an_object_that_is_not_there_is_no_loss_of_the_cache():
    assert not sccache.lost_its_cache(["[...Z WARN  opendal::services] path=1/2: read failed NotFound (permanent)"])
    assert sccache.lost_its_cache(["[...Z ERROR opendal::services] path=1/2: read failed Unexpected (temporary)"])
    assert not sccache.lost_its_cache(["[...Z ERROR opendal::services] path=1/2: write failed Unexpected"])


def test_hits_and_misses_of_all_languages_count():
    stats = {
        "cache_hits": {"counts": {"C/C++": 3, "CUDA": 1, "PTX": 1, "CUBIN": 2}, "adv_counts": {"c [gcc]": 3}},
        "cache_misses": {"counts": {"CUDA": 1, "PTX": 4}, "adv_counts": {}},
    }
    assert sccache.parse_stats(json.dumps({"stats": stats})) == (7, 5)


def test_statistics_that_are_none_are_zeros():
    assert [sccache.parse_stats(text) for text in ("", "no", "[]", '{"stats": {}}')] == [(0, 0)] * 4


def test_the_reason_of_a_server_that_did_not_start_is_its_error_and_not_its_context():
    assert sccache.first_error(["x", "sccache: error: no bucket", "", "Context:", "   range: 0-"]) == "no bucket"
    assert sccache.first_error(["x", ""]) == "x"
    assert sccache.first_error([]) is None
