"""`laf audit`: the record of a request by subjects, as a table, JSON and page, and its exit codes."""

from __future__ import annotations

import json

import pytest

from core.config import LAFConfig, TrainConfig
from dashboard.cli import main
from tests import toys


@pytest.fixture
def request_csv(tmp_path, monkeypatch):
    """A CSV that asks to forget images of the toy data, which is quick to train."""
    monkeypatch.setattr("core.data.registry.load", lambda *a, **k: toys.dataset())
    monkeypatch.setattr(TrainConfig, "preset", classmethod(lambda *_: toys.TRAIN))
    monkeypatch.setattr(LAFConfig, "preset", classmethod(lambda *_: toys.QUICK))
    path = tmp_path / "request.csv"
    path.write_text("id,subject\n" + "".join(f"{i},{'Ada' if i < 20 else 'Ben'}\n" for i in range(0, 60, 2)))
    return path


def test_the_record_names_subjects_request_and_tests(request_csv, tmp_path, capsys):
    words = ["audit", "--subjects", str(request_csv), "--references", "2", "--requester", "A. Person"]
    files = ["--json", str(tmp_path / "record.json"), "--html", str(tmp_path / "record.html")]
    assert main.main([*words, "--received", "2026-01-31", *files, "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    record = json.loads((tmp_path / "record.json").read_text())
    assert [(s["name"], s["images"]) for s in record["subjects"]] == [("Ada", 10), ("Ben", 20)]
    assert record["request"]["requester"] == "A. Person"
    assert {"KLoM, forgotten (KLoM)", "AUC, learned", "JS to retrained (JS)"} <= {
        c["name"] for c in record["checks"]
    }
    page = (tmp_path / "record.html").read_text()
    for part in (
        "A. Person",
        "2026-01-31",
        "Ben",
        record["request"]["reference number"],
        record["strongest"][:20],
    ):
        assert part in told
        assert part in page
    failed = sum(c["verdict"] == "failed" for c in record["checks"])
    assert main.main([*words, "--check", "--quiet", "--device", "cpu"]) == (3 if failed else 0)


def test_subjects_exclude_other_ways_to_choose(request_csv, capsys):
    assert main.main(["audit", "--subjects", str(request_csv), "--classes", "0"]) == 2
    assert "leave out --task" in capsys.readouterr().err
