"""`laf compare --format`: each kind is what its name says, and one seed has no deviation."""

from __future__ import annotations

import csv
import io
import re

import pytest

from core.config import LAFConfig, TrainConfig
from dashboard.cli import main
from tests import toys


@pytest.fixture
def words(monkeypatch):
    monkeypatch.setattr("core.experiments.comparison.load", lambda *a, **k: toys.dataset())
    monkeypatch.setattr("core.data.registry.load", lambda *a, **k: toys.dataset())
    monkeypatch.setattr(TrainConfig, "preset", classmethod(lambda *_: toys.TRAIN))
    monkeypatch.setattr(LAFConfig, "preset", classmethod(lambda *_: toys.QUICK))
    return ["compare", "--methods", "nothing,laf", "--seeds", "0", "--references", "2", "--device", "cpu"]


def test_every_format_is_printed_alone_and_is_read_as_such(words, capsys):
    told = {}
    for kind in ("table", "markdown", "latex", "csv"):
        assert main.main([*words, "--format", kind]) == 0
        told[kind] = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(told["csv"])))
    assert {r["method"] for r in rows} == {"references", "nothing", "laf"}
    assert told["latex"].count(r"\\") == 4  # a heading and three rows
    assert told["markdown"].startswith("| method |")
    table = told["table"].splitlines()
    head, body = table[1], table[2:5]
    assert head.split()[:2] == ["method", "reads"]
    assert all(
        len(re.split(r"\s{2,}", line.strip())) == len(re.split(r"\s{2,}", head.strip())) for line in body
    )
    for line in body[1:]:  # one seed
        assert "±" not in line
    assert "0.000" not in body[0], "two retrained models have one JS, and it has no deviation"
    assert "±: standard deviation over seeds; of retrained models over all of them." in table[-1]


def test_an_unknown_format_is_one_line(words, capsys):
    assert main.main([*words, "--format", "docx"]) == 2
    assert capsys.readouterr().err == "laf: unknown format 'docx'; there are: table, markdown, latex, csv\n"
