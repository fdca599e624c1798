from __future__ import annotations

import pytest

from pipeline.catalog import RecipeError, load
from pipeline.errors import NothingSelectedError
from tests.simulators import locked_environment, tiny_engine


@pytest.fixture
def recipes(tmp_path):
    """Recipes of one engine of each kind."""
    return locked_environment.write_recipes(tiny_engine.write_recipes(tmp_path / "recipes", tmp_path / "source"))


def refused(recipes, name: str, old: str, new: str) -> str:
    path = recipes / "engines" / f"{name}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError) as caught:
        load(recipes)
    return caught.value.message


def test_engines_are_read_by_kind(recipes, tmp_path):
    catalog = load(recipes)
    assert [*catalog.engines] == ["tiny-engine"]
    assert [*catalog.environments] == ["tiny-mlx"]
    assert [*catalog.unsupported] == ["old-mlx"]
    assert catalog.envs_dir == str(tmp_path / "envs")


def test_an_environment_has_a_target_on_each_platform_and_what_cannot_be_made_has_none(recipes):
    catalog = load(recipes)
    assert [str(target) for target in catalog.targets()] == [
        "tiny-engine/linux-x86_64-cpu",
        "tiny-mlx/linux-x86_64-mlx",
        "tiny-mlx/macos-arm64-mlx",
    ]
    assert [str(target) for target in catalog.unsupported_targets()] == ["old-mlx/macos-arm64-mlx"]


@pytest.mark.parametrize("pattern", ["old-mlx/macos-arm64-mlx", "tiny-engine/*,old-mlx/*"])
def test_what_cannot_be_made_is_refused_with_the_reason_and_what_to_take(recipes, pattern):
    with pytest.raises(NothingSelectedError, match="an mlx that nothing else runs with") as caught:
        load(recipes).refuse_unsupported([pattern])
    assert caught.value.hint == "take tiny-mlx instead"


@pytest.mark.parametrize("pattern", ["macos-arm64-mlx", "*", "macos-*", "nothing"])
def test_a_name_that_also_means_something_else_is_not_refused(recipes, pattern):
    load(recipes).refuse_unsupported([pattern])


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("tiny-mlx", '"environment"', '"folder"', "kind: 'folder' is none of environment, wheel, unsupported"),
        ("tiny-mlx", '"mlx"', '"nlx"', "accel: 'nlx' is no accelerator"),
        ("tiny-mlx", '"mlx"', '"kompute"', "accel: no kind of pipeline/accelerators knows 'kompute'"),
        ("tiny-mlx", '"linux-x86_64"]', '"linux-arm64"]', "proof.expect_devices.linux-x86_64: is none of platforms"),
        ("tiny-mlx", '"macos-arm64",', '"beos",', "platforms: 'beos' is none of"),
        ("tiny-mlx", "model_args", "model_arg", "proof.model_arg: unknown key; did you mean 'model_args'?"),
        ("tiny-mlx", "{tree}", "{root}", "proof.model_args"),
        ("tiny-mlx", 'name = "tiny-mlx"', 'name = "other"', "name: is 'other', but the file is called"),
        ("tiny-mlx", "{version}", "{release}", "proof.version_pattern"),
        ("old-mlx", '"tiny-mlx"', '"newer-mlx"', "instead: there is no engine 'newer-mlx'"),
        ("old-mlx", "reason", "because", "because: unknown key"),
        ("old-mlx", '"macos-arm64"', '"beos"', "platforms: 'beos' is none of"),
    ],
)
def test_a_recipe_that_is_wrong_names_file_and_key(recipes, name, old, new, said):
    message = refused(recipes, name, old, new)
    assert said in message
    assert f"{name}.toml: " in message


def test_an_environment_whose_server_nobody_can_ask_is_refused(recipes):
    said = refused(recipes, "tiny-mlx", 'model_args = ["{tree}/share/engine-pipeline/tiny_model.py", "{model}"]\n', "")
    assert "proof.model_args: is missing" in said


@pytest.mark.parametrize("devices", ["linux-x86_64 = ['^CPU: ']", "macos-arm64 = [], linux-x86_64 = ['^CPU: ']"])
def test_a_platform_of_which_no_device_is_expected_is_refused(recipes, devices):
    said = refused(recipes, "tiny-mlx", "macos-arm64 = ['^Metal: '], linux-x86_64 = ['^CPU: ']", devices)
    assert "tiny-mlx.toml: proof.expect_devices.macos-arm64: is missing" in said
    assert "linux-x86_64: is missing" not in said


def test_the_shipped_engines_are_the_contracts(catalog):
    assert {*catalog.environments} == {"mlx-lm", "mlx-openai-server"}
    assert {*catalog.unsupported} == {"mlx-llm-server"}
    assert "mlx 0.7.0" in catalog.unsupported["mlx-llm-server"].reason
    for engine in catalog.environments.values():
        assert set(engine.proof.expect_devices) == set(engine.platforms)
        assert engine.proof.environment["HF_HUB_OFFLINE"] == "1"
