"""A study's settings as a table: sorted and chosen by the measure that the user names, in Markdown and LaTeX."""

from __future__ import annotations

import re
import statistics
from unicodedata import east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.experiments.studies import parse_study
from dashboard.cli.tables import aligned
from dashboard.presentation.export.study_files import as_latex, as_markdown, settings_table, usual_measure

TEXT = """
[grid]
temperature = [5.0, 20.0, 40.0]
[seeds]
chosen = [10, 11]
reported = {reported}
"""
# temperature -> train_f and js of each seed; retrained models have a train_f of 0.1
FIGURES = {5.0: ([0.0, 0.02], 0.5), 20.0: ([0.08, 0.14], 0.3), 40.0: ([0.5, 0.6], 0.1)}


def study(reported="[0, 1]", show=""):
    return parse_study(TEXT.format(reported=reported) + show, "small")


def rows(of, missing=()):
    found = []
    for temperature, (train_f, js) in FIGURES.items():
        for role, seeds in (("chosen", of.chosen), ("reported", of.reported)):
            for value, seed in zip(train_f, seeds, strict=False):
                figures = {"train_f": value, "js": js, "average_gap": abs(value - 0.1), "seconds": 1.0}
                found.append(
                    {
                        "point": {"temperature": temperature},
                        "role": role,
                        "seed": seed,
                        "state": "done",
                        "figures": {k: v for k, v in figures.items() if k not in missing},
                        "yardstick": {"train_f": 0.1},
                    }
                )
    return found


@pytest.mark.parametrize(
    ("by", "order"),
    [("js", ["40", "20", "5"]), ("train_f", ["20", "5", "40"]), ("average_gap", ["20", "5", "40"])],
)
def test_the_best_is_chosen_and_sorted_by_the_measure_that_is_named(by, order):
    table = settings_table(of := study(), rows(of), by)
    assert [row[0] for row in table.rows] == order
    assert table.best == 0
    assert table.choice.startswith(f"Chosen by {by} on seeds 10, 11")
    assert table.choice.endswith(f"temperature {order[0]}")


def test_without_a_name_the_studys_own_measure_counts():
    assert usual_measure(study(show='[show]\nmeasure = "js"\n')) == "js"
    assert usual_measure(study()) == "average_gap"


def test_several_seeds_have_a_mean_and_a_deviation_and_one_has_none():
    of = study()
    table = settings_table(of, rows(of), "js")
    at = table.rows[0][1 + table.measures.index("train_f")]
    values = [100 * v for v in FIGURES[40.0][0]]
    assert at == f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
    assert "standard deviation over seeds 0, 1" in table.about
    one = settings_table(of := study("[0]"), rows(of), "js")
    assert "±" not in "".join("".join(row) for row in one.rows)
    assert one.about == "Seed 0; accuracies in %."


def test_a_measure_without_values_chooses_nothing():
    of = study()
    table = settings_table(of, rows(of, missing=("js",)), "js")
    assert table.choice == ""
    assert table.best is None


def test_markdown_has_one_cell_for_each_column_and_the_best_in_bold():
    of = study()
    text = as_markdown(settings_table(of, rows(of), "js"))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    assert lines[2].startswith("| **40** | **55.0 ± 7.1**")
    assert "Chosen by js" in text


def test_latex_is_a_whole_tabular_with_escaped_cells():
    of = study()
    text = as_latex(settings_table(of, rows(of), "js"))
    columns = re.search(r"begin{tabular}{(l+r+)}", text).group(1)
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") + 1 for line in body} == {len(columns)}
    assert r"Train\_f, \%" in body[0]
    assert body[1].startswith(r"\textbf{40} & \textbf{55.0 $\pm$ 7.1}")
    assert text.endswith("\\end{tabular}\n")
    assert not re.search(r"(?<!\\)[&%](?! )", "".join(body).replace(" & ", ""))


@given(
    st.lists(
        st.lists(st.text(st.characters(categories=["L", "N"]), max_size=30), min_size=3, max_size=3),
        min_size=1,
    )
)
def test_columns_never_collide(cells):
    def spread(text):  # a wide letter takes two columns
        return "".join(c + "\0" * (east_asian_width(c) in "WF") for c in text)

    wide = [[spread(text) for text in row] for row in cells]
    for line, row in zip(aligned(cells, right=(1,)), wide, strict=True):
        line = spread(line)
        starts = [max(len(r[0]) for r in wide) + 2]
        starts.append(starts[0] + max(len(r[1]) for r in wide) + 2)
        assert line[: starts[0]].strip() == row[0]
        assert line[starts[0] : starts[1]].strip() == row[1]
        assert line[starts[1] :] == row[2]
