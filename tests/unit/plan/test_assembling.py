from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.catalog import load
from pipeline.catalog.lock_files import LockError
from pipeline.catalog.miniforge import MINIFORGE, miniforge_text
from pipeline.errors import HostError, NothingSelectedError, UsageError
from pipeline.model.actions import MakeBundle
from pipeline.model.environment import MiniforgeInstaller
from pipeline.model.environment_actions import (
    FetchPackages,
    MakeChannelLayer,
    MakeInstallerLayer,
    MakeMiniforgeLayer,
    MakeWheelLayer,
    ProveEnvironment,
)
from pipeline.model.host import Tool
from pipeline.names import UnknownNameError, miniforge_file, parse_target
from pipeline.plan import BuildRequest, look_around, make_plan
from tests.simulators import locked_environment, miniforge, tiny_engine
from tests.simulators.engine_world import FixedHost
from tests.simulators.locked_environment import CHANNEL, TinyEnvironment

MAC = parse_target("tiny-mlx/macos-arm64-mlx")
LINUX = parse_target("tiny-mlx/linux-x86_64-mlx")
CPU = parse_target("tiny-engine/linux-x86_64-cpu")


class HostWithPython(FixedHost):
    """A machine with CPython 3.14."""

    def tool(self, name, *, minimum=None):
        return Tool(name=name, path=f"/usr/bin/{name}", version="3.14.2") if name == "python3.14" else None


class Surroundings:
    """A Linux machine without a compiler; nothing may be asked of the network or of folders."""

    host = HostWithPython()
    trees = None
    downloader = None


class Project:
    """Recipes and an environment of its own; plans are made from it."""

    def __init__(self, folder: Path) -> None:
        self.recipes = tiny_engine.write_recipes(folder / "recipes", folder / "source")
        locked_environment.write_recipes(self.recipes)
        self.envs_dir = folder / "envs"
        self.tiny = TinyEnvironment()

    def plan(self, *targets, host=None, **asked):
        if not self.envs_dir.is_dir():
            self.tiny.write(self.envs_dir)
        catalog = load(self.recipes)
        request = BuildRequest(targets, **asked)
        surroundings = Surroundings()
        surroundings.host = host or surroundings.host
        return make_plan(request, catalog, look_around(request, catalog, surroundings))


@pytest.fixture
def project(tmp_path) -> Project:
    return Project(tmp_path)


def actions(plan, kind):
    return [step.action for step in plan.steps if isinstance(step.action, kind)]


def key(plan, start: str) -> str:
    return next(step.key for step in plan.steps if step.name.startswith(start))


def test_a_mac_bundle_is_planned_on_linux_from_what_is_locked(project):
    plan = project.plan(MAC)
    assert [step.name for step in plan.steps] == [
        "fetch conda packages of tiny for macos-arm64",
        "layer base of tiny for macos-arm64",
        "fetch wheels of tiny for macos-arm64",
        "layer wheels of tiny-mlx 1.2.3 macos-arm64",
        "layer metal of tiny-mlx 1.2.3 macos-arm64",
        "layer installer of tiny-mlx 1.2.3 macos-arm64",
        "prove tiny-mlx/macos-arm64-mlx 1.2.3",
        "bundle tiny-mlx/macos-arm64-mlx 1.2.3",
    ]
    (decision,) = plan.decisions
    assert (decision.version, decision.origin, decision.proof) == ("1.2.3", "assembled", "none")
    assert decision.why == "envs/tiny locks 2 conda packages and 3 wheels"
    assert "cannot be run on linux-x86_64" in decision.proof_why


@pytest.fixture
def pinned(project) -> MiniforgeInstaller:
    """Pin Miniforge for the Mac in the project's environment."""
    installer = miniforge.pinned(b"forge", miniforge_file(miniforge.VERSION, MAC.platform))
    (project.tiny.write(project.envs_dir) / MINIFORGE).write_text(miniforge_text("tiny", {MAC.platform: installer}))
    return installer


