from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.catalog import RecipeError, load
from pipeline.names import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def copy(recipes_dir: Path, tmp_path: Path) -> Path:
    return shutil.copytree(recipes_dir, tmp_path / "recipes")


def change(folder: Path, name: str, old: str, new: str) -> None:
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_shipped_recipes_make_the_two_cpu_targets(catalog):
    assert {"llama.cpp/linux-x86_64-cpu", "llama.cpp/linux-x86_64-avx2"} <= {str(t) for t in catalog.targets()}


def test_an_unknown_key_names_file_and_dotted_key_and_the_near_one(copy: Path):
    change(copy, "engines/llama.cpp.toml", "minimum_tokens = 16", "minimum_token = 16")
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert "engines/llama.cpp.toml: proof.minimum_token: unknown key; did you mean 'minimum_tokens'?" in str(
        caught.value
    )
    assert caught.value.exit_code == 2


def test_a_pin_without_a_digest_is_refused(copy: Path):
    change(
        copy,
        "engines/llama.cpp.toml",
        'sha256 = "b0a2feb64c6fbd09f12af230734f072dd819ecb0ebd259565e1d6e9c34007e45"\n',
        "",
    )
    with pytest.raises(RecipeError, match=r"releases\.0\.source\.pypi_sdist\.sha256: is missing"):
        load(copy)


def test_a_digest_of_another_form_is_refused(copy: Path):
    change(copy, "engines/llama.cpp.toml", 'sha256 = "b0a2', 'sha256 = "B0A2')
    with pytest.raises(RecipeError, match="sha256"):
        load(copy)


def test_all_complaints_are_listed_at_once(copy: Path):
    change(copy, "engines/llama.cpp.toml", 'role = "core"', 'role = "kernel"')
    change(copy, "accelerators/avx2.toml", 'kind = "cpu"', 'kind = "gpu"')
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert "core.role" in str(caught.value)
    assert "avx2.toml: kind: 'gpu' is none of cpu" in str(caught.value)


def test_what_is_no_toml_names_its_file(copy: Path):
    (copy / "models" / "broken.toml").write_text("name = ")
    with pytest.raises(RecipeError, match=r"broken\.toml: is no TOML"):
        load(copy)


def test_a_file_called_otherwise_than_its_recipe_is_refused(copy: Path):
    (copy / "accelerators" / "avx2.toml").rename(copy / "accelerators" / "avx.toml")
    with pytest.raises(RecipeError, match=r"avx\.toml: name: is 'avx2'"):
        load(copy)


def test_a_model_that_is_not_there_is_refused(copy: Path):
    (copy / "models" / "gemma-3-270m-q4_k_m.toml").unlink()
    with pytest.raises(RecipeError, match=r"proof\.model"):
        load(copy)


def test_a_default_release_must_be_pinned(copy: Path):
    change(copy, "engines/llama.cpp.toml", 'default_release = "b11434"', 'default_release = "b1"')
    with pytest.raises(RecipeError, match="default_release 'b1'"):
        load(copy)


def test_a_release_that_is_not_pinned_lists_those_that_are(catalog):
    with pytest.raises(UnknownNameError) as caught:
        catalog.pin("llama.cpp", "b9")
    assert "b11401, b11434" in caught.value.hint


def test_one_wrong_recipe_brings_no_false_complaints_about_others(copy: Path):
    change(copy, "engines/llama.cpp.toml", 'role = "core"', 'role = "kernel"')
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert "no such engine" not in str(caught.value)


