"""Tables of the terminal: their columns."""

from __future__ import annotations

from types import SimpleNamespace

from dashboard.cli.tables import aligned, run_table


def test_wide_letters_take_two_columns_and_accents_none():
    lines = aligned([["猫", "1"], ["dog", "2"], ["e\u0301a", "3"]])
    assert lines == ["猫   1", "dog  2", "e\u0301a   3"]


def test_a_long_class_name_widens_its_column_and_meets_no_other():
    numbers = {"train_r": 1.0, "train_f": 0.0, "test": 0.6, "test_r": 1.0, "test_f": 0.0}
    rest = {
        "commonest_share": 1.0,
        "js_to_retrained": 0.2,
        "attack": dict.fromkeys(("auc", "auc_low", "auc_high")),
    }
    metrics = {
        "retrained": {**numbers, **rest, "commonest_answer": 0},
        "unlearned": {**numbers, **rest, "commonest_answer": 1},
    }
    dataset = SimpleNamespace(title="Birds", classes=["wren", "a bird with a very long name"], kind="images")
    request = SimpleNamespace(describe=lambda classes: "class wren")
    split = SimpleNamespace(
        dataset=dataset, request=request, newest_rows=range(3), train=range(9), forget_rows=range(3)
    )
    seconds = dict.fromkeys(("train", "vae", "unlearn", "retrain", "evaluate", "other", "total"), 1.0)
    result = {
        "seed": 0,
        "chain": None,
        "metrics": metrics,
        "seconds": seconds,
        "from_cache": ["train"],
        "shipped": ["train"],
        "beside": [],
        "peak_memory_mb": 1.0,
        "device": "cpu",
        "set": [],
        "automatic": {"description": "found"},
        "settings": "automatic",
        "verdict": {"text": "Forgotten."},
    }
    table = run_table(result, split, "laf")
    assert "train 1.0 (spent before: this model ships with the Lab), VAEs 1.0," in table
    head, *rows = table.splitlines()[1:4]
    cells = ["100.0 %", "0.0 %", "60.0 %", "100.0 %", "0.0 %"]
    for row, answer in zip(rows, ("wren", "a bird with a very long name"), strict=True):
        words = row.split("  ")
        assert [w.strip() for w in words if w.strip()][1:] == [
            *cells,
            f"100.0 %: {answer}",
            "0.20",
            "too few images",
        ]
        assert len(row) == len(head)
    narrow = run_table(result, split, "laf", width=60).splitlines()
    assert narrow[1].split() == ["retrained", "unlearned"]
    names = ("Train_r", "Train_f", "Test", "Test_r", "Test_f")
    assert [line.split()[0] for line in narrow[2:7]] == list(names)
    assert [line.split()[1:] for line in narrow[2:7]] == [[c.split()[0], "%"] * 2 for c in cells]
    assert narrow[8].split(maxsplit=1) == ["wren", "a bird with a very long name"]
    assert len({len(line) for line in narrow[1:13]}) == 1, "right edges line up"
    assert [line.split()[-2:] for line in narrow[10:13]] == [["-", "-"]] * 3
    assert run_table(result, split, "laf", width=200) == table