def test_miniforge_is_the_last_layer_and_changes_nothing_but_the_bundle(project, pinned):
    plain, plan = project.plan(MAC), project.plan(MAC, with_miniforge=True)
    names = [step.name for step in plan.steps]
    assert names[-3:] == [
        "fetch Miniforge of tiny for macos-arm64",
        f"layer miniforge {miniforge.VERSION} for macos-arm64",
        "bundle tiny-mlx/macos-arm64-mlx 1.2.3 with-miniforge",
    ]
    assert {step.name: step.key for step in plain.steps[:-1]} == {step.name: step.key for step in plan.steps[:-3]}
    assert plain.steps[-1].key != plan.steps[-1].key
    (bundle,), (layer,) = actions(plan, MakeBundle), actions(plan, MakeMiniforgeLayer)
    assert bundle.layers[-1] == names[-2]
    assert (layer.role, layer.installer) == ("miniforge", pinned)


def test_miniforge_is_asked_of_its_releases_with_its_size(project, pinned):
    fetch = actions(project.plan(MAC, with_miniforge=True), FetchPackages)[-1]
    (file,) = fetch.files
    assert (file.channel, file.path) == (pinned.releases, f"{miniforge.VERSION}/{pinned.filename}")
    assert (file.sha256, file.size_bytes, file.project) == (pinned.sha256, pinned.size_bytes, None)


def test_miniforge_that_nobody_has_pinned_says_how_to_pin_it(project):
    with pytest.raises(NothingSelectedError, match=MINIFORGE) as caught:
        project.plan(MAC, with_miniforge=True)
    assert "lock --env tiny --miniforge VERSION" in caught.value.hint


def test_miniforge_that_is_pinned_for_another_platform_is_refused(project, pinned):
    with pytest.raises(LockError, match=r"installers\.linux-x86_64: is missing"):
        project.plan(LINUX, with_miniforge=True)


def test_miniforge_has_no_use_without_conda_packages_or_an_environment(project, pinned):
    with pytest.raises(UsageError, match="exclude each other"):
        project.plan(MAC, with_miniforge=True, wheels_only=True)
    with pytest.raises(UsageError, match="is no Python environment") as caught:
        project.plan(CPU, with_miniforge=True)
    assert "--with-miniforge" in caught.value.hint


def test_downloads_are_counted_as_the_locks_say(project):
    sizes = {step.name: step.download_bytes for step in project.plan(MAC).steps if step.download_bytes}
    assert sizes == {
        "fetch conda packages of tiny for macos-arm64": 20_100_000,
        "fetch wheels of tiny for macos-arm64": 3000,
    }


def test_conda_packages_are_asked_of_their_channel_and_wheels_of_an_index(project):
    conda, wheels = actions(project.plan(MAC), FetchPackages)
    assert {(file.channel, file.path, file.project) for file in conda.files} == {
        (CHANNEL, "osx-arm64/python-3.14.9-h0_1.conda", None),
        (CHANNEL, "noarch/tz-2026a-h0_1.conda", None),
    }
    assert [(file.project, file.channel) for file in wheels.files] == [
        ("tiny-array", None),
        ("tiny-metal", None),
        ("tiny-mlx", None),
    ]


def test_layers_are_base_wheels_runtime_and_installer(project):
    plan = project.plan(MAC)
    (base,), (installer,) = actions(plan, MakeChannelLayer), actions(plan, MakeInstallerLayer)
    wheels, metal = actions(plan, MakeWheelLayer)
    assert (base.subdir, [package.name for package in base.packages]) == ("osx-arm64", ["python", "tz"])
    assert (wheels.role, [wheel.project for wheel in wheels.wheels]) == ("wheels", ["tiny-array", "tiny-mlx"])
    assert (metal.layer_name, metal.role, metal.licenses) == ("metal", "runtime", {"tiny-metal": "MIT"})
    assert (metal.python, metal.platform, metal.floors.macos) == ("3.14", "macos-arm64", "14.0")
    assert (installer.base, installer.engine, installer.version) == ("conda", "tiny-mlx", "1.2.3")
    (bundle,) = actions(plan, MakeBundle)
    assert [name.split()[1] for name in bundle.layers] == ["base", "wheels", "metal", "installer"]
    assert bundle.licenses == ("LicenseRef-Public-Domain", "MIT", "Python-2.0")
    assert bundle.environment == installer.environment


