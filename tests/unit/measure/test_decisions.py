from __future__ import annotations

import tomllib

import pytest

from pipeline.app.project import shipped_recipes_dir
from pipeline.catalog import load_profiles
from pipeline.measure.decisions import Known, decide, known
from pipeline.model.profiles import DeploymentProfile
from tests.unit.measure.made_measurements import TARGET, measurement, run

OPEN = {
    "name": "desk",
    "title": "Desk",
    "network": "public",
    "link": "20mbit",
    "near_link": "lan",
    "compiler": True,
    "carries": True,
    "model_counts": False,
    "minimise": ["seconds", "product_bytes"],
    "within": 1.1,
}


def profile(**changes):
    return DeploymentProfile.model_validate(OPEN | changes, strict=False)


def cost(strategy, link, seconds, *, product=0, disk=20, transfer=5, forecast=False, model=(0.0, 0)):
    return Known(strategy, TARGET, link, seconds, *model, transfer, product, disk, forecast)


COSTS = (
    cost("on-demand", "20mbit", 8.0),
    cost("bundled", None, 2.0, product=5_000_000),
    cost("mirror", "lan", 2.9),
    cost("self-built", "20mbit", 300.0, disk=900),
    cost("self-built-warm", "20mbit", 30.0, disk=900),
)


def decision(asked, costs=COSTS):
    (found,) = decide([asked], costs)
    return found


def refused(found):
    return {option.strategy: option.refused for option in found.options if option.refused}


def test_the_first_criterion_decides_and_says_with_which_figures():
    found = decision(profile())
    assert found.chosen == "bundled"
    assert "2.0 s against on-demand 8.0 s" in found.why


def test_what_is_as_good_within_the_tolerance_is_decided_by_the_next_criterion():
    assert decision(profile(within=1.5)).chosen == "mirror"


@pytest.mark.parametrize(
    ("changes", "strategy", "rule"),
    [
        ({"network": "near", "link": None}, "on-demand", "network"),
        ({"network": "near", "link": None}, "self-built", "network"),
        ({"carries": False}, "bundled", "carries"),
        ({"near_link": None}, "mirror", "near_link"),
        ({"compiler": False}, "self-built", "compiler"),
        ({"compiler": False}, "self-built-warm", "compiler"),
        ({}, "self-built-warm", "keeps_compiler_cache"),
        ({"keeps_compiler_cache": True}, "self-built", "keeps_compiler_cache"),
    ],
)
def test_what_a_place_lacks_refuses_a_strategy_and_names_the_rule(changes, strategy, rule):
    found = decision(profile(**changes))
    assert f"({rule})" in refused(found)[strategy]
    assert found.chosen != strategy


def test_a_product_that_would_grow_too_much_does_not_carry_the_engine():
    found = decision(profile(most_product_bytes=1_000_000, near_link=None))
    assert "may by 1.0 MB" in refused(found)["bundled"]
    assert found.chosen == "on-demand"
    assert "bundled: the product would grow by 5.0 MB, and may by 1.0 MB" in found.why


def test_what_does_not_fit_the_disk_is_out():
    found = decision(profile(most_disk_bytes=500))
    assert "room for" in refused(found)["self-built"]


def test_the_model_counts_where_the_profile_says_so():
    costs = (cost("bundled", None, 2.0, model=(0.0, 50)), cost("on-demand", "20mbit", 1.5, model=(100.0, 50)))
    without, with_model = decision(profile(), costs), decision(profile(model_counts=True), costs)
    assert (without.chosen, with_model.chosen) == ("on-demand", "bundled")
    bundled = next(option for option in with_model.options if option.strategy == "bundled")
    on_demand = next(option for option in with_model.options if option.strategy == "on-demand")
    assert (bundled.product_bytes, bundled.disk_bytes, bundled.transfer_bytes) == (50, 70, 5)
    assert (on_demand.seconds, on_demand.transfer_bytes, on_demand.product_bytes) == (101.5, 55, 0)


def test_a_strategy_that_was_not_measured_over_the_profiles_link_is_named():
    found = decision(profile(), (cost("bundled", None, 2.0), cost("on-demand", "lan", 0.1)))
    assert found.chosen == "bundled"
    assert "not measured: on-demand over 20mbit, mirror over lan" in found.why


def test_nothing_is_chosen_where_the_rules_leave_nothing():
    found = decision(profile(carries=False, network="none", link=None, near_link=None, compiler=False))
    assert found.chosen is None


def test_a_decision_by_forecasts_says_so():
    found = decision(profile(near_link=None, compiler=False), (cost("bundled", None, 2.0, forecast=True),))
    assert [option.forecast for option in found.options if option.strategy == found.chosen] == [True]


def test_that_nothing_else_was_measured_is_not_that_the_rules_leave_nothing_else():
    alone = decision(profile(near_link=None, compiler=False), (cost("bundled", None, 2.0),))
    assert alone.why == "no other one was measured or forecast; not measured: on-demand over 20mbit"
    ruled = decision(profile(near_link=None, compiler=False, carries=False), (cost("on-demand", "20mbit", 2.0),))
    assert ruled.why == "the rules leave no other one"


def test_where_the_model_counts_forecasts_say_that_they_are_without_it():
    costs = (cost("bundled", None, 2.0, forecast=True), cost("on-demand", "20mbit", 9.0, forecast=True))
    counted, not_counted = (decision(profile(model_counts=counts), costs) for counts in (True, False))
    assert counted.why.endswith("; the model counts, and these forecasts are without it")
    assert "forecasts" not in not_counted.why


def test_where_the_model_counts_a_forecast_is_not_compared_with_what_was_measured_with_it():
    costs = (cost("bundled", None, 2.0, model=(50.0, 9)), cost("on-demand", "20mbit", 9.0, forecast=True))
    found = decision(profile(model_counts=True), costs)
    assert found.chosen == "bundled"
    assert "forecasts are without the model, which counts: on-demand over 20mbit" in found.why
    assert "against" not in found.why
    assert decision(profile(), costs).chosen == "bundled"


def test_costs_come_from_measurements_over_the_link_that_the_profile_has():
    measured = (
        measurement("on-demand", "lan", run(download=1.0)),
        measurement("on-demand", "20mbit", run(download=9.0, model=100.0), model_bytes=7),
    )
    found = decision(profile(), known(measured, ()))
    (option,) = (option for option in found.options if option.strategy == "on-demand")
    assert (option.link, option.seconds) == ("20mbit", 9.0)


def test_a_build_that_brought_its_packages_from_elsewhere_counts_over_any_link():
    found = decision(profile(), known([measurement("self-built", None, run(compile=9.0))], ()))
    assert found.chosen == "self-built"


def test_the_shipped_profiles_are_the_five_kinds_of_deployment():
    names = [profile.name for profile in load_profiles(shipped_recipes_dir()).profiles]
    assert names == ["desktop-app", "server-image", "air-gapped", "ci-runner", "edge-small-disk"]


def test_shipped_profiles_name_links_that_are_there():
    text = (shipped_recipes_dir() / "profiles.toml").read_text()
    assert {link["name"] for link in tomllib.loads(text)["links"]} == {"lan", "100mbit", "20mbit"}