def test_a_folder_without_recipes_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="no folder of recipes"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("|version:) {build_number}", "|version:) {build_nubmer}", "proof.version_pattern"),
        ("'(?:build|version:)", "'(?:build|version:", "proof.version_pattern"),
        ('"{port}"', '"{prot}"', "proof.server_args"),
        ('"{commit}"', '"{comit}"', "options_with_pin"),
        ('"libmtmd.so*"', '"/etc/*"', "core.outputs"),
        ('"libmtmd.so*"', '"../../*"', "core.outputs"),
        ("2026-10-06T", "2026-13-06T", "released"),
    ],
)
def test_a_template_or_pattern_that_cannot_work_is_found_before_anything_runs(copy: Path, old, new, key):
    change(copy, "engines/llama.cpp.toml", old, new)
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert key in str(caught.value)


def test_a_local_source_is_relative_to_its_recipe(copy: Path):
    path = copy / "engines" / "llama.cpp.toml"
    text = path.read_text()
    begin = text.index("[releases.source]")
    end = text.index("[[releases]]", begin)
    path.write_text(text[:begin] + '[releases.source]\nkind = "local_tree"\npath = "../src"\n\n' + text[end:])
    source = load(copy).pin("llama.cpp", None).source
    assert source.path == str((copy / "src").resolve())


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"windows-x86_64"\n', '"windows-x86"\n', "'windows-x86' is none of"),
        (
            'accelerators = ["cpu", "avx2"]',
            'accelerators = ["gpu"]',
            "accelerators: no recipe builds 'gpu' of llama.cpp",
        ),
        ('platform = "linux-arm64"\ntriple', 'platform = "linux-arm"\ntriple', "'linux-arm' is none of"),
        ("by = '+fullfp16'", 'by = "it\'s"', "has a quote, a bar or a line's end"),
        ('cc = ["cc",', 'cxx = ["cc",', "commands: cc is missing"),
        ('args = ["-L", "{folder}"]', 'args = ["-L", "{sysroot}"]', "has {sysroot}, which is none of {folder}"),
        ('CMAKE_AR = "{wrappers}/ar"', 'CMAKE_AR = "{wraps}/ar"', "has {wraps}, which is none of {wrappers}"),
        ('platform = "windows-x86_64"\n', 'platform = "linux-x86_64"\n', "targets: a platform stands there twice"),
    ],
)
def test_what_is_wrong_with_a_toolchain_is_named(copy: Path, old, new, complaint):
    change(copy, "toolchains/zig.toml", old, new)
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert "toolchains/zig.toml: " in str(caught.value)
    assert complaint in str(caught.value)


def test_a_toolchain_for_an_engine_that_is_not_there_is_named(copy: Path):
    path = copy / "toolchains" / "zig.toml"
    path.write_text(path.read_text().replace('engines."llama.cpp"', 'engines."lama.cpp"'))
    with pytest.raises(RecipeError, match=r"targets\.linux-arm64\.engines\.lama\.cpp: no such engine"):
        load(copy)


@pytest.mark.parametrize(
    ("globs", "complaint"),
    [
        ('"GGML_N*"', "GGML_NATIVE is among them, which the engine sets too"),
        ('"LLAMA_BUILD_NUM*"', "LLAMA_BUILD_NUMBER is among them, which the engine sets too"),
        ('"GGML_CPU"', "GGML_CPU is among them, which the core sets too"),
        ('"GGML_ACCELERATE"', "GGML_ACCELERATE is among them, which cpu sets too"),
        ('"CMAKE_OSX_SYS*"', "CMAKE_OSX_SYSROOT is among them, which the engine sets on macos-arm64 too"),
        ('"CMAKE_SYSTEM_N*"', "CMAKE_SYSTEM_NAME is among them, which zig sets for linux-arm64 too"),
        ('"GGML_AVX2"', "GGML_AVX2 is among them, which avx2 sets too"),
    ],
)
def test_an_option_is_not_a_backends_own_where_a_recipe_sets_it_for_another_component(copy: Path, globs, complaint):
    change(copy, "accelerators/metal.toml", '"GGML_METAL_*"', globs)
    with pytest.raises(RecipeError) as caught:
        load(copy)
    assert f"metal.toml: engines.llama.cpp.own_options: {complaint}" in str(caught.value)
