from __future__ import annotations

import io

import pytest

from pipeline.digest import canonical_json, is_sha256, key_of, require_digest, sha256_stream, tree_digest
from pipeline.errors import IntegrityError
from pipeline.model.tree import TreeEntry


def entry(path: str, sha256: str = "a" * 64, mode: int = 0o644) -> TreeEntry:
    return TreeEntry(path=path, mode=mode, size_bytes=1, sha256=sha256)


def test_a_tree_digest_does_not_depend_on_the_order_of_its_entries():
    assert tree_digest([entry("a"), entry("b")]) == tree_digest([entry("b"), entry("a")])


@pytest.mark.parametrize(
    "other",
    [
        entry("b"),
        entry("a", "b" * 64),
        entry("a", mode=0o755),
        TreeEntry(path="a", mode=0o777, size_bytes=0, sha256=None, link="x"),
    ],
)
def test_a_tree_digest_changes_with_path_bytes_mode_and_link(other):
    assert tree_digest([entry("a")]) != tree_digest([other])


def test_the_tree_digest_is_a_promise_to_published_bundles():
    assert tree_digest([entry("bin/x", mode=0o755)]) == (
        "b67a39333207245b96ab298f4e2011f804d9f0d919339f2115819314a2b592b8"
    )


def test_canonical_json_has_one_spelling():
    assert canonical_json({"b": 1, "a": ["ü", None, True]}) == '{"a":["ü",null,true],"b":1}'.encode()


def test_a_float_has_no_canonical_spelling():
    with pytest.raises(TypeError):
        canonical_json({"a": [1.0]})


def test_keys_of_two_domains_differ():
    assert key_of("step", {}) != key_of("toolchain", {})


def test_a_stream_is_hashed_with_its_size():
    digest, size = sha256_stream(io.BytesIO(b"abc"))
    assert (digest[:8], size) == ("ba7816bf", 3)


def test_a_digest_is_64_lower_case_hex_digits():
    assert is_sha256("a" * 64)
    assert not is_sha256("A" * 64)
    assert not is_sha256("a" * 63)


def test_another_digest_is_refused_with_both_named():
    with pytest.raises(IntegrityError, match=r"bbb.*aaa"):
        require_digest(what="x", expected="aaa", found="bbb")
