from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.app.settings import Flags, load_settings, program_name
from pipeline.errors import UsageError


@pytest.fixture(autouse=True)
def _somewhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def project(text: str) -> None:
    Path("pipeline.toml").write_text(text, encoding="utf-8")


def test_without_anything_said_the_cache_is_below_home():
    settings = load_settings(Flags(), {"HOME": "/h"})
    assert settings.cache_dir == Path("/h/.cache/engine-pipeline")
    assert settings.keys_dir == Path("/h/.config/engine-pipeline/keys")


def test_xdg_folders_are_used_and_relative_ones_ignored():
    absolute = load_settings(Flags(), {"HOME": "/h", "XDG_CACHE_HOME": "/c", "XDG_CONFIG_HOME": "/k"})
    assert (absolute.cache_dir, absolute.keys_dir) == (Path("/c/engine-pipeline"), Path("/k/engine-pipeline/keys"))
    relative = load_settings(Flags(), {"HOME": "/h", "XDG_CACHE_HOME": "c"})
    assert relative.cache_dir == Path("/h/.cache/engine-pipeline")


def test_a_flag_wins_over_the_environment_and_that_over_the_file():
    project('cache_dir = "/file"\njobs = 3\noffline = true\n')
    environment = {"HOME": "/h", "ENGINE_PIPELINE_CACHE_DIR": "/environment", "ENGINE_PIPELINE_OFFLINE": "0"}
    from_file = load_settings(Flags(), {"HOME": "/h"})
    assert (from_file.cache_dir, from_file.jobs, from_file.offline) == (Path("/file"), 3, True)
    from_environment = load_settings(Flags(), environment)
    assert (from_environment.cache_dir, from_environment.offline) == (Path("/environment"), False)
    from_flags = load_settings(Flags(cache_dir=Path("/flag"), offline=True, jobs=1), environment)
    assert (from_flags.cache_dir, from_flags.offline, from_flags.jobs) == (Path("/flag"), True, 1)


def test_paths_in_a_project_file_are_relative_to_it(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "settings.toml"
    path.write_text('output = "out"\nroot = "engines"\nkeys_dir = "k"\ntrusted_root = "k/root.json"\nrecipes = "r"\n')
    settings = load_settings(Flags(config=path), {"HOME": "/h"})
    assert settings.output == folder / "out"
    assert settings.root == folder / "engines"
    assert settings.keys_dir == folder / "k"
    assert settings.trusted_root == folder / "k" / "root.json"
    assert settings.recipes_dir == folder / "r"


def test_an_unknown_key_is_named_with_its_file():
    project('cache_dirs = "/file"\n')
    with pytest.raises(UsageError, match=r"pipeline\.toml: cache_dirs: unknown key; did you mean 'cache_dir'"):
        load_settings(Flags(), {"HOME": "/h"})


def test_a_wrong_value_is_named_with_its_dotted_key():
    project("[cmake_options]\nGGML_LTO = true\n")
    with pytest.raises(UsageError, match=r"pipeline\.toml: cmake_options\.GGML_LTO: "):
        load_settings(Flags(), {"HOME": "/h"})


def test_a_project_file_that_was_named_must_be_there():
    with pytest.raises(UsageError, match=r"nowhere\.toml"):
        load_settings(Flags(config=Path("nowhere.toml")), {"HOME": "/h"})


def test_a_switch_that_is_neither_yes_nor_no_is_refused():
    with pytest.raises(UsageError, match="ENGINE_PIPELINE_OFFLINE"):
        load_settings(Flags(), {"HOME": "/h", "ENGINE_PIPELINE_OFFLINE": "maybe"})


def test_cmake_options_of_file_and_environment_are_joined_and_the_environment_wins():
    project('[cmake_options]\nGGML_LTO = "ON"\nGGML_RPC = "OFF"\n')
    settings = load_settings(Flags(), {"HOME": "/h", "ENGINE_PIPELINE_CMAKE_OPTION_GGML_RPC": "ON"})
    assert settings.cmake_options == {"GGML_LTO": "ON", "GGML_RPC": "ON"}


def test_mirrors_of_the_environment_are_separated_by_spaces_and_replace_those_of_the_file():
    project('mirrors = ["https://one.example.com"]\n')
    assert load_settings(Flags(), {"HOME": "/h"}).mirrors == ("https://one.example.com",)
    settings = load_settings(Flags(), {"HOME": "/h", "ENGINE_PIPELINE_MIRROR": "file:///a https://b.example.com/x,y"})
    assert settings.mirrors == ("file:///a", "https://b.example.com/x,y")


def test_a_child_sees_proxies_and_compilers_but_nothing_private():
    environment = {
        "HOME": "/h",
        "PATH": "/bin",
        "CC": "clang",
        "DEVELOPER_DIR": "/Xcode.app",
        "https_proxy": "http://p",
        "AWS_SECRET": "s",
        "LANG": "tr",
    }
    assert load_settings(Flags(), environment).child_env == {
        "HOME": "/h",
        "PATH": "/bin",
        "CC": "clang",
        "DEVELOPER_DIR": "/Xcode.app",
        "https_proxy": "http://p",
        "LANG": "C.UTF-8",
    }


def test_no_color_that_is_set_but_empty_means_nothing():
    assert load_settings(Flags(), {"HOME": "/h", "NO_COLOR": ""}).color is True
    assert load_settings(Flags(), {"HOME": "/h", "NO_COLOR": "1"}).color is False


def test_hints_name_the_program_that_was_started():
    assert program_name({}) == "python -m pipeline"
    assert program_name({"ENGINE_PIPELINE_PROGRAM": "./ci/pipeline"}) == "./ci/pipeline"


def test_source_date_epoch_is_whole_seconds():
    assert load_settings(Flags(), {"HOME": "/h", "SOURCE_DATE_EPOCH": "7"}).epoch_seconds == 7
    assert load_settings(Flags(), {"HOME": "/h"}).epoch_seconds is None
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        load_settings(Flags(), {"HOME": "/h", "SOURCE_DATE_EPOCH": "yesterday"})


def test_source_date_epoch_ends_with_the_years_of_four_digits():
    assert load_settings(Flags(), {"HOME": "/h", "SOURCE_DATE_EPOCH": "253402300799"}).epoch_seconds == 253402300799
    for late in ("253402300800", "9" * 5000):
        with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
            load_settings(Flags(), {"HOME": "/h", "SOURCE_DATE_EPOCH": late})


def test_the_api_of_releases_is_githubs_unless_the_environment_names_another():
    assert load_settings(Flags(), {"HOME": "/h"}).github_api == "https://api.github.com"
    other = {"HOME": "/h", "ENGINE_PIPELINE_GITHUB_API": "https://forge.example.com/api/v3"}
    assert load_settings(Flags(), other).github_api == "https://forge.example.com/api/v3"


def test_a_token_is_taken_and_never_shown():
    settings = load_settings(Flags(), {"HOME": "/h", "GITHUB_TOKEN": " t0ken\n"})
    assert settings.github_token == "t0ken"  # noqa: S105 - made up
    assert "t0ken" not in repr(settings)
    assert "GITHUB_TOKEN" not in settings.child_env
    assert load_settings(Flags(), {"HOME": "/h", "GITHUB_TOKEN": ""}).github_token is None


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "t\u00f6ken"])
def test_what_cannot_be_a_token_is_refused_without_showing_it(token):
    with pytest.raises(UsageError, match="GITHUB_TOKEN") as caught:
        load_settings(Flags(), {"HOME": "/h", "GITHUB_TOKEN": token})
    assert token not in str(caught.value)


