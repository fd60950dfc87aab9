"""The figures after each request: a row and a point for each, and none where something is missing."""

from core.runs.records import Phase
from core.runs.storage import ChainLink
from dashboard.presentation.charts.chain import chain_chart, chain_rows, chain_summary

NUMBERS = {"train_r": 0.99, "test": 0.9, "test_r": 0.97, "js": 0.1234, "auc": 0.512}


def link(number, **found):
    ended = {
        "unlearned": {**NUMBERS, "train_f": 0.02, "newest_f": None, **found},
        "retrained": {**NUMBERS, "train_f": 0.0, "newest_f": 0.01},
        "seconds": 2.5,
        "conflict": 0.25,
    }
    return ChainLink(number, f"run-{number}", f"class {number}", Phase.DONE, None, ended)


LINKS = [link(1), link(2, newest_f=0.04), ChainLink(3, "run-3", "class 3", Phase.PAUSED, None, None)]


def test_a_row_for_each_request_then_at_once_and_retrained():
    rows = chain_rows(LINKS, {"unlearned": {**NUMBERS, "train_f": 0.5}, "seconds": 9.0, "conflict": None})
    assert [r["request"] for r in rows] == ["1", "2", "3", "at once", "retrained"]
    assert [r["Train_f, %"] for r in rows] == [2.0, 2.0, None, 50.0, 0.0]
    assert [r["newest, %"] for r in rows] == [2.0, 4.0, None, None, 1.0]
    assert [r["seconds"] for r in rows] == [2.5, 2.5, None, 9.0, None]
    assert rows[0]["conflict, % of steps"] == 25.0
    assert rows[0]["JS"] == 0.123


def test_a_line_has_a_point_for_each_request_with_a_value():
    lines = {(t.name, t.line.dash): (list(t.x), list(t.y)) for t in chain_chart(LINKS).data}
    assert lines["Train_f, newest request", "solid"] == ([2], [4.0])
    assert lines["Train_f, newest request", "dot"] == ([1, 2], [1.0, 1.0])
    assert lines["Train_f, all asked so far", "solid"] == ([1, 2], [2.0, 2.0])


def judged(number, code, test, forget="2 chosen images"):
    one = link(number)
    verdict = {"success": True, "findings": [{"code": code, "what": "", "why": "", "advice": ""}]}
    ended = {**one.ended, "unlearned": {**one.ended["unlearned"], "test": test, "test_r": 0.5}}
    return ChainLink(number, one.run, forget, Phase.DONE, verdict, ended)


def test_the_summary_says_what_the_chain_cost_and_where_nothing_was_to_do():
    worn = chain_summary([judged(1, "no gain", 0.89), judged(2, "price", 0.7)])
    assert worn.startswith(
        "In 1 of 2 requests there was nothing to do. Test is 70.0 % after 2 requests; it was 89.0 %"
    )
    assert "Models retrained without all that was asked have 90.0 %: the chain wears the model down" in worn
    assert "wears" not in chain_summary([judged(1, "forgotten", 0.89), judged(2, "forgotten", 0.89)])
    assert chain_summary([judged(1, "forgotten", 0.9, "class 1"), judged(2, "price", 0.9)]).startswith(
        "Test_r is 50.0 %"
    )
    assert chain_summary(LINKS[1:]) == ""  # one request has figures
    rows = chain_rows([judged(1, "no gain", 0.9), judged(2, "forgotten", 0.9), LINKS[2]])
    assert [r.get("verdict") for r in rows[:3]] == ["nothing to do", "forgotten", ""]
