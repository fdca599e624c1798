"""The workflows as text: fresh, linted, pinned, and calling nothing that this program does not have."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from pipeline.app.project import manifests_dir
from pipeline.catalog import load_workflows
from pipeline.cli.main import pipeline as command_line
from pipeline.cli.main import run
from pipeline.model.workflows import AptRepository
from pipeline.workflows import Job, choose_runners, crossed_for_macs, render_workflows

ROOT = Path(__file__).parents[2]
GITHUB = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
GITLAB = ROOT / ".gitlab-ci.yml"
TOOLS = Path(sys.executable).parent
NOT_JOBS = {"stages", "workflow", "variables", "default"}
JOBS = [
    pytest.param(path, name, id=f"{path.stem}-{name}")
    for path in GITHUB
    for name in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
]


@pytest.fixture(scope="module")
def everything(tmp_path_factory, catalog, recipes_dir) -> Path:
    """Return a checkout with workflows that use all that templates have: a vendor's repository, a build, a fetch."""
    folder = tmp_path_factory.mktemp("everything")
    recipes = load_workflows(recipes_dir, catalog)
    repositories = [
        part.apt_repository
        for kind in recipes.packages.kinds.values()
        for setup in kind.values()
        for part in (setup, *setup.toolkits)
        if part.apt_repository
    ]
    assert {repository.suite == "/" for repository in repositories} == {True, False}
    for provider in ("github", "gitlab"):
        runners = choose_runners(provider, recipes, {})
        for file in render_workflows(
            provider,
            [job("fetched", "fetch"), *(job(one.name, "build", one) for one in repositories)],
            recipes=recipes,
            runners=runners,
            templates_dir=manifests_dir() / "templates" / "ci",
            fetched=[job("fetched", "fetch")],
            crossed=crossed_for_macs(catalog.targets(), catalog, host=runners.gathering_platform),
        ):
            assert file.content is not None
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
    (folder / ".git").mkdir()  # what actionlint looks for
    return folder


def job(what: str, source: str, repository: AptRepository | None = None) -> Job:
    return Job(
        name=f"llama.cpp-linux-x86_64-{what}",
        engine="llama.cpp",
        platform="linux-x86_64",
        runner="linux-x86_64",
        system="linux",
        targets=("llama.cpp/linux-x86_64-cpu",),
        source=source,
        apt=("g++", "libexample-dev"),
        apt_repository=repository,
        prove="run" if source == "build" else None,
    )


def scripts() -> list[str]:
    """Return every script of the project's own workflows."""
    found = []
    for path in GITHUB:
        jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()
        found += [step["run"] for one in jobs for step in one["steps"] if "run" in step]
    for name, one in yaml.safe_load(GITLAB.read_text(encoding="utf-8")).items():
        if name not in NOT_JOBS and isinstance(one, dict):
            found += [line for key in ("before_script", "script") for line in one.get(key, ())]
    return found


