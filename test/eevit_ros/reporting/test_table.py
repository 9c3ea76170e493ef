"""Tables in Markdown."""

from __future__ import annotations

from eevit_ros.reporting.table import markdown_table


def test_a_table_keeps_its_columns_whatever_is_in_a_cell() -> None:
    text = markdown_table(['a|b', 'n'], [['x | y\nz', '1'], ['', '22']], numeric={1})
    assert text == '| a\\|b | n |\n| --- | --: |\n| x \\| y z | 1 |\n|  | 22 |'


def test_a_table_without_rows_is_a_head() -> None:
    assert markdown_table(['a'], []) == '| a |\n| --- |'
