"""The table of the pages Compare and Judge: its helps name what the dataset holds."""

from __future__ import annotations

import json
import re

import pytest

from core.evaluation.metric_specs import METRIC_SPECS
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
