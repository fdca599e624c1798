"""``targets``, ``plan``, ``build --dry-run``, ``check``, ``doctor`` and ``schema`` over the project's own recipes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipeline.catalog.miniforge import MINIFORGE, miniforge_text
from pipeline.model.counts import SHOWN
from pipeline.names import miniforge_file
from tests.simulators import miniforge

CPU = "llama.cpp/linux-x86_64-cpu"
AVX2 = "llama.cpp/linux-x86_64-avx2"
CUDA = "llama.cpp/windows-x86_64-cuda-12.4"


@pytest.fixture
def recipes(recipes_dir, tmp_path) -> Path:
    """Return a copy of the project's recipes that a test may spoil."""
    return Path(shutil.copytree(recipes_dir, tmp_path / "recipes"))


def test_targets_say_where_they_come_from_and_whether_this_machine_can(user):
    rows = {row["target"]: row for row in user.json("targets")["targets"]}
    assert {name: row["sources"] for name, row in rows.items() if name in {CPU, AVX2, CUDA}} == {
        AVX2: ["build"],
        CPU: ["fetch", "build"],
        CUDA: ["fetch"],
    }
    assert rows[AVX2]["makeable_here"] is rows[CUDA]["makeable_here"] is True
    assert {"b11401", "b10892"} <= set(rows[CPU]["releases"])
    assert (rows[CPU]["default_release"], rows[CUDA]["default_release"]) == ("b11434", "b10892")


