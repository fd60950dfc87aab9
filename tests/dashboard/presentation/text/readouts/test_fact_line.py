"""The line of facts: a reader finds what each symbol means by pointing at it, and a value cannot become HTML."""

from __future__ import annotations

import re

from core.config import LAFConfig
from dashboard.forms import method
from dashboard.presentation.text.readouts.fact_line import EXPLAINED, fact_line


def test_each_setting_of_laf_is_explained_on_hover():
    parts = method.settings("laf", LAFConfig())
    told = dict(re.findall(r"title='([^']*)'>(.+?) <b>", fact_line(parts)))
    assert {name: text for text, name in told.items()} == {
        name: EXPLAINED[name].replace("'", "&#x27;") for name, _ in parts
    }


def test_a_run_explains_its_own_facts_and_values_are_only_text():
    line = fact_line([("Model", "a<b>"), ("other", "1")], {"Model": 'its "own"'})
    assert line == (
        "<div class='facts'><span class='fact' title='its &quot;own&quot;'>Model <b>a&lt;b&gt;</b></span>"
        "<span class='fact'>other <b>1</b></span></div>"
    )
