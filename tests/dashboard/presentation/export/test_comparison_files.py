"""Files and tables of a comparison: csv, text, Markdown, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import json

import pytest

from core.experiments.comparison_summary import Entry, Line, Summary, summarise
from dashboard.presentation.export import comparison_files
from tests.core.experiments.compared import THEIRS, VALUES, Made, figure


@pytest.fixture
def summary():
    return summarise(Made(VALUES, THEIRS))


def test_csv_holds_the_value_of_each_seed(summary):
    rows = list(csv.DictReader(io.StringIO(comparison_files.to_csv(summary))))
    found = {(r["method"], r["figure"]): r for r in rows}
    assert [float(found["laf", "test"][f"seed_{s}"]) for s in range(3)] == VALUES["laf"]
    assert found["finetune", "test"]["doing_nothing_is_nearer"] == "1"
    assert found["laf", "test"]["reads"] == "D_f; D_r"
    assert found["references", "test"]["reads"] == ""
    assert found["laf", "test"]["unit"] == "share", "its values lie in [0, 1]"


def test_the_terminals_table_says_what_each_method_reads_in_columns_that_line_up(summary):
    head, *rows = comparison_files.to_text(summary).splitlines()
    assert head.split()[:2] == ["method", "reads"]
    at = head.index("reads")
    found = {row[:at].strip(): row[at:].split("  ")[0] for row in rows}
    assert found["LAF"] == "D_f; D_r"
    assert found["Retrained models"] == "–"
    assert {len(row) for row in rows} == {len(head)} or all(row[at - 1] == " " for row in rows)


def test_markdown_and_latex_are_tables_with_as_many_cells_in_each_row(summary):
    lines = [line for line in comparison_files.to_markdown(summary).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {len(summary.columns) + 3}, (
        "method and what it reads come first"
    )
    assert "**97.0 ± 1.0**" in comparison_files.to_markdown(summary)
    assert "| LAF | D_f; D_r |" in comparison_files.to_markdown(summary)
    assert "80.3 ± 0.6 ▼" in comparison_files.to_markdown(summary)
    tex = comparison_files.to_latex(summary)
    assert r"\textbf{97.0 $\pm$ 1.0}" in tex
    assert r"80.3 $\pm$ 0.6$^\dagger$" in tex
    body = tex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert {row.count("&") for row in body} == {len(summary.columns) + 1}


def test_json_is_plain_and_holds_the_contract(summary):
    made = json.loads(json.dumps(comparison_files.to_json(summary, {"dataset": "toy"})))
    assert made["schema"] == 1
    assert made["methods"]["laf"]["seeds"] == [0, 1, 2]
    assert set(made["methods"]["laf"]) >= {"seeds", "mean", "spread"}
    assert made["methods"]["laf"]["reads"] == ["images of D_f", "images of D_r"]
    assert made["methods"]["references"]["reads"] is None


def test_a_name_with_a_percent_or_an_underscore_is_safe_in_latex():
    line = Line("x", "50 % of_it & more", {"test": Entry(0.5, None, (0.5,))}, {})
    tex = comparison_files.to_latex(Summary({"test": figure("test", 0.5)}, (line,), (0,)))
    assert r"50 \% of\_it \& more" in tex
