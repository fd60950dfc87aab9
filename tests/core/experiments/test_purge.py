"""After a purge nothing of the images is left: their bytes, their representations and their ids are looked for in every file."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config import EvalConfig
from core.data import load
from core.data.forget_selection import Selection, load_list, save_list, saved_lists
from core.data.uploads import store
from core.errors import RequestError
from core.experiments.purge import proves, purge
from core.experiments.purge_names import Names
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.studies import jobs
from core.methods import LAF
from core.models.base import outputs
from core.projection.projection import Projection
from core.runs import original_models, reference_models
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import list_runs, note_run, read_run, record, rename_run, share_run
from core.runs.storage.frame_store import read_frame
from core.runs.unlearned_models import unlearned_model, unlearned_models_of
from core.runtime.content_cache import maps, models
from core.runtime.packing import rounded_rows
from core.runtime.progress import run_to_end
from core.runtime.purge_watch import purged_since
from core.runtime.scheduler import Scheduler
from core.runtime.storage import load_state, save_state
from dashboard.cli.main import main
from dashboard.session.lab import Lab
from tests import toys


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    store._loaded.cache_clear()
    for shelf in (
        models,
        maps,
        unlearned_models_of,
    ):  # of the process; what other tests kept there is not on this disk
        monkeypatch.setattr(shelf, "_memory", type(shelf._memory)())
    yield tmp_path / "home"
    store._loaded.cache_clear()


@pytest.fixture
def brought(home, tmp_path):
    """The key of data of one's own: the toy, as an npz."""
    made = toys.dataset()
    path = tmp_path / "mine.npz"
    np.savez(
        path, x_train=made.train.x[:, 0].numpy() * 15, y_train=made.train.y.numpy(),
        x_test=made.test.x[:, 0].numpy() * 15, y_test=made.test.y.numpy(),
    )  # fmt: skip
    return load(path).name


