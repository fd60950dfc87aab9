"""The table of the pages Compare and Judge: its helps name what the dataset holds."""

from __future__ import annotations

import json
import re

import pytest

from core.evaluation.metric_specs import METRIC_SPECS
from core.experiments.comparison_summary import Line, Summary
from dashboard.presentation.charts import examples
from dashboard.presentation.wire.comparison import table_data


@pytest.mark.parametrize(("kind", "noun"), [("images", "image"), ("vectors", "vector"), ("series", "series")])
def test_the_helps_of_the_columns_name_what_the_dataset_holds(kind, noun):
    summary = examples.summary_example()
    shown = table_data(summary, None, list(summary.columns), [], kind)
    helps = {column["key"]: column["help"] for column in shown["columns"]}
    changed = [key for key, one in METRIC_SPECS.items() if key in helps and "image" in one.help]
    assert changed
    assert all(noun in helps[key] for key in changed)
    if kind != "images":
        assert not re.search("image", json.dumps(shown), re.I)


def test_a_figure_that_no_method_has_makes_no_column_of_dashes():
    whole = examples.summary_example()
    lines = tuple(
        Line(one.method, one.title, {k: e for k, e in one.entries.items() if k != "js"}, {})
        for one in whole.lines
    )
    shown = table_data(Summary(whole.columns, lines, (0,)), None, list(whole.columns), [])
    assert [column["key"] for column in shown["columns"]] == [k for k in whole.columns if k != "js"]


def test_a_row_has_a_methods_short_name_and_its_help_the_full_one():
    line = Line("mda", "MDA, masked distillation with alignment", {}, {}, "measured")
    plain = Line("laf", "LAF", {}, {}, "measured")
    shown = table_data(Summary({}, (line, plain), (0,)), None, [], [])
    assert [row["label"] for row in shown["rows"]] == ["MDA", "LAF"]
    assert [row["help"] for row in shown["rows"]] == [
        "MDA, masked distillation with alignment. Settings: measured",
        "Settings: measured",
    ]