def test_a_runtime_of_which_nothing_is_locked_is_no_layer(project):
    assert [layer.layer_name for layer in actions(project.plan(LINUX), MakeWheelLayer)] == ["wheels"]


def test_an_environment_of_this_platform_is_run(project):
    plan = project.plan(LINUX)
    (decision,) = plan.decisions
    (proof,) = actions(plan, ProveEnvironment)
    assert (decision.proof, decision.proof_why, proof.level, proof.insist) == ("run", "", "run", False)
    assert proof.health.expect_devices == ("^CPU: ",)
    assert proof.health.version_pattern == r"^tiny-mlx 1\.2\.3$"
    assert proof.health.model_args == ("{tree}/share/engine-pipeline/tiny_model.py", "{model}")
    assert proof.health.environment == {"HF_HUB_OFFLINE": "1"}
    assert actions(project.plan(LINUX, prove="load"), ProveEnvironment)[0].insist


def test_a_proof_of_a_mac_that_is_insisted_on_is_refused_on_linux(project):
    with pytest.raises(HostError, match="cannot be proven here"):
        project.plan(MAC, prove="run")


def test_wheels_only_has_no_conda_step_and_takes_the_hosts_python(project):
    plan = project.plan(MAC, wheels_only=True)
    assert not actions(plan, MakeChannelLayer)
    assert [action.what for action in actions(plan, FetchPackages)] == ["wheels"]
    (installer,), (proof,), (bundle,) = (
        actions(plan, kind) for kind in (MakeInstallerLayer, ProveEnvironment, MakeBundle)
    )
    assert (installer.base, installer.channel_layer, proof.base, proof.channel_layer) == ("host", None, "host", None)
    assert bundle.environment.conda == ()
    assert "--wheels-only" in plan.decisions[0].why


def test_wheels_are_fetched_and_laid_once_for_both_kinds_of_bundles(project):
    whole, wheels_only = project.plan(MAC), project.plan(MAC, wheels_only=True)
    for start in ("fetch wheels", "layer wheels", "layer metal"):
        assert key(whole, start) == key(wheels_only, start)
    for start in ("layer installer", "prove", "bundle"):
        assert key(whole, start) != key(wheels_only, start)


def test_wheels_only_is_run_only_where_the_python_of_its_wheels_is_and_the_key_says_so(project):
    there = project.plan(LINUX, wheels_only=True)
    missing = project.plan(LINUX, wheels_only=True, host=FixedHost())
    assert (there.decisions[0].proof, there.decisions[0].proof_why) == ("run", "")
    assert missing.decisions[0].proof == "none"
    assert missing.decisions[0].proof_why == "it brings no Python, and this machine has no python3.14 on its PATH"
    assert actions(missing, ProveEnvironment)[0].level == "none"
    assert key(there, "prove") != key(missing, "prove")
    assert key(there, "layer installer") == key(missing, "layer installer")


def test_a_proof_without_a_python_is_planned_where_it_is_insisted_on_and_fails_when_it_is_made(project):
    plan = project.plan(LINUX, wheels_only=True, prove="run", host=FixedHost())
    (proof,) = actions(plan, ProveEnvironment)
    assert (proof.level, proof.insist) == ("run", True)


def test_an_environment_that_brings_its_python_needs_none_of_the_machines(project):
    assert project.plan(LINUX, host=FixedHost()).decisions[0].proof == "run"


def test_wheels_only_is_refused_for_what_is_no_environment(project):
    with pytest.raises(UsageError, match="is no Python environment"):
        project.plan(CPU, wheels_only=True)


