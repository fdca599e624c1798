from __future__ import annotations

import pytest

from pipeline.names import Target, UnknownNameError
from pipeline.target_names import LISTED, match_targets, select_targets

CPU = Target("llama.cpp", "linux-x86_64", "cpu")
AVX2 = Target("llama.cpp", "linux-x86_64", "avx2")
OTHER = Target("llama-swap", "linux-x86_64", "cpu")
METAL = Target("llama.cpp", "macos-arm64", "metal")
CUDA_12, CUDA_13 = (Target("llama.cpp", "windows-x86_64", f"cuda-{version}") for version in ("12.4", "13.0"))
MLX, MLX_LINUX = (Target("mlx-lm", platform, "mlx") for platform in ("macos-arm64", "linux-x86_64"))
OPENAI = Target("mlx-openai-server", "macos-arm64", "mlx-openai")
ALL = (CPU, AVX2, OTHER, METAL, CUDA_12, CUDA_13, MLX, MLX_LINUX, OPENAI)


def hint_about(pattern: str) -> str:
    with pytest.raises(UnknownNameError) as caught:
        select_targets([pattern], ALL)
    return caught.value.hint


def test_a_target_without_its_engine_is_found_where_it_is_unambiguous():
    assert select_targets(["linux-x86_64-avx2"], [CPU, AVX2]) == (AVX2,)


def test_a_comma_and_a_repetition_name_several_targets_in_catalog_order():
    assert select_targets(["linux-x86_64-cpu,macos-arm64-metal", "linux-x86_64-avx2"], [AVX2, CPU, METAL]) == (
        AVX2,
        CPU,
        METAL,
    )


def test_a_glob_names_every_match():
    assert select_targets(["linux-*"], [CPU, AVX2, METAL]) == (CPU, AVX2)
    assert select_targets(["llama.cpp/*"], [CPU, OTHER]) == (CPU,)


def test_a_target_that_two_engines_have_must_name_its_engine():
    with pytest.raises(UnknownNameError, match="ambiguous") as caught:
        select_targets(["linux-x86_64-cpu"], [CPU, OTHER])
    assert "llama.cpp/linux-x86_64-cpu" in caught.value.hint


def test_an_unknown_target_lists_near_ones_and_exits_with_2():
    with pytest.raises(UnknownNameError) as caught:
        select_targets(["linux-x86_64-avx"], [CPU, AVX2])
    assert "linux-x86_64-avx2" in caught.value.hint
    assert caught.value.exit_code == 2


def test_an_empty_pattern_matches_nothing():
    with pytest.raises(UnknownNameError):
        select_targets([""], [CPU])
    with pytest.raises(UnknownNameError) as caught:
        select_targets(["", "linux-*"], [CPU], otherwise="elsewhere")
    assert caught.value.hint == "elsewhere"


def test_a_pattern_says_what_it_took_and_whether_it_is_a_glob():
    assert match_targets(["linux-x86_64-avx2,macos-*"], ALL) == (
        ("linux-x86_64-avx2", (AVX2,), False),
        ("macos-*", (METAL, MLX, OPENAI), True),
    )


@pytest.mark.parametrize(
    ("pattern", "targets", "glob"),
    [
        ("mlx-lm", (MLX, MLX_LINUX), "mlx-lm/*"),
        ("MLX-LM/", (MLX, MLX_LINUX), "mlx-lm/*"),
        ("mlx-openai-server", (OPENAI,), "mlx-openai-server/*"),
        ("mlx", (MLX, MLX_LINUX), "*-mlx"),
        ("mlx-openai", (OPENAI,), "*-mlx-openai"),
        ("cuda", (CUDA_12, CUDA_13), "*-cuda-*"),
        ("cuda-12", (CUDA_12,), "*-cuda-12.*"),
        ("macos-arm64", (METAL, MLX, OPENAI), "macos-arm64-*"),
        ("osx-arm64", (METAL, MLX, OPENAI), "macos-arm64-*"),
        ("windows", (CUDA_12, CUDA_13), "windows-*"),
    ],
)
def test_an_engine_an_accelerator_or_a_platform_alone_is_answered_with_its_targets(pattern, targets, glob):
    hint = hint_about(pattern)
    assert [str(target) for target in ALL if str(target) in hint] == [str(target) for target in targets]
    assert f"'{glob}'" in hint
    assert select_targets([glob], ALL) == targets


def test_of_many_targets_the_first_are_named_and_the_rest_counted():
    many = [Target("llama.cpp", "linux-x86_64", f"cuda-{number}.0") for number in range(20)]
    with pytest.raises(UnknownNameError) as caught:
        select_targets(["cuda"], many)
    assert "linux-x86_64-cuda-11.0 and 8 more" in caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("osx-arm64-mlx", "mlx-lm/macos-arm64-mlx"),
        ("mlx-lm/osx-arm64-mlx", "mlx-lm/macos-arm64-mlx"),
        ("win-64-cuda-12.4", "llama.cpp/windows-x86_64-cuda-12.4"),
        ("linux-x64-mlx", "mlx-lm/linux-x86_64-mlx"),
        ("linux-64-avx2", "llama.cpp/linux-x86_64-avx2"),
        ("osx-arm64-metall", "macos-arm64-metal"),
    ],
)
def test_a_platform_of_another_spelling_is_answered_with_the_right_target(pattern, meant):
    assert f"did you mean {meant}" in hint_about(pattern)


@pytest.mark.parametrize("pattern", ["", "*nothing*", "zzz", "no-such-engine/*"])
def test_what_is_near_nothing_is_sent_to_the_list(pattern):
    assert hint_about(pattern) == LISTED
