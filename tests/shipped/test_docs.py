from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pipeline
from pipeline.cli.registry import COMMANDS
from pipeline.errors import EXIT_BUG, EXIT_INTERRUPTED, PipelineError
from pipeline.model.project import ProjectDefaults
from pipeline.names import PLATFORMS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "errors"
CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")


def error_classes() -> list[type[PipelineError]]:
    for module in pkgutil.walk_packages(pipeline.__path__, "pipeline."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, queue = [], [PipelineError]
    while queue:
        found.append(queue.pop())
        queue += found[-1].__subclasses__()
    return [error for error in found if error.__module__.startswith("pipeline.")]


def test_every_error_class_has_a_page_that_names_its_exit_code():
    classes = error_classes()
    assert len(classes) > 13
    for error in classes:
        text = (PAGES / f"{error.page}.md").read_text(encoding="utf-8")
        assert f"Exit code **{error.exit_code}**" in text, error.__name__


def test_every_page_is_about_an_error_class_a_bug_or_an_interruption():
    pages = {path.stem for path in PAGES.glob("*.md")}
    assert pages == {error.page for error in error_classes()} | {"bug", "interrupted"}


def test_a_page_starts_with_its_own_name_and_says_what_to_do():
    for path in PAGES.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.stem}: "), path
        assert "## What to do" in text or path.stem == "interrupted", path


def test_the_contract_lists_every_exit_code_with_its_page():
    rows = dict(re.findall(r"^\| (\d+) \| .*\(errors/([a-z-]+)\.md\)", CONTRACT, flags=re.MULTILINE))
    expected = {str(error.exit_code): error.page for error in error_classes() if error.__module__ == "pipeline.errors"}
    assert rows == {**expected, str(EXIT_BUG): "bug", str(EXIT_INTERRUPTED): "interrupted"}


def test_the_contract_describes_exactly_the_commands_there_are():
    table = CONTRACT.partition("## Commands")[2].partition("\nEverywhere: ")[0]
    cells = [line.replace("\\|", "/").split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    described = {name.split()[0] for cell in cells for name in re.findall(r"`([a-z][^`]*)`", cell)}
    assert described == set(COMMANDS)


def test_the_contract_names_every_platform():
    for platform in PLATFORMS:
        assert platform in CONTRACT


def test_the_project_file_in_the_contract_is_one():
    text = CONTRACT.partition("```toml\n")[2].partition("```")[0]
    found = ProjectDefaults.model_validate(tomllib.loads(text), strict=False)
    assert set(tomllib.loads(text)) == set(ProjectDefaults.model_fields)
    assert found.jobs == 8


def test_no_document_links_to_a_file_that_is_not_there():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ci").rglob("*.md")]
    missing = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:", link) and not (document.parent / link).exists()
    ]
    assert missing == []


def test_no_document_holds_a_placeholder():
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ci").rglob("*.md")]
    placeholders = [
        f"{document.relative_to(ROOT)}:{number}: {line}"
        for document in documents
        for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1)
        if re.fullmatch(r"[A-Z]+", line.strip())
    ]
    assert placeholders == []
