"""TOML tables: each wrong key or value is one sentence that names the table and the key."""

from __future__ import annotations

import re

import pytest

from core.errors import RequestError
from core.experiments.toml_table import TomlTable, parse_toml


@pytest.mark.parametrize(
    ("read", "sentence"),
    [
        (lambda t: t.text("none", required=True), "step 2 lacks 'none'"),
        (lambda t: t.text("count"), "'count' of step 2 must be a text, got 3"),
        (lambda t: t.text("empty", required=True), "'empty' of step 2 is empty"),
        (lambda t: t.take("flag", int, str), "'flag' of step 2 must be a whole number or a text, got True"),
        (lambda t: t.take("flag", float), "'flag' of step 2 must be a number, got True"),
        (lambda t: t.flag("count"), "'count' of step 2 must be true or false, got 3"),
        (
            lambda t: t.whole("count", low=5, high=9),
            "'count' of step 2 must be a whole number from 5 to 9, got 3",
        ),
        (
            lambda t: t.whole("flag", low=0, high=9),
            "'flag' of step 2 must be a whole number from 0 to 9, got True",
        ),
        (lambda t: t.number("endless"), "'endless' of step 2 must be a finite number, got inf"),
        (lambda t: t.table("count", "the box"), "'count' of step 2 must be a table, got 3"),
    ],
)
def test_a_wrong_value_is_one_sentence(read, sentence):
    table = TomlTable(parse_toml('count = 3\nflag = true\nempty = " "\nendless = inf'), "step 2")
    with pytest.raises(RequestError, match=re.escape(sentence)):
        read(table)


def test_a_key_that_was_not_taken_is_told_with_those_there_are():
    table = TomlTable({"title": "a", "colour": 1}, "step 2")
    assert table.text("title") == "a"
    assert table.take("count", float, default=2.0) == 2.0
    with pytest.raises(RequestError, match="step 2 has no key 'colour'; it can have: title, count"):
        table.require_no_more()
    assert table.rest() == {"colour": 1}
    table.require_no_more()


@pytest.mark.parametrize("text", ["[grid", "a = 1\na = 2", "a = " + "[" * 5000])
def test_text_that_is_not_toml_is_told(text):
    with pytest.raises(RequestError, match="it is not TOML: "):
        parse_toml(text)
