from __future__ import annotations

import shutil

import pytest

from pipeline.app.project import shipped_recipes_dir
from pipeline.catalog import RecipeError, load_profiles
from pipeline.catalog.profiles import select_named
from pipeline.cli.main import run
from pipeline.errors import UsageError


@pytest.fixture
def recipes(tmp_path):
    text = (shipped_recipes_dir() / "profiles.toml").read_text()

    def changed(before: str, after: str):
        assert before in text
        (tmp_path / "profiles.toml").write_text(text.replace(before, after, 1))
        return tmp_path

    return changed


def test_an_unknown_key_is_a_typo_and_near_ones_are_named(recipes):
    with pytest.raises(RecipeError, match=r"profiles\.0\.minimize.*did you mean 'minimise'"):
        load_profiles(recipes("minimise =", "minimize ="))


def test_a_profile_names_links_that_there_are(recipes):
    with pytest.raises(RecipeError, match="there is no link '21mbit'"):
        load_profiles(recipes('link = "20mbit"', 'link = "21mbit"'))


def test_a_criterion_is_one_of_those_that_are_measured(recipes):
    with pytest.raises(RecipeError, match=r"profiles\.0\.minimise"):
        load_profiles(recipes('minimise = ["seconds", "product_bytes"]', 'minimise = ["beauty"]'))


def test_a_profile_without_network_has_no_way_to_the_publisher(recipes):
    with pytest.raises(RecipeError, match="does not reach"):
        load_profiles(recipes('network = "near"', 'network = "near"\nlink = "lan"'))


@pytest.mark.parametrize(("before", "name"), [('name = "100mbit"', "lan"), ('name = "ci-runner"', "air-gapped")])
def test_a_name_stands_once(recipes, before, name):
    with pytest.raises(RecipeError, match="stands twice"):
        load_profiles(recipes(before, f'name = "{name}"'))


def test_a_name_that_is_not_there_is_refused_with_near_ones():
    with pytest.raises(UsageError) as failure:
        select_named("profile", ["dekstop-app"], ["desktop-app", "ci-runner"])
    assert "desktop-app" in failure.value.hint
    with pytest.raises(UsageError) as failure:
        select_named("link", ["satellite"], ["lan", "20mbit"])
    assert failure.value.hint == "there are lan, 20mbit"


def test_names_repeat_take_commas_and_keep_the_order_of_the_file():
    known = ["lan", "100mbit", "20mbit"]
    assert select_named("link", ["20mbit,lan", "lan"], known) == ("lan", "20mbit")
    assert select_named("link", [], known) == tuple(known)


def test_check_reads_profiles_and_refuses_wrong_ones(tmp_path, capsys):
    folder = shutil.copytree(shipped_recipes_dir(), tmp_path / "recipes")
    shutil.copytree(shipped_recipes_dir().parent / "envs", tmp_path / "envs")
    assert run(["check", "--recipes", str(folder)]) == 0
    assert "5 deployment profiles" in capsys.readouterr().out
    path = folder / "profiles.toml"
    path.write_text(path.read_text().replace("within = 1.5", "within = 0.5"))
    assert run(["check", "--recipes", str(folder)]) == 2
    assert "profiles.toml: profiles.2.within" in capsys.readouterr().err