def contents(root: Path) -> dict[str, bytes]:
    """Every file under ``root``, every member of every zip and npz, and the arrays that are packed in frames."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            data = found[str(path.relative_to(root))] = path.read_bytes()
            if zipfile.is_zipfile(io.BytesIO(data)):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
            if path.parent.name == "frames":
                found[f"{path.relative_to(root)}/unpacked"] = b"".join(
                    a.tobytes() for a in read_frame(path)[1].values()
                )
    return found


def traces(root: Path, needles: list[bytes]) -> list[str]:
    return [name for name, data in contents(root).items() if any(n in data for n in needles)]


def lay(brought: str, ids: tuple[int, ...]):
    """A home full of what the Lab keeps of this data: models, maps, outcomes, lists, runs. The split, the original, the observer."""
    setup = Setup(dataset=brought, task="indices", classes=(), ids=ids)
    split = setup.split(load(brought))
    model = run_to_end(original_models.original(split, LAF(toys.QUICK)))
    run_to_end(reference_models.retraining(split, model))
    run_to_end(unlearned_model(split, model, LAF(toys.QUICK)))
    observer = Observer(split, model, EvalConfig(frames=1000))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0, umap=toys.Flat())
    run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints(every=2))
    record(run, setup)
    finish(run)
    run.recorder.close()
    return split, model, observer


def needles_of(split, model, rows) -> list[bytes]:
    """Bytes that would give the images away: pixels, pixels as floats, representations in both precisions and as frames round them."""
    images = split.train.take(rows)
    said = outputs(model, images).representations.numpy()
    return [
        *(x.numpy().tobytes() for x in images.x),
        *(x.numpy().tobytes() for x in images.floats(slice(None))),
        *(r.tobytes() for r in said),
        *(r.astype(np.float16).tobytes() for r in said),
        *(r.tobytes() for r in rounded_rows(said)),
    ]


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


def test_an_open_run_stops_it_before_anything_is_removed(home, brought):
    data = load(brought)
    split, model, observer = lay(brought, tuple(data.train.ids[:12].tolist()))
    run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints())
    record(run, Setup(dataset=brought, task="indices", classes=(), ids=tuple(data.train.ids[:12].tolist())))
    run.advance()
    held = contents(home)
    with pytest.raises(RequestError, match="open in the Lab"):
        purge(brought, [int(data.train.ids[0])])
    assert contents(home) == held
    run.recorder.close()


@pytest.mark.parametrize(
    ("ids", "said"),
    [([], "no image is named"), ([10**9], "no image of"), (range(0, 160), "all training images")],
)
def test_a_wrong_request_is_refused(home, brought, ids, said):
    with pytest.raises(RequestError, match=said):
        purge(brought, ids)


def test_a_subject_that_the_data_does_not_know_is_refused(home, brought):
    with pytest.raises(RequestError, match="no subject called 'Ann'"):
        purge(brought, subjects=["Ann"])
    assert not (home / "purges").exists()


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


def purge_elsewhere(brought: str, ids: list[int], path: Path) -> None:
    """As somebody does in a terminal beside a Lab that runs."""
    path.write_text("\n".join(map(str, ids)))
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "purge", "--dataset", brought, "--ids", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def until(wanted, seconds=120.0):
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


def test_what_a_running_process_holds_in_memory_goes_when_another_one_purges(home, brought, tmp_path):
    data = load(brought)
    lay(brought, tuple(data.train.ids[:12].tolist()))
    key = next((home / "models").glob("*.safetensors")).stem
    assert models.get(key) is not None
    assert load(brought) is data
    gone = data.train.ids[:12].tolist()
    purge_elsewhere(brought, gone, tmp_path / "ids.txt")
    assert models.get(key) is None
    assert maps._memory == {} or maps.get(next(iter(maps._memory))) is None
    assert set(gone).isdisjoint(load(brought).train.ids.tolist())


def test_a_lab_that_runs_goes_on_without_them_and_says_so(home, brought, tmp_path, flat):
    data = load(brought)
    gone = data.train.ids[:5].tolist()
    kept = PreparationCache()
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), kept)
    try:
        assert lab.change(Setup(dataset=brought, task="class", classes=(1,), device="cpu")) is None
        setup = lab.experiment.setup
        until(lambda: lab.experiment.references or lab.experiment.error)
        assert lab.experiment.error is None
        stale = kept.get(setup)
        assert stale is not None
        assert not lab.drop_purged()
        experiment, comparison_job = lab.experiment, lab.comparison_job
        purge_elsewhere(brought, gone, tmp_path / "ids.txt")
        assert lab.drop_purged()
        assert not lab.drop_purged()
        assert "purged" in lab.notice
        assert experiment.closed
        assert lab.comparison_job is not comparison_job
        assert kept.get(setup) is None
        kept.put(setup, stale)  # a thread of before that was at work
        assert kept.get(setup) is None
        assert lab.experiment.setup == setup
        until(lambda: lab.experiment.run is not None or lab.experiment.error)
        assert set(gone).isdisjoint(lab.map_ids.tolist())
        assert len(lab.experiment.split.train) == len(data.train) - 5
    finally:
        lab.close()


def test_a_lab_that_was_to_forget_them_opens_the_usual_data(home, brought, tmp_path, flat):
    gone = load(brought).train.ids[:5].tolist()
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), PreparationCache())
    try:
        wanted = Setup(dataset=brought, task="indices", classes=(), ids=tuple(gone), device="cpu")
        assert lab.change(wanted) is None
        purge_elsewhere(brought, gone, tmp_path / "ids.txt")
        assert lab.drop_purged()
        assert lab.experiment.setup == Setup()
    finally:
        lab.close()


@pytest.fixture
def flat():
    """A map without UMAP."""

    class Flat:
        def fit(self, e, seed):
            return np.ascontiguousarray(e[:, :2])

        def follow(self, previous, e):
            return np.ascontiguousarray(previous)

    return Flat()


# by content: one home with everything in it

SUBJECT = "Zoë Marlowe"
NAMED = [b"marlowe", "zoë".encode(), b"zo\\u00eb"]  # in small letters, in UTF-8 and as json escapes it


def bring(x: np.ndarray, y: np.ndarray, title: str, csv: list[str] | None = None) -> str:
    """Import images x (N, H, W) or (N, H, W, 3) without a test set of their own; the key."""
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y)
    table = None if csv is None else "\n".join(["id,subject", *csv]).encode()
    return store.keep(store.inspect(file.getvalue(), name=f"{title}.npz", subjects=table))


def pictures(seed: int, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 8, 8) of three patterns under noise, no two alike."""
    draw = np.random.default_rng(seed)
    y = np.arange(3).repeat(per_class)
    x = draw.integers(0, 200, (3, 8, 8))[y] + draw.integers(0, 56, (len(y), 8, 8))
    return x.astype(np.uint8), y


def packed(data: bytes) -> list[bytes]:
    """``data``, and whatever in it was packed by zip, zlib or gzip, wherever it begins."""
    found = [data]
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data):
        try:
            zlib.decompressobj(47).decompress(
                data[start.start() : start.start() + 200]
            )  # cheap where it is none
            out = zlib.decompressobj(47).decompress(data[start.start() :])
        except zlib.error:
            continue
        if len(out) >= 32:
            found.append(out)
    return found


