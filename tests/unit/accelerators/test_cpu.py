from __future__ import annotations

from pipeline.accelerators.cpu import required_features


def test_a_single_variant_needs_all_it_was_compiled_with():
    assert required_features({"ggml-cpu": frozenset({"fma", "avx2"})}) == ("avx2", "fma")


def test_several_variants_need_what_all_of_them_need():
    assert required_features({"a": frozenset({"sse4.2"}), "b": frozenset({"sse4.2", "avx"})}) == ("sse4.2",)
    assert required_features({"a": frozenset(), "b": frozenset({"avx"})}) == ()
