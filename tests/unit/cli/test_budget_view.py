"""The tables of a verdict about budgets."""

from __future__ import annotations

from pipeline.cli.budget_view import over_parts
from pipeline.model.budget_verdict import BudgetVerdict, Explanation, Figure, LargeFile

TARGET = "llama.cpp/linux-x86_64-cpu"


def test_where_nothing_grew_there_is_a_table_of_the_largest_files_and_none_without_rows():
    figure = Figure(
        target=TARGET, version="b2", layer=None, measure="installed", actual=9, limit=4, kind="budget", before=None
    )
    large = LargeFile(layer="cpu", path="lib.so", size=9)
    explanation = Explanation(target=TARGET, version="b2", baseline="b1", files_shrunk=3, largest=(large,))
    parts = over_parts(BudgetVerdict(figures=(figure,), explanations=(explanation,)))
    assert [part.title for part in parts] == ["Over budget", f"The largest files of {TARGET} b2"]
    assert all(part.rows for part in parts)
