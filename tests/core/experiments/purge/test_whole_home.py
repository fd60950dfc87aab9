"""A home with kept data of every kind gives nothing away after a purge."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import torch

from core.data import load
from core.data.forget_selection import Selection, save_list
from core.data.uploads import store
from core.experiments.purge import proves
from core.runs.setup import Setup
from core.runs.storage import list_runs, note_run, read_run, rename_run, share_run
from core.runtime.content_cache import maps
from core.runtime.purge_watch import purged_since
from dashboard.cli.main import main
from tests.core.experiments.purge.homes import (
    SUBJECT,
    bring,
    contents,
    givers,
    lay,
    lay_run,
    lists_of_ids,
    pictures,
    pixels_of,
)


def test_a_home_with_everything_in_it_gives_nothing_away_after_a_purge(home, tmp_path, capsys):
    x, y = pictures(1)
    order = np.random.default_rng(2).permutation(len(x))
    hers = [i for i in range(len(x)) if i % 30 < 7]  # 21 of 90
    csv = [f"{i},{SUBJECT if i in hers else 'Bob Field'}" for i in range(len(x))]
    named = bring(x, y, f"Class of {SUBJECT}", csv)
    other = bring(x[order], y[order], "The same without names")
    colour = np.concatenate(
        [np.repeat(x[order][..., None], 3, -1), [np.full((8, 8, 3), (9, 200, 31), np.uint8)]]
    )
    in_colour = bring(colour, np.append(y[order], 0), "The same beside one in colour")
    removed = bring(x[order[::-1]], y[order[::-1]], "The same, removed")
    apart = bring(*pictures(5), "Others")
    held = {key: load(key) for key in (named, other, in_colour, removed)}
    assert load(named).counts_of(load(named).subjects.index(SUBJECT)) == (16, 5)

    where = {named: set(hers)}  # ids of her images in each import
    where[other] = {i for i, j in enumerate(order) if j in hers}
    where[in_colour] = set(where[other])
    where[removed] = {i for i, j in enumerate(order[::-1]) if j in hers}
    needles = []
    for key, data in held.items():
        ids = where[key] & set(data.train.ids.tolist())
        split, _, observer = lay(key, tuple(sorted(ids)))
        said = observer.original.train.representations[np.isin(split.train.ids.numpy(), sorted(ids))]
        needles += pixels_of(data, where[key])
        needles += [r.tobytes() for r in np.asarray(said)]
        needles += [r.astype(np.float16).tobytes() for r in np.asarray(said)]
        maps.put(f"{key[4:]}0", {"representations": torch.as_tensor(said)}, dataset=key)
    learnt = Setup(dataset=other, task="class", classes=(1,), device="cpu")
    lay_run(learnt, held[other])
    lay_run(Setup(dataset=apart, task="class", classes=(1,), device="cpu"), load(apart))
    store.remove(removed)

    infos = {i.id: i for i in list_runs()[0]}
    for i in infos.values():
        rename_run(i.id, f"without {SUBJECT}")
        note_run(i.id, "ZOE MARLOWE asked for it in May")
        share_run(i.id)
    mine = next(i.id for i in infos.values() if i.setup.dataset == named)
    assert main(["runs", "export", mine, "--format", "csv", "--out", str(home / "export.zip")]) == 0
    frames = read_run(mine).frames
    assert frames
    assert frames[0].representations is not None
    ids = sorted(where[named] & set(held[named].train.ids.tolist()))
    save_list("Zoe Marlowe", held[named], Selection(ids))
    save_list("all but zoe-marlowe", held[named], Selection([*ids[:2], 80]))
    save_list("zoë marlowe", load(apart), Selection([1, 2]))
    note_of = {
        "studies/marlowe-zoe-marlowe/.lock": "",
        "studies/marlowe-zoe-marlowe/study.toml": f'title = "{SUBJECT}"\n',
        "studies/marlowe-zoe-marlowe/study.json": json.dumps({"name": "marlowe-zoe-marlowe"}),
        "studies/marlowe-zoe-marlowe/rows.jsonl": json.dumps({"key": "k", "error": f"of {SUBJECT}"}) + "\n",
        "lessons/progress/everybody/first/0123456789abcdef.json": json.dumps(
            {"passed": {"1": {"setup": {"dataset": named, "ids": [*ids, 80]}, "note": f"{SUBJECT}!"}}}
        ),
        "purges/20260101-000000-000000.json": json.dumps(
            {
                "schema": 1,
                "dataset": named,
                "ids_digest": hashlib.sha256(b"1,2").hexdigest(),
                "left": [],
                "removed": [{"path": "forget-sets/x/Zoe Marlowe.json", "what": "removed", "why": "a list"}],
            }
        ),
    }
    for place, text in note_of.items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(text)
    images = (home / "datasets" / named / "images.safetensors").read_bytes()
    (home / "datasets" / named / ".images.safetensors.ab12cd_9").write_bytes(images)
    (home / "datasets" / f".{named}-0a1b2c3d").mkdir()
    (home / "datasets" / f".{named}-0a1b2c3d" / "images.safetensors").write_bytes(images)

    before = givers(home, needles[::8])
    for wanted in ("datasets/", "runs/", "forget-sets/", "studies/", "lessons/", "purges/", "maps/"):
        assert any(name.startswith(wanted) for name in before), wanted
    fingerprints = [data.fingerprint.encode() for data in held.values()]
    assert givers(home, fingerprints) & {f"runs/{mine}/run.json"}
    asked = ["purge", "--dataset", named, "--subject", SUBJECT]
    seen = contents(home)
    assert main([*asked, "--dry-run"]) == 0
    assert contents(home) == seen
    capsys.readouterr()
    assert main([*asked, "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert givers(home, needles + fingerprints) == set()
    assert told["images"] == 21
    assert told["datasets"] == [*sorted([other, in_colour]), named]
    assert set(told["datasets"]) <= purged_since(0)
    for key in (named, other, in_colour):
        left = load(key)
        assert len(left.train) + len(left.test) == len(held[key].train) + len(held[key].test) - 21
        assert where[key].isdisjoint([*left.train.ids.tolist(), *left.test.ids.tolist()])
        assert SUBJECT not in left.subjects
    assert {load(named).subjects[i] for i in load(named).subject_of.tolist()} == {"Bob Field"}
    for path in home.rglob("*.json"):  # no list of ids that names one of hers, in any settings
        for dataset, listed in lists_of_ids(json.loads(path.read_bytes())):
            assert where.get(dataset, set()).isdisjoint(listed), path
    (apart_run,) = [
        i for i in list_runs()[0] if i.setup.dataset == apart
    ]  # loses what it says of her, no more
    assert (apart_run.name, apart_run.note, apart_run.frames > 0) == ("", "", True)
    assert not [i for i in list_runs()[0] if i.setup == learnt]
    assert list_runs()[1] == []
    (kept,) = (home / "purges").glob("2*-*[1-9]*.json")
    manifest = json.loads(kept.read_text())
    assert told["receipt"] not in kept.read_text()
    assert proves(manifest, told["receipt"], subjects=[SUBJECT])
    assert not proves(manifest, told["receipt"], subjects=["Bob Field"])
    assert not proves(manifest, "00" * 32, subjects=[SUBJECT])
    assert "ids_digest" not in (home / "purges" / "20260101-000000-000000.json").read_text()
