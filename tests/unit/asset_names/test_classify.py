"""What file names of releases mean: every real name we know, and generated ones of each era."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.asset_names import tokens
from pipeline.asset_names.classify import UnknownAssetError, build_number, classify, classify_all
from pipeline.names import UnknownNameError, parse_accel

REAL = tomllib.loads((Path(__file__).parents[2] / "fixtures" / "upstream" / "asset_names.toml").read_text())
CASES = [(kind, name, meaning) for kind, names in REAL.items() for name, meaning in names.items()]
TAGS = st.integers(1, 99_999).map("b{}".format) | st.text("0123456789abcdef", min_size=7, max_size=7).map(
    "master-{}".format
)
FORMATS = st.sampled_from(["zip", "tar.gz"])
NUMBERS = st.integers(0, 99)


@pytest.mark.parametrize(("kind", "name", "meaning"), CASES, ids=[name for _, name, _ in CASES])
def test_a_real_name_means_what_upstream_built(kind, name, meaning):
    found = classify(name)
    assert (found.name, found.kind) == (name, kind)
    assert [found.platform, found.accel, *found.qualifiers] == (meaning or [None, None])
    assert name.endswith(found.format)
    assert (found.tag or "no tag") in name or found.tag is None


@pytest.mark.parametrize(("name", "tag"), [
    ("llama-master-2d7bf11-bin-win-clblast-x64.zip", "master-2d7bf11"),
    ("llama-b10883-ui.tar.gz", "b10883"),
    ("cudart-llama-bin-win-cuda-12.4-x64.zip", None),
    ("cudart-llama-b11158-bin-ubuntu-cuda-12.8-x64.tar.gz", "b11158"),
])  # fmt: skip
def test_the_tag_is_read_where_there_is_one(name, tag):
    assert classify(name).tag == tag


@pytest.mark.parametrize("name", [name for kind, name, _ in CASES if kind in {"engine", "runtime"}])
def test_every_accelerator_is_in_the_vocabulary_of_the_contract(name):
    accel = classify(name).accel
    assert parse_accel(accel) == accel


@pytest.mark.parametrize(("name", "word"), [
    ("llama-b10892-bin-ubuntu-tpu-x64.tar.gz", "tpu"),
    ("llama-b10892-bin-freebsd-x64.tar.gz", "freebsd"),
    ("llama-b10892-bin-ubuntu-riscv64.tar.gz", "riscv64"),
    ("llama-b10892-bin-win-openvino-x64.zip", "openvino"),
    ("llama-b10892-bin-win-cuda-x64.zip", "cuda"),
    ("llama-b10892-bin-win-rocm-x64.zip", "rocm"),
    ("llama-b10892-bin-ubuntu-x64.tar.zst", ".tar.zst"),
    ("llama-b10892-bin-ubuntu-x64.rpm", ".rpm"),
    ("nightly-tag.txt", ".txt"),
    ("llama-b10892-bin-macos-s390x.tar.gz", "macos-s390x"),
    ("llama-b10892-bin-ubuntu-x86.tar.gz", "ubuntu-x86"),
    ("llama-b10892-bin-win-x64.zip", "windows-x86_64"),
    ("llama-b10892-bin-vulkan-x64.zip", "system"),
    ("llama-b10892-bin-ubuntu-vulkan.tar.gz", "architecture"),
    ("llama-b10892-bin-ubuntu-x64-arm64.tar.gz", "arm64"),
    ("llama-b10892-bin-ubuntu-win-x64.tar.gz", "win"),
    ("llama-b10892-bin-ubuntu-vulkan-cuda-12.4-x64.tar.gz", "cuda-12.4"),
    ("llama-b10892-bin-ubuntu-fp16-x64.tar.gz", "fp16"),
    ("llama-b10892-bin-ubuntu-vulkan-gfx1030-x64.tar.gz", "gfx1030"),
    ("llama-b10892-bin-ubuntu-sycl-fp16-fp16-x64.tar.gz", "fp16"),
    ("cudart-llama-bin-win-vulkan-x64.zip", "vulkan"),
    ("llama-b10892-bin-ubuntu--x64.tar.gz", "''"),
    ("llama-b10892-bin-win-llvm-x64.zip", "'llvm'"),
    ("llama-b10892-bin-win-msvc-x64.zip", "'msvc'"),
    ("llama-b10892-bin-win-opencl-llvm-x64.zip", "'llvm'"),
    ("llama-b10892-bin-macos-x64-kleidiai.tar.gz", "'kleidiai'"),
    ("llama-b10892-bin-ubuntu-arm64-kleidiai.tar.gz", "'kleidiai'"),
    ("llama-b10892-ui.zip", "'.zip'"),
])  # fmt: skip
def test_what_is_not_known_is_named_and_never_guessed(name, word):
    with pytest.raises(UnknownAssetError) as caught:
        classify(name)
    assert caught.value.exit_code == 2
    assert word in caught.value.why


@pytest.mark.parametrize("name", [
    "", "zip", "llama.zip", "llama-bin-win-cpu-x64.zip", "llama-b0-bin-win-cpu-x64.zip",
    "llama-v0.4.1-bin-win-cpu-x64.zip",
    "whisper-b10892-bin-win-cpu-x64.zip", "llama-b10892-bin-.zip", "../llama-b10892-bin-ubuntu-x64.zip",
    "llama-b10892-bin-ubuntu-x64\n.zip", "llama-b\u0661\u0662-bin-ubuntu-x64.zip",
    "llama-b1-bin-win-cuda-\u0661.\u0664-x64.zip",
    "llama-master-2d7bf11a-bin-win-avx-x64.zip", "cudart-llama-b10892-ui.zip", f"llama-b{'1' * 300}-bin-ubuntu-x64.zip",
])  # fmt: skip
def test_a_name_of_another_shape_is_refused(name):
    with pytest.raises(UnknownAssetError):
        classify(name)


def engine_name(tag: str, words: list[str], form: str) -> str:
    return f"llama-{tag}-bin-{'-'.join(words)}.{form}"


CUDA_SPELLINGS = ("cuda-cu{}.{}", "cuda-{}.{}", "cuda{}.{}", "cublas-cu{}.{}.1", "cuda-cu{}.{}.0")


@given(TAGS, FORMATS, st.sampled_from(CUDA_SPELLINGS), NUMBERS, NUMBERS)
def test_every_spelling_of_cuda_gives_one_accelerator(tag, form, spelling, major, minor):
    found = classify(engine_name(tag, ["win", spelling.format(major, minor), "x64"], form))
    assert (found.tag, found.platform, found.accel, found.format) == (
        tag,
        "windows-x86_64",
        f"cuda-{major}.{minor}",
        form,
    )


@given(
    TAGS,
    FORMATS,
    st.sampled_from(sorted((word, arch) for word, (_, arches) in tokens.SYSTEMS.items() for arch in arches)),
    st.sampled_from(sorted(set(tokens.ACCELS) - set(tokens.QUALIFIERS))),
    st.permutations([0, 1, 2]),
)
def test_the_order_of_the_words_does_not_matter(tag, form, place, accel, order):
    system, arch = place
    words = [system, accel, arch]
    found = classify(engine_name(tag, [words[index] for index in order], form))
    its_system, arches = tokens.SYSTEMS[system]
    assert (found.platform, found.accel, found.qualifiers) == (
        f"{its_system}-{arches[arch]}",
        tokens.ACCELS[accel],
        (),
    )


KNOWN = {*tokens.SYSTEMS, *tokens.ARCHITECTURES, *tokens.ACCELS, *tokens.VERSIONED, *tokens.QUALIFIERS}
JUNK = st.from_regex(r"[A-Za-z0-9._+]{1,12}", fullmatch=True).filter(
    lambda word: word not in KNOWN and not tokens.GFX.fullmatch(word) and not tokens.JOINED.fullmatch(word)
)


@given(
    TAGS, JUNK, st.sampled_from(["ubuntu-{}-x64", "{}-ubuntu-x64", "ubuntu-x64-{}", "win-cpu-x64-{}", "macos-{}-arm64"])
)
def test_an_unknown_word_is_never_taken_for_cpu(tag, junk, shape):
    with pytest.raises(UnknownAssetError) as caught:
        classify(f"llama-{tag}-bin-{shape.format(junk)}.tar.gz")
    assert repr(junk) in caught.value.why


@given(st.text(max_size=300))
def test_any_text_is_a_meaning_or_a_refusal(text):
    meanings, unknown = classify_all([text])
    assert len(meanings) + len(unknown) == 1


def test_good_names_and_bad_ones_are_told_apart_in_their_order():
    meanings, unknown = classify_all(["b.txt", "llama-b1-ui.tar.gz", "a.txt", "llama-b1-bin-ubuntu-x64.zip"])
    assert [meaning.name for meaning in meanings] == ["llama-b1-ui.tar.gz", "llama-b1-bin-ubuntu-x64.zip"]
    assert [error.why for error in unknown] == ["unknown format '.txt'"] * 2


@pytest.mark.parametrize(
    ("tag", "number"),
    [("b10892", 10892), ("b0", None), ("v0.4.1", None), ("master-2d7bf11", None), ("xb1", None), ("b1 ", None)],
)
def test_only_a_builds_tag_has_a_number(tag, number):
    assert build_number(tag) == number


@pytest.mark.parametrize("text", ["cuda", "cuda-12", "rocm-", "noavx2", "gpu", ""])
def test_the_vocabulary_stays_closed(text):
    with pytest.raises(UnknownNameError):
        parse_accel(text)
