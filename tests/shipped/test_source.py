"""The limits that CONTRIBUTING.md promises."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "pipeline").rglob("*.py"))
LONGEST_MODULE_LINES = 300
LONGEST_FUNCTION_LINES = 50
DRAWERS = {"util", "utils", "helper", "helpers", "common", "core", "manager", "managers", "base", "info", "misc"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 50


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_and_its_functions_stay_small(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in long.items() if lines > LONGEST_FUNCTION_LINES} == {}


def test_no_module_is_a_drawer():
    assert [relative(path) for path in MODULES if path.stem in DRAWERS] == []


def test_every_silenced_check_names_its_code_and_its_reason():
    code = r"(?:: [A-Z]+\d+(?:, [A-Z]+\d+)*|\[[a-z-]+\])"
    paths = r": PTH\d+(?:, PTH\d+)*"  # os instead of pathlib, for speed over thousands of files
    silent = []
    for path in MODULES:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            mark = re.search(r"#\s*(?:noqa|type:\s*ignore)(.*)", line)
            if mark and not re.fullmatch(rf"{code}\s+(?:- |# )\w.*|{paths}.*", mark[1]):
                silent.append(f"{relative(path)}:{number}")
    assert silent == []


def test_what_is_counted_is_called_by_its_singular_where_there_is_one_of_it():
    wrong = re.compile(r"\{len\([^{}]*\)[^{}]*\} (?!bytes|routes)(?:[a-z]+ )?[a-z]+s\b")  # see model.counts.counted
    found = [
        f"{relative(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if wrong.search(line)
    ]
    assert found == []


def test_nothing_unfinished_ships():
    pattern = re.compile(r"\b(TODO|FIXME|XXX|raise NotImplementedError)\b")
    assert [relative(path) for path in MODULES if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_no_print_outside_the_command_line():
    loud = [
        relative(path)
        for path in MODULES
        if "cli" not in path.parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert loud == []


def test_no_file_of_the_project_holds_a_path_of_somebodys_home():
    listed = subprocess.run(
        [shutil.which("git") or "git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    pattern = re.compile(r"/home/[a-z]+/|/Users/[A-Za-z]+/|/root/[a-z.]|/tmp/[a-z]+/[a-z]+\.(?:log|out|md)")
    guilty = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 1 << 20 and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="replace")
            guilty += [f"{name}: {match}" for match in pattern.findall(text)]
    assert guilty == []


def test_the_license_is_mit_and_named_in_the_project_file():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert 'license = "MIT"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
