from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.gathering.page import with_page
from tests.gathering.programs import read_programs

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "benchmarks"
PROGRAMS = read_programs(FOLDER)


def test_every_benchmark_is_in_the_list_and_the_list_has_nothing_else():
    assert sorted(program.name for program in PROGRAMS) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_benchmark_has_the_options_that_the_list_gives_it_and_takes_its_work_folder(program):
    text = (FOLDER / f"{program.name}.py").read_text(encoding="utf-8")
    given = [*program.arguments, *(program.quick or ())]
    options = {argument.replace("--no-", "--") for argument in given if argument.startswith("--")}
    missing = {option for option in (*options, "--work") if f'add_argument("{option}"' not in text}
    assert not missing


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_benchmark_is_on_the_page(program):
    assert f"`{program.name}.py`" in (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def test_the_page_has_its_generated_part():
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert "x" in with_page(text, "x")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_benchmark_says_what_it_measures_first(program):
    assert ast.get_docstring(ast.parse((FOLDER / f"{program.name}.py").read_text(encoding="utf-8")))