def commands() -> list[list[str]]:
    """Return the arguments of every call of this program, with a word for each variable."""
    text = "\n".join(scripts()).replace("\\\n", " ")
    calls = re.findall(r"^\s*python3? -m pipeline ([^|<>;&\n]*)", text, flags=re.MULTILINE)
    calls = [re.sub(r" \d$", "", call.strip()) for call in calls]  # of a redirection: 3<<<
    calls = [re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1", call) for call in calls]  # what is added where a variable is set
    values = {"SOURCE": "fetch", "PROVE": "run"}
    return [
        shlex.split(re.sub(r"\$\{?(\w+)\}?", lambda variable: values.get(variable[1], "word"), call)) for call in calls
    ]


def lint(tool: str, *arguments: object, cwd: Path) -> None:
    done = subprocess.run(
        [TOOLS / tool, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_workflows_are_what_would_be_generated_now(capsys, monkeypatch):
    monkeypatch.delenv("ENGINE_PIPELINE_RECIPES", raising=False)
    code = run(["generate", "ci", "--check"])
    assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize("checkout", ["own", "everything"])
def test_actionlint_finds_nothing(checkout, everything):
    lint("actionlint", "-no-color", cwd=ROOT if checkout == "own" else everything)


@pytest.mark.parametrize("checkout", ["own", "everything"])
def test_zizmor_finds_nothing(checkout, everything):
    folder = ROOT if checkout == "own" else everything
    lint("zizmor", "--offline", "--no-progress", "--quiet", folder / ".github" / "workflows", cwd=folder)


@pytest.mark.parametrize("checkout", ["own", "everything"])
def test_the_schemas_of_github_and_gitlab_are_kept(checkout, everything):
    folder = ROOT if checkout == "own" else everything
    lint("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", folder / ".gitlab-ci.yml", cwd=folder)
    files = sorted((folder / ".github" / "workflows").glob("*.yml"))
    lint("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files, cwd=folder)


def test_there_are_calls_of_this_program_to_look_at():
    called = {arguments[0] for arguments in commands()}
    assert called >= {"build", "check", "merge", "publish", "refresh", "report", "upstream", "verify"}


def test_every_call_of_this_program_is_one_that_it_understands():
    for arguments in commands():
        command: click.Command = command_line
        context = click.Context(command)
        rest = arguments
        while isinstance(command, click.Group):
            _, command, rest = command.resolve_command(context, rest)
            assert command is not None, arguments
        command.make_context(command.name, rest)


def test_every_file_of_the_project_that_a_step_names_is_there():
    named = {name for script in scripts() for name in re.findall(r"(?<![\w./-])(?:ci|manifests)/[\w./-]+", script)}
    named -= {"ci/check"}  # in the text of a pull request
    assert {"ci/update_pins", "ci/requirements/runtime.txt", "manifests/templates/ci/release-notes.md"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_a_commit_with_its_version_beside_it(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\s*(?:- )?uses:", line)]
    assert lines
    assert [line for line in lines if not re.search(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d", line)] == []


@pytest.mark.parametrize(("path", "name"), JOBS)
def test_a_job_may_do_what_it_needs_and_no_more(path, name):
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    one = document["jobs"][name]
    assert document["permissions"] == {}
    writes = {right for right, how in one["permissions"].items() if how == "write"}
    allowed = {
        ("release", "publish"): {"attestations", "contents", "id-token"},
        ("nightly", "refresh"): {"contents"},
        ("upstream", "propose"): {"contents", "pull-requests"},
    }
    assert writes == allowed.get((path.stem, name), set())
    assert 0 < one["timeout-minutes"] < 360
    checkouts = [step for step in one["steps"] if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]


@pytest.mark.parametrize(("path", "name"), JOBS)
def test_nothing_is_pasted_into_a_script_and_secrets_stand_only_where_they_are_needed(path, name):
    one = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"][name]
    assert [step["name"] for step in one["steps"] if "${{" in step.get("run", "")] == []
    assert "secrets" not in str(one.get("env", ""))
    keys = [step["name"] for step in one["steps"] if "ENGINE_PIPELINE_KEYS" in str(step)]
    assert keys == [] or one["environment"] in {"release", "refresh"}


def test_the_caches_secrets_are_in_jobs_that_compile_alone():
    """What is fetched was compiled by somebody else, and its proof runs it."""
    document = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    build = next(step for step in document["jobs"]["build"]["steps"] if step["name"] == "Build and prove")
    secrets = {name: value for name, value in build["env"].items() if "secrets." in value}
    assert len(secrets) == 3
    for name, value in secrets.items():
        assert value == f"${{{{ matrix.source == 'build' && secrets.{name} || '' }}}}"
    others = [step for step in document["jobs"]["build"]["steps"] if step is not build]
    assert "secrets." not in str(others)


def test_a_device_that_computes_on_the_processor_is_asked_for_by_both_providers():
    document = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    build = document["jobs"]["build"]
    entries = {entry["job"]: entry for entry in build["strategy"]["matrix"]["include"]}
    gitlab = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    asked = {name: entry["prove"] for name, entry in entries.items() if entry["prove"]}
    assert asked == {"llama.cpp-linux-x86_64-vulkan": "run"}
    assert {name: prove for name in entries if (prove := gitlab[name]["variables"].get("PROVE"))} == asked
    for script in (str(build["steps"]), str(gitlab[".build"]["script"])):
        assert '${PROVE:+--prove "$PROVE"}' in script


@pytest.mark.parametrize(("path", "name"), JOBS)
def test_a_job_that_plans_or_builds_has_the_project_file(path, name):
    steps = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"][name]["steps"]
    names = [step["name"] for step in steps]
    for number, step in enumerate(steps):
        if re.search(r"-m pipeline (?:plan|build) ", step.get("run", "")):
            assert "Project file" in names[:number], "settings of it decide what is planned"


def test_gitlabs_secrets_have_a_scope_that_no_job_with_unreviewed_programs_is_in():
    """GitLab shows a variable to every job unless it has the scope of an environment: docs/ci.md demands these."""
    document = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    jobs = {name: one for name, one in document.items() if name not in NOT_JOBS and isinstance(one, dict)}
    needs = {"ENGINE_PIPELINE_KEYS": {"publish", "refresh"}, "ENGINE_PIPELINE_GITLAB_TOKEN": {"propose"}}
    keys = document[".keys"]
    for variable, names in needs.items():
        found = {
            name
            for name, one in jobs.items()
            if variable in str(one) or (variable in keys and keys in one.get("script", ()))
        }
        assert found == names
    environments = {name: one["environment"] for name, one in jobs.items() if "environment" in one}
    assert {name: environments.pop(name) for name in ("publish", "refresh", "propose")} == {
        "publish": "release",
        "refresh": "refresh",
        "propose": "pins",
    }
    compiling = {name for name, one in jobs.items() if one.get("variables", {}).get("SOURCE") == "build"}
    assert environments == {name: {"name": "build", "action": "access"} for name in compiling}
    # A variable with a scope belongs to the job that runs; nothing promises it where rules are read.
    assert "ENGINE_PIPELINE" not in str([one.get("rules") for one in jobs.values()])
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert "environment scope" in text
    for scope in ("release", "refresh", "pins", "build"):
        assert re.search(rf"^\| `ENGINE_PIPELINE[^|]*\|[^|]*`{scope}`", text, flags=re.MULTILINE), scope


def test_a_job_that_builds_never_holds_a_right_to_write():
    builds = [
        (path.stem, name)
        for path in GITHUB
        for name, one in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items()
        if any("pipeline build" in step.get("run", "") for step in one["steps"])
    ]
    assert builds == [("nightly", "cross-1"), ("release", "build"), ("upstream", "prove")]
