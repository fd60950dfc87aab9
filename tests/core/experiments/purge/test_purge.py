"""After a purge no file has the images: their bytes, representations and ids are searched for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from core.data import load
from core.data.forget_selection import Selection, load_list, save_list, saved_lists
from core.errors import RequestError
from core.experiments.purge import purge
from core.runs.storage import list_runs, read_run
from dashboard.cli.main import main
from tests.core.experiments.purge.homes import SUBJECT, contents, lay, needles_of, traces


def test_nothing_of_the_images_is_left(home, brought, monkeypatch, capsys):
    data = load(brought)
    gone = tuple(data.train.ids[:12].tolist())
    split, model, _ = lay(brought, (*gone, *data.train.ids[20:24].tolist()))
    rows = split.forget_rows[:12]
    assert tuple(split.train.ids[rows].tolist()) == gone
    save_list("these", data, Selection(gone))
    save_list("more", data, Selection((*gone[:2], int(data.train.ids[50]))))
    needles = needles_of(split, model, rows)
    before = traces(home, needles)
    assert any(n.startswith("datasets/") for n in before)
    assert read_run(list_runs()[0][0].id).frames  # they may be packed

    told = home.parent / "ids.txt"
    told.write_text("\n".join(map(str, gone)))
    assert (
        main(["runs", "export", list_runs()[0][0].id, "--format", "parquet", "--out", str(home / "x.zip")])
        == 0
    )
    held = contents(home)
    assert main(["purge", "--dataset", brought, "--ids", str(told), "--dry-run"]) == 0
    assert contents(home) == held
    assert main(["purge", "--dataset", brought, "--ids", str(told), "--json", "-"]) == 0
    manifest = json.loads(capsys.readouterr().out.splitlines()[-1])

    assert traces(home, needles) == []
    assert manifest["images"] == 12
    places = [e["path"] for e in manifest["removed"]]
    for wanted in ("models/", "outcomes/", "runs/", "forget-sets/", "datasets/", "x.zip"):
        assert any(wanted in p for p in places), wanted
    assert all(e["why"] for e in manifest["removed"])
    later = load(brought)
    assert set(gone).isdisjoint(later.train.ids.tolist())
    assert len(later.train) == len(data.train) - 12
    assert [one.key for one in saved_lists(data)] == ["more"]
    assert len(load_list("more", data)) == 1
    for path in home.rglob("*.json"):
        values = json.loads(path.read_bytes())
        listed = values.get("ids", []) + (values.get("setup") or {}).get("ids", [])
        assert set(listed).isdisjoint(gone), path
    (info,) = list_runs()[0]  # its steps and its model without them stay
    kept = read_run(info.id)
    assert len(kept.steps) > 0
    assert kept.frames == []
    assert kept.folder.model.exists()
    assert not kept.folder.states.exists()
    assert purge(brought, [int(later.train.ids[0])]).images == 1  # and again, of another


def test_a_run_that_learnt_from_them_goes(home, brought):
    data = load(brought)
    lay(brought, tuple(data.train.ids[:12].tolist()))
    manifest = purge(brought, data.train.ids[30:33].tolist())
    assert list_runs() == ([], [])
    assert any("did not forget" in e.why for e in manifest.removed)


@pytest.mark.parametrize(
    ("ids", "said"),
    [([], "no image is named"), ([10**9], "no image of"), (range(0, 160), "all training images")],
)
def test_a_wrong_request_is_refused(home, brought, ids, said):
    with pytest.raises(RequestError, match=said):
        purge(brought, ids)


def test_of_a_public_data_set_it_says_what_stays(home, digits):
    manifest = purge("digits", digits.train.ids[:3].tolist())
    assert any("itself" in e.why for e in manifest.left)
    assert json.loads(next((home / "purges").glob("*.json")).read_text())["images"] == 3


def test_rows_of_studies_and_lessons_stay_and_are_named(home, digits):
    for name in ("studies", "lessons", "mine"):
        (home / name).mkdir(parents=True)
    left = {Path(e.path).name: e.why for e in purge("digits", digits.train.ids[:1].tolist()).left}
    assert "no image" in left["studies"]
    assert "no image" in left["lessons"]
    assert "look yourself" in left["mine"]


def test_what_is_not_known_to_be_of_other_data_goes_too(home, brought):
    data = load(brought)
    split, _, _ = lay(brought, tuple(data.train.ids[:12].tolist()))
    for sidecar in (home / "models").glob("*.json"):
        sidecar.unlink()
    other = home / "models" / "0123.safetensors"
    other.write_bytes(b"?")
    (home / "models" / "0123.json").write_text(json.dumps({"dataset": "mnist", "kind": "trained model"}))
    purge(brought, split.train.ids[split.forget_rows[:2]].tolist())
    assert [p.name for p in (home / "models").glob("*.safetensors")] == ["0123.safetensors"]
    assert replace(manifest_of(home), made="").dataset == brought


def manifest_of(home):
    from core.experiments.purge import Manifest

    values = json.loads(next((home / "purges").glob("*.json")).read_text())
    values.pop("schema")
    return Manifest(**values)


def test_the_command_needs_ids_or_a_subject(home, school, capsys):
    assert main(["purge", "--dataset", school]) == 2
    assert "--ids FILE" in capsys.readouterr().err
    assert main(["purge", "--dataset", school, "--subject", SUBJECT]) == 0
    assert "receipt: " in capsys.readouterr().out