def test_an_environment_without_conda_packages_says_why_and_what_to_do(project):
    project.tiny.lock = None
    (project.tiny.write(project.envs_dir) / "conda-problem.txt").write_text("nobody has them\n")
    with pytest.raises(NothingSelectedError, match="envs/tiny locks no conda packages: nobody has them") as caught:
        project.plan(MAC)
    assert "--wheels-only" in caught.value.hint
    assert "remove envs/tiny/conda-problem.txt and run `lock --env tiny`" in caught.value.hint
    assert project.plan(MAC, wheels_only=True).decisions[0].version == "1.2.3"


def test_the_locked_release_may_be_named_and_no_other(project):
    assert project.plan(MAC, release="1.2.3").decisions[0].version == "1.2.3"
    with pytest.raises(UnknownNameError, match=r"is locked at 1\.2\.3, and 1\.2\.4 was asked for") as caught:
        project.plan(MAC, release="1.2.4")
    assert "lock --env tiny" in caught.value.hint


def test_a_projects_default_release_is_another_engines(project):
    plan = project.plan(MAC, release="t2", release_is_default=True)
    assert plan.decisions[0].version == "1.2.3"


@pytest.mark.parametrize("source", ["build", "fetch"])
def test_an_environment_is_neither_built_nor_fetched_from_upstream(project, source):
    with pytest.raises(NothingSelectedError, match=f"--source {source} has no meaning"):
        project.plan(MAC, source=source)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"web_ui": True}, "--web-ui"),
        ({"web_ui": False}, "--no-web-ui"),
        ({"cmake_options": {"A": "1"}, "insisted_options": frozenset({"A"})}, "--cmake-option A"),
        ({"model_file": Path("model.gguf")}, "--model"),
        ({"model_file": Path("model.gguf"), "web_ui": True}, "--web-ui and --model"),
    ],
)
def test_options_of_a_build_are_refused_by_their_names(project, asked, named):
    with pytest.raises(UsageError, match="assembled from locked packages") as caught:
        project.plan(LINUX, prove="load", **asked)
    assert caught.value.message.endswith(f"; nothing is changed by {named}")
    assert caught.value.hint == f"leave {named} out"


def test_a_lock_that_is_missing_is_found_before_anything_runs(project):
    (project.tiny.write(project.envs_dir) / "pylock.macos-arm64.toml").unlink()
    with pytest.raises(LockError, match=r"pylock\.macos-arm64\.toml"):
        project.plan(MAC)


def test_an_engine_that_its_own_lock_lacks_is_refused(project):
    project.tiny.pylocks["macos-arm64"].pop(0)
    with pytest.raises(LockError, match="has no tiny-mlx, whose version is that of tiny-mlx"):
        project.plan(MAC)


def test_time_stamps_do_not_follow_the_clock(project):
    kinds = MakeChannelLayer | MakeWheelLayer | MakeInstallerLayer | MakeBundle
    assert {action.epoch_seconds for action in actions(project.plan(MAC), kinds)} == {315_532_800}
    assert {action.epoch_seconds for action in actions(project.plan(MAC, epoch_seconds=7), kinds)} == {7}


def test_a_package_that_changes_changes_what_is_made_of_it_and_nothing_else(project, tmp_path):
    before = project.plan(MAC)
    other = Project(tmp_path / "other")
    other.tiny.pylocks["macos-arm64"][1]["wheels"][0]["sha256"] = "0" * 64
    after = other.plan(MAC)
    same = ("fetch conda", "layer base", "layer wheels")
    changed = ("fetch wheels", "layer metal", "layer installer", "prove", "bundle")
    assert [start for start in (*same, *changed) if key(before, start) == key(after, start)] == [*same[:2]]


def test_where_a_channel_is_does_not_change_what_was_fetched(project, tmp_path):
    before = project.plan(MAC)
    other = Project(tmp_path / "other")
    for values in (other.tiny.package("python"), other.tiny.record("python")):
        values["url"] = values["url"].replace("conda.anaconda.org", "mirror.example")
    assert key(before, "fetch conda") == key(other.plan(MAC), "fetch conda")
