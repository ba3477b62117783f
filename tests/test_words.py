"""Tables as text: a row is a line, whatever its cells hold."""

from __future__ import annotations

from sqlbench.words import markdown_table


def test_a_cell_with_line_ends_stays_on_one_line():
    message = "no column nope\r\n\nLINE 1: SELECT nope\n               ^"
    assert markdown_table(["question", "problem"], [["q", message], ["r", " as it  is"]]) == (
        "| question | problem                              |\n"
        "|----------|--------------------------------------|\n"
        "| q        | no column nope LINE 1: SELECT nope ^ |\n"
        "| r        |  as it  is                           |"
    )


def test_a_bar_in_a_cell_ends_no_cell():
    assert markdown_table(["a|b", "c"], [["one | two", 1]]).splitlines() == [
        r"| a\|b       | c |",
        "|------------|---|",
        r"| one \| two | 1 |",
    ]