def test_a_target_that_cannot_be_made_here_says_why(user, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    out = user.ok("targets")
    assert "no " in out
    assert "compiler" in out


def test_a_target_whose_recipe_cannot_be_followed_says_why_and_does_not_end_the_list(user, monkeypatch):
    monkeypatch.setenv("CC", '"')
    rows = {row["target"]: row for row in user.json("targets")["targets"]}
    assert rows[AVX2]["makeable_here"] is False
    assert "CC=" in rows[AVX2]["why_not"]
    assert rows[CPU]["makeable_here"] is False, "its default release is built"
    assert rows[CUDA]["makeable_here"] is True


def test_a_plan_on_an_empty_cache_says_what_is_downloaded_and_built(user):
    out = user.ok("plan", "--target", "linux-x86_64-cpu")
    assert "source llama.cpp b11434" in out
    assert "download 37.4 MB" in out
    assert "8 steps: 0 reused, 8 to do, 275.6 MB to download" in out


def test_a_plan_with_the_network_forbidden_names_what_is_not_here(user):
    user.ok("plan", "--target", "linux-x86_64-cpu", "--offline")
    assert "up to 275.6 MB would be downloaded by 'source llama.cpp b11434' (37.4 MB)" in user.err
    assert "exit code 12" in user.err
    assert "--from-mirror" in user.err
    user.ok("plan", "--target", "linux-x86_64-cpu")
    assert "offline" not in user.err


def test_a_plan_as_json_has_whole_keys_and_reasons(user):
    document = user.json("plan", "--target", "linux-x86_64-cpu,linux-x86_64-avx2")
    assert document["targets"] == ["llama.cpp/linux-x86_64-avx2", CPU]
    assert all(len(step["key"]) == 64 and step["why"] for step in document["steps"])
    core = next(
        step for step in document["steps"] if step["name"].startswith("compile") and step["name"].endswith("core")
    )
    assert core["targets"] == document["targets"], "both targets share one core"


def test_the_json_format_is_one_line_for_a_shell(user):
    out = user.ok("plan", "--target", "linux-x86_64-cpu", "--format", "json")
    assert len(out.splitlines()) == 1
    assert json.loads(out)["download_bytes"] > 37_000_000


def test_the_matrix_of_ci_needs_no_tools_and_has_one_job_a_platform(user, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    out = user.ok("plan", "--target", "linux-*", "--format", "github-matrix")
    jobs = {job["platform"]: set(job["targets"].split(",")) for job in json.loads(out)["include"]}
    assert set(jobs) == {"linux-x86_64", "linux-arm64"}
    assert {CPU, AVX2} <= jobs["linux-x86_64"]
    fetching = user.ok("plan", "-t", "windows-*", "--source", "fetch", "--format", "github-matrix")
    assert {job["source"] for job in json.loads(fetching)["include"]} == {"fetch"}


def test_a_dry_build_is_a_plan(user):
    assert user.ok("build", "-t", "linux-x86_64-cpu", "--dry-run") == user.ok("plan", "-t", "linux-x86_64-cpu")
    assert not Path("dist").exists()


def test_a_name_of_a_release_that_no_manifest_can_hold_is_refused_at_once(user):
    assert user.run("build", "-t", "linux-x86_64-cpu", "--as-release", "my release!", "--dry-run") == 2
    assert "my release!" in user.err


@pytest.mark.parametrize("command", ["plan", "build"])
def test_an_unknown_target_exits_2_and_names_near_ones(user, command):
    assert user.run(command, "--target", "linux-x86_64-avx") == 2
    assert "linux-x86_64-avx2" in user.err


@pytest.mark.parametrize("command", ["plan", "build"])
def test_without_a_target_they_say_what_is_missing(user, command):
    assert user.run(command) == 2
    assert "--target" in user.err


def test_an_unknown_release_exits_2_and_names_the_pinned_ones(user):
    assert user.run("plan", "-t", "linux-x86_64-cpu", "--release", "b1") == 2
    assert "b11401, b11434" in user.err


def test_the_release_may_come_from_the_project_file(user):
    Path("pipeline.toml").write_text('release = "b11401"\n')
    assert "source llama.cpp b11401" in user.ok("plan", "-t", "linux-x86_64-cpu")
    assert "source llama.cpp b11434" in user.ok("plan", "-t", "linux-x86_64-cpu", "--release", "b11434")


def test_the_matrix_leaves_a_release_of_the_project_file_to_the_job_since_environments_have_their_own(user):
    Path("pipeline.toml").write_text('release = "b11401"\n')
    options = ("plan", "-t", "linux-*", "--format", "github-matrix")
    assert {job["release"] for job in json.loads(user.ok(*options))["include"]} == {""}
    named = json.loads(user.ok(*options, "--release", "b10892"))["include"]
    assert {job["release"] for job in named} == {"b10892"}
    assert not any("mlx" in job["targets"] for job in named)


def test_only_fetching_what_can_only_be_built_exits_3(user):
    assert user.run("plan", "-t", "linux-x86_64-avx2", "--source", "fetch") == 3


def test_a_plan_for_another_platform_needs_no_compiler_and_says_what_it_will_not_prove(user, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    out = user.ok("plan", "-t", "windows-x86_64-cuda-12.4")
    assert "fetch b10892 cudart-llama-bin-win-cuda-12.4-x64.zip" in out
    assert "645.5 MB to download" in out
    assert "cannot be run on" in out


def test_without_a_compiler_the_release_that_can_be_fetched_is_named(user, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    assert user.run("build", "-t", "linux-x86_64-cpu") == 5
    assert "--release b10892" in user.err


def test_a_cmake_option_changes_the_keys_of_what_is_compiled_and_of_nothing_before(user):
    def keys(*more: str) -> dict[str, str]:
        document = user.json("plan", "-t", "linux-x86_64-cpu", *more)
        return {step["name"]: step["key"] for step in document["steps"]}

    plain, other = keys(), keys("--cmake-option", "-DGGML_LTO=ON")
    assert {name.split()[0] for name in plain if plain[name] == other[name]} == {"source", "model"}


@pytest.mark.parametrize("option", ["GGML_LTO", "=ON"])
def test_a_cmake_option_without_name_or_value_exits_2(user, option):
    assert user.run("plan", "-t", "linux-x86_64-cpu", "--cmake-option", option) == 2


def test_locked_refuses_options_beside_the_recipe(user):
    assert user.run("--locked", "plan", "-t", "linux-x86_64-cpu", "--cmake-option", "GGML_LTO=ON") == 2
    assert "GGML_LTO" in user.err
    user.ok("--locked", "plan", "-t", "linux-x86_64-cpu")


def test_locked_refuses_a_source_that_is_a_folder(user, recipes, monkeypatch):
    monkeypatch.setenv("ENGINE_PIPELINE_RECIPES", str(recipes))
    path = recipes / "engines" / "llama.cpp.toml"
    head, _, rest = path.read_text().partition("[releases.source]")
    _, _, after = rest.partition("[[releases]]")
    path.write_text(f'{head}[releases.source]\nkind = "local_tree"\npath = "{recipes}"\n\n[[releases]]{after}')
    user.ok("plan", "-t", "linux-x86_64-cpu")
    assert user.run("plan", "-t", "linux-x86_64-cpu", "--locked") == 2
    assert "no digest pins" in user.err


def test_check_names_every_mistake_with_file_and_dotted_key(user, recipes):
    engine = recipes / "engines" / "llama.cpp.toml"
    engine.write_text(engine.read_text().replace("default_release", "defaultrelease"))
    accelerator = recipes / "accelerators" / "cpu.toml"
    accelerator.write_text(accelerator.read_text().replace('kind = "cpu"', 'kind = "gpu"'))
    assert user.run("check", "--recipes", recipes) == 2
    assert f"{engine}: defaultrelease: unknown key; did you mean 'default_release'?" in user.err
    assert f"{accelerator}: kind:" in user.err


def test_check_of_the_projects_own_recipes_is_content(user):
    assert "is right: " in user.ok("check")


def test_doctor_lists_tools_places_and_what_to_do(user):
    findings = {finding["what"]: finding for finding in user.json("doctor")["findings"]}
    assert findings["cxx"]["state"] == "ok"
    assert findings["cmake"]["found"].split()[-1].startswith("/")
    assert "free space" in findings
    assert findings["loopback"]["state"] == "ok"
    assert "what to do" in user.ok("doctor")


def test_doctor_ends_well_without_a_compiler_unless_it_is_strict(user, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    assert "apt install g++" in user.ok("doctor")
    assert user.run("doctor", "--strict") == 5
    assert user.err.startswith("error: a build needs cc, cxx")
    assert user.run("doctor", "--strict", "--json") == 5
    assert json.loads(user.out)["ok"] is False


@pytest.mark.parametrize("name", ["manifest", "bundle-card", "plan", "project", "engine-recipe", "model-recipe"])
def test_a_schema_is_a_json_schema_of_a_closed_object(user, name):
    schema = json.loads(user.ok("schema", name))
    assert schema["additionalProperties"] is False


def test_the_kept_schema_can_be_compared_and_written(user, monkeypatch, tmp_path):
    monkeypatch.setattr("pipeline.cli.commands.schema.manifests_dir", lambda: tmp_path / "manifests")
    assert user.run("schema", "--check") == 2
    user.ok("schema", "--write")
    user.ok("schema", "--check")
    next((tmp_path / "manifests" / "schema").iterdir()).write_text("{}")
    assert user.run("schema", "--check") == 2


BUILT_CUDA = "llama.cpp/linux-x86_64-cuda-13.0"
VULKAN = "llama.cpp/linux-x86_64-vulkan"
MLX = "mlx-lm/macos-arm64-mlx"
OPENAI = "mlx-openai-server/macos-arm64-mlx-openai"


@pytest.fixture
def environments(recipes, recipes_dir) -> Path:
    """Return a copy of the project's environments beside the recipes that the user's commands read."""
    return Path(shutil.copytree(recipes_dir.parent / "envs", recipes.parent / "envs"))


@pytest.fixture
def spoilt(user, recipes, environments, monkeypatch) -> Path:
    """Let the user's commands read recipes and environments that the test may spoil; return the latter's folder."""
    monkeypatch.setenv("ENGINE_PIPELINE_RECIPES", str(recipes))
    return environments


def test_targets_list_environments_and_what_cannot_be_made_with_the_reason(user):
    rows = {row["target"]: row for row in user.json("targets")["targets"]}
    assert (rows[MLX]["sources"], rows[MLX]["makeable_here"]) == (["env"], True)
    assert rows[MLX]["releases"] == [rows[MLX]["default_release"]] == ["0.32.2"]
    assert rows[OPENAI]["makeable_here"] is False
    assert "--wheels-only" in rows[OPENAI]["why_not"]
    unsupported = rows["mlx-llm-server/macos-arm64-mlx"]
    assert (unsupported["sources"], unsupported["makeable_here"]) == ([], False)
    assert "mlx 0.7.0" in unsupported["why_not"]


def test_the_table_of_targets_says_why_not_in_one_sentence(user):
    full = {row["target"]: row["why_not"] for row in user.json("targets")["targets"]}
    said = {line.split()[0]: line for line in user.ok("targets").splitlines() if line}
    assert len(full[OPENAI]) > 400
    assert said[OPENAI].endswith(" envs/mlx-openai locks no conda packages; `plan` says more")
    assert all(len(line) < 230 for line in said.values())
    assert user.run("plan", "--target", OPENAI) == 3
    assert "--wheels-only" in user.err


def test_an_environment_is_planned_with_what_it_downloads(user):
    plan = user.json("plan", "--target", "macos-arm64-mlx")
    assert plan["decisions"][0]["origin"] == "assembled"
    fetched = [step for step in plan["steps"] if step["action"]["kind"] == "fetch_packages"]
    assert [step["action"]["what"] for step in fetched] == ["conda packages", "wheels"]
    assert plan["download_bytes"] == sum(step["download_bytes"] for step in fetched) > 80_000_000
    wheels_only = user.json("plan", "--target", "macos-arm64-mlx", "--wheels-only")
    assert wheels_only["download_bytes"] == fetched[1]["download_bytes"]


def test_what_cannot_be_made_ends_with_3_and_the_reason(user):
    assert user.run("build", "--target", "mlx-llm-server/macos-arm64-mlx", "--dry-run") == 3
    assert "mlx 0.7.0" in user.err
    assert "take mlx-lm instead" in user.err


def test_wheels_only_of_something_else_is_a_usage_error(user):
    assert user.run("plan", "--target", "linux-x86_64-cpu", "--wheels-only") == 2
    assert "is no Python environment" in user.err


def test_another_release_than_the_locked_one_is_a_usage_error(user):
    assert user.run("plan", "--target", MLX, "--release", "0.31.0") == 2
    assert "is locked at 0.32.2" in user.err


def test_locked_packages_satisfy_locked(user):
    assert user.json("plan", "--target", MLX, "--locked")["decisions"][0]["version"] == "0.32.2"


def test_the_matrix_has_macos_for_its_environments_and_keeps_wheels_only(user):
    matrix = user.json("plan", "--target", f"{MLX},{OPENAI}", "--wheels-only", "--format", "github-matrix")
    assert matrix["include"] == [
        {
            "platform": "macos-arm64",
            "runner": "macos-15",
            "targets": f"{MLX},{OPENAI}",
            "release": "",
            "source": "auto",
            "wheels_only": True,
        }
    ]


def test_the_matrix_keeps_with_miniforge(user, spoilt):
    assert user.run("plan", "--target", MLX, "--with-miniforge", "--format", "github-matrix") == 3
    installer = miniforge.pinned(b"forge", miniforge_file(miniforge.VERSION, "macos-arm64"))
    (spoilt / "mlx" / MINIFORGE).write_text(miniforge_text("mlx", {"macos-arm64": installer}))
    matrix = user.json("plan", "--target", MLX, "--with-miniforge", "--format", "github-matrix")
    assert [(entry["with_miniforge"], "wheels_only" in entry) for entry in matrix["include"]] == [(True, False)]


def test_miniforge_of_a_release_that_nobody_has_pinned_ends_with_3_and_the_command(user):
    assert user.run("build", "--target", MLX, "--with-miniforge", "--dry-run") == 3
    assert "`lock --env mlx --miniforge VERSION` pins one" in user.err


def test_a_mirror_that_is_no_folder_is_a_usage_error(user):
    assert user.run("build", "--target", MLX, "--from-mirror", "nowhere", "--dry-run") == 2
    assert "--from-mirror nowhere: there is no such folder" in user.err


def test_check_reads_environments(user):
    found = user.json("check")
    assert found["environments"] == ["llama-cpp-python", "mlx", "mlx-openai"]
    assert {"llama.cpp", "mlx-lm", "mlx-openai-server"} <= set(found["engines"])
    assert found["unsupported"] == ["mlx-llm-server"]


def test_check_names_every_mistake_in_environments(user, spoilt):
    lock = spoilt / "mlx" / "conda-lock.yml"
    lock.write_text(lock.read_text().replace("sha256: ", "sha256sum: "))
    (spoilt / "mlx-openai" / "pylock.macos-arm64.toml").unlink()
    assert user.run("check") == 2
    assert "mlx/conda-lock.yml: package python for osx-arm64: hash.sha256: is missing" in user.err
    assert "mlx/conda-lock.yml: package python for linux-64: hash.sha256: is missing" in user.err
    assert "mlx-openai/pylock.macos-arm64.toml: cannot be read" in user.err


def test_a_wrong_lock_does_not_keep_others_from_being_listed_or_planned(user, spoilt):
    (spoilt / "mlx" / "conda-lock.yml").write_text("version: 9")
    rows = {row["target"]: row for row in user.json("targets")["targets"]}
    assert "version: is 9" in rows[MLX]["why_not"]
    assert user.json("plan", "--target", "linux-x86_64-cpu")["decisions"][0]["origin"] == "built"
    assert user.run("plan", "--target", MLX) == 2


@pytest.mark.parametrize("asked", [("plan",), ("build", "--dry-run")])
def test_what_only_a_glob_took_and_cannot_be_made_is_left_out_with_a_warning(user, asked):
    plan = user.json(*asked, "--target", "macos-*")
    assert MLX in plan["targets"]
    assert OPENAI not in plan["targets"]
    assert f"warning: left out of 'macos-*': {OPENAI}: envs/mlx-openai locks no conda packages" in user.err
    assert "--wheels-only makes a bundle" in user.err


@pytest.mark.parametrize(
    ("target", "asked", "said"),
    [
        ("linux-x86_64-cpu", "sm_90", "nothing of llama.cpp/linux-x86_64-cpu is compiled for GPUs by name"),
        (BUILT_CUDA, "", "--architectures names none"),
        (BUILT_CUDA, " , ", "--architectures names none"),
        (BUILT_CUDA, "sm_50", "'sm_50' is no architecture of cuda"),
    ],
)
def test_architectures_that_would_be_dropped_or_widened_are_refused(user, target, asked, said):
    assert user.run("plan", "--target", target, "--source", "build", "--architectures", asked) == 2
    assert said in user.err


def test_a_glob_leaves_out_what_no_toolkit_compiles_here(user, monkeypatch, tmp_path):
    monkeypatch.setenv("VULKAN_SDK", str(tmp_path))
    plan = user.json("plan", "--target", "linux-x86_64-*", "--source", "build")
    assert {CPU, BUILT_CUDA} <= set(plan["targets"])
    assert VULKAN not in plan["targets"]
    assert f"left out of 'linux-x86_64-*': {VULKAN}: VULKAN_SDK names {tmp_path}, which has no bin/glslc" in user.err
    assert user.run("plan", "--target", VULKAN, "--source", "build") == 5


def test_a_target_that_is_also_named_is_refused_and_not_left_out(user):
    assert user.run("plan", "--target", "macos-*", "--target", "macos-arm64-mlx-openai") == 3
    assert f"left out of 'macos-*': {OPENAI}" not in user.err
    assert f"error: {OPENAI}" in user.err


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (("--source", "fetch"), {AVX2, "mlx-lm/linux-x86_64-mlx"}),
        (("--cmake-option", "GGML_LTO=ON"), {"mlx-lm/linux-x86_64-mlx", "llama.cpp/linux-arm64-cpu"}),
    ],
)
def test_a_glob_takes_what_the_options_can_make(user, options, left_out):
    plan = user.json("plan", "--target", "linux-*", *options)
    assert CPU in plan["targets"]
    assert not left_out & set(plan["targets"])
    assert all(f"left out of 'linux-*': {target}" in user.err for target in left_out)


def test_a_glob_of_which_nothing_is_left_is_an_error_that_says_why_and_what_would_help(user):
    assert user.run("plan", "--target", "linux-*", "--target", "*openai*") == 3
    assert "nothing that '*openai*' takes can be made as it was asked for" in user.err
    assert "conda-forge's records of Python 3.12" in user.err
    assert "next:  --wheels-only makes a bundle" in user.err


def test_a_glob_of_environments_without_a_pinned_miniforge_says_how_to_pin_one(user, spoilt):
    assert user.run("plan", "--target", "*mlx*", "--with-miniforge") == 3
    assert "cannot be bundled with Miniforge" in user.err
    assert "lock --env mlx --miniforge VERSION" in user.err


def test_a_glob_for_which_the_options_make_no_sense_is_a_usage_error_that_says_each_reason_once(user):
    assert user.run("plan", "--target", "*mlx*", "--wheels-only", "--with-miniforge") == 2
    assert user.err.count("exclude each other") == 1
    assert "mlx-lm/linux-x86_64-mlx, mlx-lm/macos-arm64-mlx, mlx-openai-server/macos-arm64-mlx-openai: " in user.err
    assert user.run("plan", "--target", "llama.cpp/*", "--wheels-only") == 2


def test_what_is_left_out_for_one_reason_is_one_warning_with_a_few_names_and_a_count(user):
    user.ok("plan", "--target", "*", "--wheels-only")
    (line,) = (line for line in user.err.splitlines() if "is no Python environment" in line)
    assert line.startswith("warning: left out of '*': llama.cpp/linux-arm64-cpu, ")
    assert line.count("llama.cpp/") == SHOWN
    assert " more: each is no Python environment; --wheels-only is for environments alone" in line


def test_two_globs_say_what_they_leave_out_once(user):
    user.ok("plan", "--target", "macos-*", "--target", "*mlx*")
    assert user.err.count(OPENAI) == 1


def test_what_cannot_be_made_at_all_is_said_where_a_glob_takes_it(user):
    plan = user.json("plan", "--target", "macos-*")
    assert MLX in plan["targets"]
    assert "left out of 'macos-*': mlx-llm-server/macos-arm64-mlx cannot be made: " in user.err
    assert "; take mlx-lm instead" in user.err
    user.ok("plan", "--target", MLX)
    assert "mlx-llm-server" not in user.err


def test_the_matrix_leaves_out_what_no_runner_can_make_and_refuses_it_where_it_is_named(user):
    out = user.ok("plan", "--target", "macos-*", "--format", "github-matrix")
    targets = ",".join(job["targets"] for job in json.loads(out)["include"])
    assert MLX in targets
    assert OPENAI not in targets
    assert f"left out of 'macos-*': {OPENAI}" in user.err
    assert user.run("plan", "--target", OPENAI, "--format", "github-matrix") == 3
    built = user.ok("plan", "--target", "*", "--source", "build", "--format", "github-matrix")
    jobs = {job["platform"]: job for job in json.loads(built)["include"]}
    platforms = ["linux-arm64", "linux-x86_64", "macos-arm64"]
    assert sorted(jobs) == platforms, "what a toolchain builds on its own platform is there too"
    assert jobs["macos-arm64"]["targets"] == "llama.cpp/macos-arm64-cpu,llama.cpp/macos-arm64-metal"
    job = jobs["linux-x86_64"]
    assert {AVX2, CPU, BUILT_CUDA, VULKAN} <= set(job["targets"].split(",")), (
        "its runner may have what this machine lacks"
    )


@pytest.mark.parametrize("name", ["mlx-lm", "mlx"])
def test_an_engine_or_an_accelerator_alone_is_answered_with_its_targets(user, name):
    assert user.run("build", "--target", name) == 2
    assert {"mlx-lm/linux-x86_64-mlx", MLX} <= set(user.err.replace(",", " ").split())


def test_platforms_are_understood_by_the_names_of_others_and_answered_with_ours(user):
    assert user.run("lock", "--env", "mlx", "--platform", "osx-arm64", "--dry-run") == 2
    assert "did you mean macos-arm64?" in user.err
    assert user.run("plan", "--target", "osx-arm64-mlx") == 2
    assert f"did you mean {MLX}?" in user.err
