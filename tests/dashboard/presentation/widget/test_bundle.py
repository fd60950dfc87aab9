"""The widget's JavaScript: one text with every module that it needs, each after those that it imports."""

from __future__ import annotations

import re

import pytest

from dashboard.presentation.widget import bundle


def test_each_module_comes_after_those_that_it_imports_and_asks_no_server():
    found = bundle.modules()
    names = [name for name, _ in found]
    assert names[-1] == bundle.ENTRY
    assert len(set(names)) == len(names)
    for k, (name, text) in enumerate(found):
        for wanted in re.findall(r'"laf:([^"]+)"', text):
            assert wanted in names[:k], f"{name} imports {wanted}"
        assert not re.search(r'^(import|export)\b.*\bfrom "(?!laf:)', text, re.M), f"{name} imports a file"
        assert "import.meta" not in text, f"{name} asks the Lab's server"


def test_the_widget_draws_with_the_map_of_the_lab():
    texts = dict(bundle.modules())
    lab = bundle.COMPONENTS / "map_view" / "frontend" / "draw" / "draw.js"
    body = lab.read_text().rpartition('from "')[2].partition("\n")[2]
    assert texts["laf-lab.map_view/draw/draw.js"].endswith(body)
    assert set(bundle.styles()) == {"map_view", "timeline", "readouts", "widget"}


def test_modules_in_a_circle_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\n')
    (tmp_path / "b.js").write_text('export { a } from "./a.js";\n')
    monkeypatch.setattr(bundle, "TEMPLATES", tmp_path)
    with pytest.raises(ValueError, match=r"a\.js → .*b\.js → .*a\.js"):
        bundle.modules("laf-lab.widget/a.js")