def test_channels_come_from_the_file_or_the_environment_without_a_slash_at_the_end():
    project('[channels]\n"https://conda.example/forge/" = "http://mirror.example/forge/"\n')
    from_file = load_settings(Flags(), {"HOME": "/h"})
    assert from_file.channels == {"https://conda.example/forge": "http://mirror.example/forge"}
    said = "https://conda.example/a=file:///media/a https://conda.example/b=https://mirror.example/b/"
    from_environment = load_settings(Flags(), {"HOME": "/h", "ENGINE_PIPELINE_CHANNELS": said})
    assert from_environment.channels == {
        "https://conda.example/a": "file:///media/a",
        "https://conda.example/b": "https://mirror.example/b",
    }


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("https://me:pw@conda.example/forge", "entry 1 of 1 has no ="),
        ("forge=https://me:pw@mirror.example/forge", "entry 1 of 1: what stands before its = is no url"),
        ("https://a=b", "after its = is neither a url nor the absolute path of a folder"),
        ("https://a=./srv/pw", "after its = is neither a url nor the absolute path of a folder"),
        ("https://a=htps://me:pw@b/c", "after its = has the scheme 'htps', which is none of https, http, file"),
        (
            "https://a=file://srv/pw",
            "after its = names a host in a file: url; a folder of this machine has three slashes",
        ),
        ("https://a=https://", "after its = names no host"),
        ("https://a=file:///", "after its = names no folder"),
        ("https://a=https://[pw/c", "after its = is no url"),
        ("https://a=/a htp://b=/b", "entry 2 of 2: what stands before its = has the scheme 'htp'"),
    ],
)
def test_of_channels_that_make_no_sense_the_fault_is_told_without_showing_them(said, wrong):
    with pytest.raises(UsageError, match="ENGINE_PIPELINE_CHANNELS") as caught:
        load_settings(Flags(), {"HOME": "/h", "ENGINE_PIPELINE_CHANNELS": said})
    assert wrong in caught.value.message
    assert "pw" not in caught.value.message


def test_a_folder_is_a_channels_place_by_its_path():
    said = {"HOME": "/h", "ENGINE_PIPELINE_CHANNELS": "https://conda.example/a=/srv/a/"}
    assert load_settings(Flags(), said).channels == {"https://conda.example/a": "file:///srv/a"}
    project('[channels]\n"https://conda.example/a/" = "/srv/my channel"\n')
    assert load_settings(Flags(), {"HOME": "/h"}).channels == {"https://conda.example/a": "file:///srv/my%20channel"}


def test_a_channel_in_the_file_that_is_no_url_names_its_key():
    project('[channels]\n"conda-forge" = "https://mirror.example/forge"\n')
    with pytest.raises(UsageError, match=r"pipeline\.toml: channels\.conda-forge"):
        load_settings(Flags(), {"HOME": "/h"})
    project('[channels]\n"https://conda.example/a" = "srv/a"\n')
    with pytest.raises(UsageError, match=r"channels\.https://conda\.example/a: .*absolute path of a folder"):
        load_settings(Flags(), {"HOME": "/h"})
