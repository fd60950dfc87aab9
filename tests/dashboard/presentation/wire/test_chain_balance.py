"""The losses of all requests of a chain, as the browser gets them."""

from __future__ import annotations

from core.methods.step import Step
from core.runs.records import Phase
from core.runs.storage import ChainLink
from dashboard.presentation.wire.chain_balance import MOST, chain_balance


def steps(count: int) -> list[Step]:
    return [
        Step(
            n,
            count,
            1,
            "unlearn",
            {"ue": 1.0, "ra": 2.0},
            {"ue": 3.0},
            0.123456,
            moves={"ue": 1.0, "ra": 3.0},
        )
        for n in range(1, count + 1)
    ]


def link(number: int) -> ChainLink:
    return ChainLink(number, f"run-{number}", f"class {number}", Phase.DONE, None, None)


def test_each_request_has_its_steps_and_the_open_one_leaves_them_to_the_browser():
    found = chain_balance([link(1), link(2)], {"run-1": steps(3)}, "run-2")
    assert [(r["number"], r["forget"], r["open"], r["steps"]) for r in found] == [
        (1, "class 1", False, 3),
        (2, "class 2", True, 0),
    ]
    assert [r["step"] for r in found[0]["readings"]] == [1, 2, 3]
    assert (
        found[0]["readings"][0]["loss"] | {"share_ue": 25.0, "cosine": 0.1235}
        == found[0]["readings"][0]["loss"]
    )
    assert found[1]["readings"] == []


def test_a_request_that_has_not_begun_comes_last():
    found = chain_balance([link(1)], {"run-1": steps(1)}, None)
    assert [(r["number"], r["open"]) for r in found] == [(1, False), (2, True)]


def test_a_long_request_is_thinned_and_keeps_its_first_and_last_step():
    found = chain_balance([link(1), link(2)], {"run-1": steps(1000)}, "run-2")[0]
    numbers = [r["step"] for r in found["readings"]]
    assert (len(numbers), numbers[0], numbers[-1], found["steps"]) == (MOST, 1, 1000, 1000)
    assert numbers == sorted(set(numbers))