def is_named(data: bytes) -> bool:
    small = data.lower()
    return any(n in small for n in NAMED)


def givers(root: Path, needles: list[bytes]) -> set[str]:
    """The files under ``root`` with one of the needles or her name in them, in their own name, or in what is packed in them."""
    found = set()
    for path in root.rglob("*"):
        shown = str(path.relative_to(root))
        if is_named(shown.encode()):
            found.add(shown)
        if path.is_file() and any(
            is_named(data) or any(n in data for n in needles) for data in packed(path.read_bytes())
        ):
            found.add(shown)
    return found


def pixels_of(data, ids: set[int]) -> list[bytes]:
    """Bytes of images: as kept, and as a net reads them."""
    found = []
    for part in (data.train, data.test):
        rows = torch.tensor([i in ids for i in part.ids.tolist()])
        if rows.any():
            images = part.take(rows)
            found += [x.numpy().tobytes() for x in images.x]
            found += [x.numpy().tobytes() for x in images.floats(slice(None))]
    return found


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
            {"schema": 1, "dataset": named, "ids_digest": hashlib.sha256(b"1,2").hexdigest(), "left": [],
             "removed": [{"path": "forget-sets/x/Zoe Marlowe.json", "what": "removed", "why": "a list"}]}
        ),
    }  # fmt: skip
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
    run_json = (home / "runs" / mine / "run.json").read_bytes()
    assert any(f in run_json for f in fingerprints)
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


def lay_run(setup: Setup, data) -> None:
    """A kept run with frames and states."""
    split = setup.split(data)
    model = run_to_end(original_models.original(split, LAF(toys.QUICK)))
    observer = Observer(split, model, EvalConfig(frames=1000))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0, umap=toys.Flat())
    run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints(every=2))
    record(run, setup)
    finish(run)
    run.recorder.close()


def lists_of_ids(value) -> list[tuple[str, list[int]]]:
    """(dataset, ids) of all settings and lists in a value of json."""
    if isinstance(value, list):
        return [found for v in value for found in lists_of_ids(v)]
    if not isinstance(value, dict):
        return []
    here = [(str(value["dataset"]), value["ids"])] if {"dataset", "ids"} <= value.keys() else []
    return here + [found for v in value.values() for found in lists_of_ids(v)]


# a subject's images are one thing


@pytest.fixture
def school(home):
    """Data of 90 images in three classes, 21 of them of her, 5 of those drawn into the test set."""
    x, y = pictures(1)
    return bring(x, y, "School", [f"{i},{SUBJECT if i % 30 < 7 else 'Bob Field'}" for i in range(len(x))])


def test_test_images_can_be_purged_by_their_ids(school):
    data = load(school)
    both = [int(data.train.ids[0]), int(data.test.ids[0])]
    assert purge(school, both).images == 2
    assert set(both).isdisjoint([*load(school).train.ids.tolist(), *load(school).test.ids.tolist()])


def test_a_run_that_was_only_tested_on_them_stays_without_frames(school):
    data = load(school)
    lay_run(Setup(dataset=school, task="class", classes=(1,), device="cpu"), data)
    purge(school, [int(data.test.ids[0])])
    (info,) = list_runs()[0]
    assert (info.frames, info.steps > 0) == (0, True)
    assert read_run(info.id).folder.model.exists()


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_class_is_never_left_without_images_unless_the_data_set_may_go_whole(home, school, part):
    images = getattr(load(school), part)
    ids = images.ids[images.y == 1].tolist()
    held = contents(home)
    with pytest.raises(RequestError, match=r"class '1' of School.*--remove-datasets"):
        purge(school, ids)
    assert contents(home) == held
    needles = pixels_of(load(school), set(ids))
    assert traces(home, needles)
    assert purge(school, ids, remove_datasets=True).images == len(ids)
    assert traces(home, needles) == []
    assert store.kept_keys() == []


def test_data_imported_before_subjects_of_test_images_were_kept_opens_and_the_purge_says_so(home, school):
    place = home / "datasets" / school / "images.safetensors"
    state = load_state(place)
    del state["test_subject_of"]
    save_state(place, state)
    store._loaded.cache_clear()
    data = load(school)
    assert data.test_subject_of is None
    assert data.counts_of(data.subjects.index(SUBJECT)) == (16, 0)
    manifest = purge(school, subjects=[SUBJECT])
    assert manifest.images == 16
    assert any("subjects on test images were not kept" in e.why for e in manifest.left)
    assert load(school).subjects == ("Bob Field",)


