"""Bundles beside what their recipes allow, and beside what was published before."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pipeline.measure.budgets import judge
from pipeline.model.budgets import AllowedGrowth, Budgets, BundleBudget, SizeLimits
from pipeline.model.manifest import Artifact, Layer, Proof
from tests.simulators.variants import artifact

MB = 1_000_000
FIVE_PERCENT = AllowedGrowth(fraction=0.05, floor_bytes=200_000)


def bundle(version: str = "b2", *, core: int = 4, cpu: int = 2, accel: str = "cpu", **changes: object) -> Artifact:
    """Return a bundle of two layers and debug files; sizes are megabytes, three times as large when installed."""
    layers = tuple(
        Layer(
            name=name,
            optional=name.endswith("-debug"),
            tree_sha256=f"{size:064d}",
            url=f"{name}.tar.zst",
            sha256="2" * 64,
            size=size * MB,
            installed_size=3 * size * MB,
        )
        for name, size in (("core", core), ("core-debug", 50), (accel, cpu))
    )
    total = (core + cpu) * MB
    return artifact(accel, version).model_copy(
        update={"layers": layers, "size": total, "installed_size": 3 * total, "origin": "built", **changes}
    )


def budgets(*tables: BundleBudget, growth: AllowedGrowth | None = None) -> dict[str, Budgets]:
    return {"llama.cpp": Budgets(bundles=tables, growth=growth)}


def table(*targets: str, **limits: object) -> BundleBudget:
    return BundleBudget.model_validate({"targets": targets or ("*",), **limits})


def over(*arguments: object, **named: object) -> list[tuple[str | None, str, int]]:
    """Return layer, measure and excess of everything that is over."""
    return [(figure.layer, figure.measure, figure.excess) for figure in judge(*arguments, **named).over]


def test_a_bundle_below_its_budget_passes_and_its_figures_say_what_is_left():
    verdict = judge([bundle()], budgets(table(download_bytes=8 * MB, installed_bytes=18 * MB)))
    assert verdict.over == ()
    assert [(figure.measure, figure.actual, figure.limit) for figure in verdict.figures] == [
        ("download", 6 * MB, 8 * MB),
        ("installed", 18 * MB, 18 * MB),
    ]
    assert verdict.figures[0].used == 0.75


def test_a_web_interface_may_add_what_is_allowed_for_it_to_the_bundle_and_its_core():
    allowed = table(download_bytes=6 * MB, installed_bytes=18 * MB, layers={"core": {"download_bytes": 4 * MB}})
    asked = {"llama.cpp": Budgets(bundles=(allowed,), web_ui=SizeLimits(download_bytes=MB, installed_bytes=3 * MB))}
    core, *others = bundle(core=5).layers
    layers = (core.model_copy(update={"role": "core"}), *others)
    assert over([bundle(core=5, layers=layers, web_ui=True)], asked) == []
    assert over([bundle(core=5, layers=layers)], asked) == [
        (None, "download", MB),
        (None, "installed", 3 * MB),
        ("core", "download", MB),
    ]
    assert over([bundle(core=5, layers=layers, web_ui=True)], budgets(allowed))[0] == (None, "download", MB)


def test_one_byte_above_the_limit_is_over():
    assert over([bundle()], budgets(table(download_bytes=6 * MB - 1))) == [(None, "download", 1)]


def test_each_layer_has_a_limit_of_its_own_and_debug_files_have_none():
    limits = {"core": SizeLimits(download_bytes=3 * MB), "cpu": SizeLimits(installed_bytes=7 * MB)}
    asked = budgets(table(layers={**limits, "core-debug": SizeLimits(download_bytes=1)}))
    assert over([bundle()], asked) == [("core", "download", MB)]


def test_every_table_that_names_a_target_holds_and_the_smaller_limit_counts():
    asked = budgets(
        table("linux-x86_64-*", download_bytes=5 * MB), table("linux-x86_64-cpu", download_bytes=9 * MB)
    )  # fmt: skip
    (figure,) = judge([bundle()], asked).figures
    assert figure.limit == 5 * MB


def test_a_table_of_fetched_bundles_says_nothing_of_built_ones():
    verdict = judge([bundle()], budgets(table(origin="fetched", download_bytes=1)))
    assert verdict.figures == ()
    assert verdict.without_budget == ("llama.cpp/linux-x86_64-cpu b2",)


def test_a_bundle_without_a_budget_is_named_and_is_no_failure():
    verdict = judge([bundle(), bundle(accel="vulkan")], budgets(table("*-cpu", download_bytes=9 * MB)))
    assert verdict.over == ()
    assert verdict.without_budget == ("llama.cpp/linux-x86_64-vulkan b2",)


def test_an_engine_that_no_recipe_speaks_of_has_no_budget():
    assert judge([bundle()], {}).without_budget == ("llama.cpp/linux-x86_64-cpu b2",)


def test_what_the_proof_measured_has_limits_too():
    proof = Proof(level="run", ready_milliseconds=4000, resident_bytes=300 * MB)
    asked = budgets(table(ready_milliseconds=3000, resident_bytes=400 * MB))
    assert over([bundle(proof=proof)], asked) == [(None, "ready", 1000)]


def test_times_under_an_emulator_and_times_that_nobody_took_are_not_compared():
    asked = budgets(table(ready_milliseconds=1))
    emulated = bundle(proof=Proof(level="run", ready_milliseconds=4000, runner="qemu-aarch64 7.2"))
    assert judge([emulated, bundle()], asked).figures == ()


def test_a_rehearsal_is_not_compared():
    verdict = judge([bundle(rehearsal=True)], budgets(table(download_bytes=1)), {})
    assert (verdict.figures, verdict.without_budget, verdict.without_baseline) == ((), (), ())


def test_growth_is_allowed_up_to_the_fraction_or_the_floor_whichever_is_more():
    small = AllowedGrowth(fraction=0.05, floor_bytes=3)
    assert [small.limit(before) for before in (0, 20, 100, 1000)] == [3, 23, 105, 1050]


def test_a_bundle_that_outgrew_the_release_before_is_over_with_the_layer_that_did_it():
    before, now = bundle("b1"), bundle("b2", cpu=3)
    found = judge([now], budgets(growth=FIVE_PERCENT), {now.target: before})
    assert [(f.layer, f.measure, f.before, f.actual) for f in found.over] == [
        (None, "download", 6 * MB, 7 * MB),
        (None, "installed", 18 * MB, 21 * MB),
        ("cpu", "download", 2 * MB, 3 * MB),
        ("cpu", "installed", 6 * MB, 9 * MB),
    ]
    assert {figure.kind for figure in found.over} == {"growth"}


def test_growth_within_what_is_allowed_passes():
    before, now = bundle("b1", core=40), bundle("b2", core=41)
    assert over([now], budgets(growth=FIVE_PERCENT), {now.target: before}) == []


def test_a_table_may_allow_other_growth_than_the_engine():
    before, now = bundle("b1"), bundle("b2", cpu=3)
    asked = budgets(table(growth=AllowedGrowth(fraction=0.5)), growth=FIVE_PERCENT)
    assert over([now], asked, {now.target: before}) == []


def test_without_allowed_growth_nothing_is_compared_with_a_release():
    before, now = bundle("b1"), bundle("b2", cpu=9)
    assert judge([now], budgets(), {now.target: before}).figures == ()


def test_a_bundle_with_no_earlier_release_is_named_and_is_no_failure():
    verdict = judge([bundle()], budgets(growth=FIVE_PERCENT), {})
    assert verdict.over == ()
    assert verdict.without_baseline == ("llama.cpp/linux-x86_64-cpu b2",)


@pytest.mark.parametrize(
    "wrong",
    [
        {"targets": ()},
        {"targets": ("*",)},
        {"targets": ("*",), "download_bytes": 0},
        {"targets": ("*",), "download": 1},
        {"targets": ("llama.cpp/linux-x86_64-cpu",), "download_bytes": 1},
        {"targets": ("*",), "layers": {"core": {"size": 1}}},
        {"targets": ("*",), "growth": {"fraction": float("inf")}},
        {"targets": ("*",), "growth": {"fraction": -0.1}},
    ],
)
def test_a_table_that_limits_nothing_or_says_what_nobody_knows_is_refused(wrong):
    with pytest.raises(ValidationError):
        BundleBudget.model_validate(wrong)
