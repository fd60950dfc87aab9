"""A home with kept data of every kind gives nothing away after a purge."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core.data import load
from core.data.forget_selection import Selection, save_list
from core.data.images import Dataset
from core.data.uploads import store
from core.experiments.purge import proves
from core.runs.setup import Setup
from core.runs.storage import list_runs, note_run, read_run, rename_run, share_run
from core.runs.storage.index import RunInfo
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


@dataclass
class WholeHome:
    """A home with kept data of every kind, and the traces that SUBJECT's images left in it."""

    home: Path
    named: str  # keys of uploads: with SUBJECT's name, the same images in other order, also in colour, removed since
    other: str
    in_colour: str
    removed: str
    apart: str  # other images
    data: dict[str, Dataset]  # by key, all with SUBJECT's images
    where: dict[str, set[int]]  # by key, ids of SUBJECT's images
    traces: list[bytes] = field(default_factory=list)

    @property
    def learnt(self) -> Setup:
        """Request of a run that learnt from SUBJECT's images."""
        return Setup(dataset=self.other, task="class", classes=(1,), device="cpu")


def upload_everything(home: Path) -> WholeHome:
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
    shuffled = {i for i, j in enumerate(order) if j in hers}
    where = {named: set(hers), other: shuffled, in_colour: set(shuffled)}
    where[removed] = {i for i, j in enumerate(order[::-1]) if j in hers}
    data = {key: load(key) for key in (named, other, in_colour, removed)}
    assert load(named).counts_of(load(named).subjects.index(SUBJECT)) == (16, 5)
    return WholeHome(home, named, other, in_colour, removed, apart, data, where)


def make_runs_and_caches(whole: WholeHome) -> None:
    for key, data in whole.data.items():
        ids = whole.where[key] & set(data.train.ids.tolist())
        split, _, observer = lay(key, tuple(sorted(ids)))
        said = observer.original.train.representations[np.isin(split.train.ids.numpy(), sorted(ids))]
        whole.traces += pixels_of(data, whole.where[key])
        whole.traces += [r.tobytes() for r in np.asarray(said)]
        whole.traces += [r.astype(np.float16).tobytes() for r in np.asarray(said)]
        maps.put(f"{key[4:]}0", {"representations": torch.as_tensor(said)}, dataset=key)
    lay_run(whole.learnt, whole.data[whole.other])
    lay_run(Setup(dataset=whole.apart, task="class", classes=(1,), device="cpu"), load(whole.apart))
    store.remove(whole.removed)
    for info in list_runs()[0]:
        rename_run(info.id, f"without {SUBJECT}")
        note_run(info.id, "ZOE MARLOWE asked for it in May")
        share_run(info.id)


def run_on(dataset: str) -> RunInfo:
    return next(info for info in list_runs()[0] if info.setup.dataset == dataset)


def write_lists_and_texts(whole: WholeHome) -> None:
    home, named = whole.home, whole.named
    ids = sorted(whole.where[named] & set(whole.data[named].train.ids.tolist()))
    save_list("Zoe Marlowe", whole.data[named], Selection(ids))
    save_list("all but zoe-marlowe", whole.data[named], Selection([*ids[:2], 80]))
    save_list("zoë marlowe", load(whole.apart), Selection([1, 2]))
    text_of = {
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
    for place, text in text_of.items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        (home / place).write_text(text)
    images = (home / "datasets" / named / "images.safetensors").read_bytes()
    (home / "datasets" / named / ".images.safetensors.ab12cd_9").write_bytes(images)
    (home / "datasets" / f".{named}-0a1b2c3d").mkdir()
    (home / "datasets" / f".{named}-0a1b2c3d" / "images.safetensors").write_bytes(images)


def require_images_are_gone(whole: WholeHome) -> None:
    for key in (whole.named, whole.other, whole.in_colour):
        before, after = whole.data[key], load(key)
        assert len(after.train) + len(after.test) == len(before.train) + len(before.test) - 21
        assert whole.where[key].isdisjoint([*after.train.ids.tolist(), *after.test.ids.tolist()])
        assert SUBJECT not in after.subjects
    named = load(whole.named)
    assert {named.subjects[i] for i in named.subject_of.tolist()} == {"Bob Field"}
    for path in whole.home.rglob("*.json"):  # no settings or list has an id of the images
        for dataset, listed in lists_of_ids(json.loads(path.read_bytes())):
            assert whole.where.get(dataset, set()).isdisjoint(listed), path


def require_manifest_proves(home: Path, receipt: str) -> None:
    (kept,) = (home / "purges").glob("2*-*[1-9]*.json")
    manifest = json.loads(kept.read_text())
    assert receipt not in kept.read_text()
    assert proves(manifest, receipt, subjects=[SUBJECT])
    assert not proves(manifest, receipt, subjects=["Bob Field"])
    assert not proves(manifest, "00" * 32, subjects=[SUBJECT])
    assert "ids_digest" not in (home / "purges" / "20260101-000000-000000.json").read_text()


def test_a_home_with_everything_in_it_gives_nothing_away_after_a_purge(home, tmp_path, capsys):
    whole = upload_everything(home)
    make_runs_and_caches(whole)
    mine = run_on(whole.named).id
    assert main(["runs", "export", mine, "--format", "csv", "--out", str(home / "export.zip")]) == 0
    frames = read_run(mine).frames
    assert frames
    assert frames[0].representations is not None
    write_lists_and_texts(whole)

    before = givers(home, whole.traces[::8])
    for wanted in ("datasets/", "runs/", "forget-sets/", "studies/", "lessons/", "purges/", "maps/"):
        assert any(name.startswith(wanted) for name in before), wanted
    fingerprints = [data.fingerprint.encode() for data in whole.data.values()]
    run_json = (home / "runs" / mine / "run.json").read_bytes()
    assert any(f in run_json for f in fingerprints)
    asked = ["purge", "--dataset", whole.named, "--subject", SUBJECT]
    seen = contents(home)
    assert main([*asked, "--dry-run"]) == 0
    assert contents(home) == seen
    capsys.readouterr()
    assert main([*asked, "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)

    assert givers(home, whole.traces + fingerprints) == set()
    assert told["images"] == 21
    assert told["datasets"] == [*sorted([whole.other, whole.in_colour]), whole.named]
    assert set(told["datasets"]) <= purged_since(0)
    require_images_are_gone(whole)
    apart_run = run_on(whole.apart)  # loses name and note, and keeps the rest
    assert (apart_run.name, apart_run.note, apart_run.frames > 0) == ("", "", True)
    assert not [i for i in list_runs()[0] if i.setup == whole.learnt]
    assert list_runs()[1] == []
    require_manifest_proves(home, told["receipt"])