def test_what_cannot_be_decided_is_named(home, school):
    x, y = pictures(3)
    classes = bring(x, y, "School of Zoë", [f"{i},{SUBJECT}" for i in range(9)])
    save_list("Zoë in May", load(school), Selection([80]))
    manifest = purge(school, subjects=[SUBJECT])
    left = {(e.path, e.why.split(";")[0]) for e in manifest.left}
    assert (f"datasets/{classes}", "data whose title may be of a subject") in left
    assert (f"datasets/{classes}", "data that knows a subject of that name with other images") in left
    assert (f"forget-sets/{school}/Zoë in May.json", "a list whose name may be of a subject") in left
    assert load(classes).subjects == (SUBJECT,)  # other images of a subject of that name: only named
    kept = next((home / "purges").glob("*.json")).read_text()
    assert "Zo" not in kept


def test_a_list_that_loses_its_name_keeps_its_owner(home, school):
    folder = home / "forget-sets" / school
    folder.mkdir(parents=True)
    owner = "ab" * 12
    text = json.dumps({"format": 1, "dataset": school, "ids": [80]})
    for name in (f"{owner}~{SUBJECT}", f"{owner}~shared~of {SUBJECT}"):
        (folder / f"{name}.json").write_text(text)
    purge(school, subjects=[SUBJECT])
    assert {p.stem for p in folder.glob("*")} == {f"{owner}~purged list 1", f"{owner}~shared~purged list 1"}


@pytest.mark.parametrize(
    ("name", "text", "sure", "perhaps"),
    [
        ("Ann Lee", "for ANN  LEE, who asked", True, True),
        ("Ann Lee", "ann_lee-2", True, True),
        ("Ann Lee", "annlee", True, False),
        ("Ann Lee", "Joann Leeds", False, False),
        ("Ann Lee", "Lee's", False, True),
        ("Zoë", "Zoe\u0308!", True, True),
        ("Zoë", "ZOE", True, True),
        ("山田", "山田の写真", True, False),
        ("p1", "class p1 looks good", False, True),
        ("7", "step 7", False, True),
        ("a.b*c", "of a.b*c", True, True),
    ],
)
def test_a_name_is_found_as_a_person_would_read_it(name, text, sure, perhaps):
    names = Names([name])
    assert (names.is_in(text), names.may_hold(text)) == (sure, perhaps)
    assert names.is_one(name)
    assert (names.without(text) == text) >= (not sure)


def test_a_lab_that_holds_the_same_images_under_another_key_drops_them(home, school, flat):
    x, y = pictures(1)
    other = bring(x[::-1], y[::-1], "Backwards")
    lab = Lab(Scheduler(workers=1), flat, Scheduler(workers=1), PreparationCache())
    try:
        assert lab.change(Setup(dataset=other, task="class", classes=(1,), device="cpu")) is None
        experiment = lab.experiment
        until(lambda: experiment.run is not None or experiment.error)
        purge(school, subjects=[SUBJECT])
        assert lab.drop_purged()
        assert experiment.closed
        assert "purged" in lab.notice
        until(lambda: lab.experiment.split is not None or lab.experiment.error)
        assert len(lab.experiment.split.train) + len(lab.experiment.split.test) == 69
    finally:
        lab.close()


def test_a_study_that_is_being_run_stops_a_purge(home, school, monkeypatch):
    monkeypatch.setattr("core.experiments.studies.results_table.kept_studies", lambda: ["mine"])
    monkeypatch.setattr("core.experiments.studies.results_table.is_running", lambda name: name == "mine")
    held = contents(home)
    with pytest.raises(RequestError, match="study mine is being run"):
        purge(school, subjects=[SUBJECT])
    assert contents(home) == held


def test_what_jobs_of_studies_share_is_made_anew_after_a_purge(school):
    assert jobs._kept("images", lambda: 1) == 1
    assert jobs._kept("images", lambda: 2) == 1
    purge(school, subjects=[SUBJECT])
    assert jobs._kept("images", lambda: 2) == 2
    jobs._KEPT.clear()


def test_the_command_needs_ids_or_a_subject(home, school, capsys):
    assert main(["purge", "--dataset", school]) == 2
    assert "--ids FILE" in capsys.readouterr().err
    assert main(["purge", "--dataset", school, "--subject", SUBJECT]) == 0
    assert "receipt: " in capsys.readouterr().out
