from __future__ import annotations

from pipeline.cli.tables import markdown, size_text, table


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_spaces():
    assert table(("name", "size", "why"), [("a", "10 MB", ""), ("longer", "1 MB", "new")], right=("size",)) == (
        "name     size  why\na       10 MB\nlonger   1 MB  new"
    )


def test_a_table_without_rows_is_its_headings():
    assert table(("a", "b"), []) == "a  b"


def test_markdown_keeps_its_columns_whatever_a_cell_holds():
    assert markdown(("a", "b"), [("1|2", "3")]) == "| a | b |\n| --- | --- |\n| 1/2 | 3 |\n"


def test_sizes_are_decimal():
    assert size_text(37_386_587) == "37.4 MB"
