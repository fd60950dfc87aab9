"""Exported pages escape every value, keep their scripts whole and make no requests."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest
from jinja2 import UndefinedError

from core.experiments.audit import Check, DeletionRecord
from core.experiments.audit_request import SubjectResult
from core.lessons.checks import Clause, Verdict
from core.lessons.library import SHIPPED
from core.lessons.parser import read_lessons
from dashboard.presentation.export import audit_page, lesson_page
from dashboard.presentation.templating import environment, source
from dashboard.presentation.text.lessons import lesson_html

EVIL = "</script><img src=x onerror='alert(1)'>&\""


def played():
    return SimpleNamespace(
        points={"ids": np.arange(2), "forget": np.array([True, False])},
        frames=[],
        steps=[],
        about={"changes": [], "marks": [{"step": 1, "text": EVIL}]},
        map_positions=None,
        title=EVIL,
        forget=EVIL,
        retrained=(),
    )


def lesson_document(monkeypatch):
    lesson = read_lessons([SHIPPED])[0][0]
    prediction = replace(lesson.prediction, text=EVIL, choices=(EVIL, "b"), answer=1, why=EVIL)
    parts = tuple(
        replace(p, title=EVIL, text=f"{EVIL} ${EVIL}$", look=EVIL, numbers=("js",)) for p in lesson.parts
    )
    lesson = replace(lesson, title=EVIL, goal=EVIL, prediction=prediction, parts=parts, summary=EVIL)
    verdict = Verdict(passed=False, clauses=(Clause(EVIL, None, {"js": EVIL}),))
    scene = SimpleNamespace(run=0, frame=0, facts={"js": EVIL}, curves={"vae": [3.0, 1.0]}, verdict=verdict)
    monkeypatch.setattr(lesson_page, "_run_line", lambda _: EVIL)
    monkeypatch.setattr(lesson_page, "_scenes", lambda *_: [{"says": EVIL}])
    return lesson_page.document(
        SimpleNamespace(lesson=lesson, runs=[played()], scenes=[scene] * len(parts), seed=3)
    )


def test_a_lesson_page_escapes_all_text_and_asks_no_server(monkeypatch):
    page = lesson_document(monkeypatch)
    assert page.count("</script>") == 2
    assert "<img src=x" not in page
    assert "onerror='" not in page
    assert re.findall(r"https?://[^\s\"']+", page.replace("http://www.w3.org", "")) == []
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert data["scenes"][0]["says"] == EVIL
    assert "Correct answer: &lt;/script&gt;" in page


def test_a_lesson_page_holds_its_styles_and_scripts_unchanged(monkeypatch):
    page = lesson_document(monkeypatch)
    for name in ("page.css", "lesson.css", "page.js", "lesson.js"):
        assert source(name) in page


def test_a_deletion_record_escapes_all_text():
    record = DeletionRecord(
        asked={"images": EVIL},
        done={EVIL: "b"},
        cost={},
        checks=(Check(EVIL, EVIL, EVIL, "no power", EVIL),),
        tuned=EVIL,
        settings={"lr": {EVIL: 1}},
        hashes={},
        command=EVIL,
        machine={},
        request={"requester": EVIL},
        strongest=EVIL,
        subjects=(SubjectResult(EVIL, 1, 0, ()),),
    )
    page = audit_page.document(record, datetime(2026, 1, 2))
    assert "<img" not in page
    assert "<script" not in page
    assert "– without power" in page
    assert "1 without power" in page


def test_parts_of_a_lesson_escape_their_text():
    question = SimpleNamespace(choices=(EVIL, "b"), answer=2, why=EVIL)
    made = [
        lesson_html.verdict_on(question, 1),
        lesson_html.tally_bars(question, [1, 0]),
        lesson_html.numbers(["js"], {"js": EVIL}),
    ]
    assert "✗ Not quite" in made[0]
    for part in made:
        assert "<img" not in part


def test_vae_curves_are_a_picture_or_a_sentence():
    assert "not been trained" in lesson_html.vae_curves({"vae": []})
    assert "data:image/svg+xml;base64," in lesson_html.vae_curves(
        {"vae": [100.0, float("inf")], "vae_f": [1.0]}
    )


def test_a_template_that_names_an_unknown_value_fails():
    with pytest.raises(UndefinedError):
        environment().get_template("page.html").render(title="a")
