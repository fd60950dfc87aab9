"""After a purge nothing of the images is left: their bytes, their representations and their ids are looked for in every file."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys

from core import originals, references
from core.checkpoints import Checkpoints
from core.config import EvalConfig
from core.data import custom, load
from core.errors import RequestError
from core.methods import LAF
from core.models import outputs
from core.observer import Observer
from core.outcomes import outcome, outcomes
from core.packing import rounded_rows
from core.prepared import Kept
from core.projection import Projection
from core.purge import purge
from core.run import Run, finish
from core.runner import Runner
from core.runs import list_runs, read_run, record
from core.runs.stored import read_frame
from core.selection import Selection, load_list, save_list, saved_lists
from core.setup import Setup
from core.shelf import maps, models
from core.slices import drain
from dashboard.cli import main
from dashboard.state import Lab


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    custom._loaded.cache_clear()
    for shelf in (models, maps, outcomes):  # of the process; what other tests kept there is not on this disk
        monkeypatch.setattr(shelf, "_memory", type(shelf._memory)())
    yield tmp_path / "home"
    custom._loaded.cache_clear()


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
    model = drain(originals.original(split, LAF(toys.QUICK)))
    drain(references.retraining(split, model))
    drain(outcome(split, model, LAF(toys.QUICK)))
    observer = Observer(split, model, EvalConfig(frames=1000))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0)
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
    assert any("/frames/" in n for n in before)

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
    assert saved_lists(data) == ["more"]
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
    ("ids", "said"), [([], "no id"), ([10**9], "no training image"), (range(0, 160), "all training images")]
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
    from core.purge import Manifest

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
    kept = Kept()
    lab = Lab(Runner(workers=1), flat, Runner(workers=1), kept)
    try:
        assert lab.change(Setup(dataset=brought, task="class", classes=(1,), device="cpu")) is None
        setup = lab.experiment.setup
        until(lambda: lab.experiment.references or lab.experiment.error)
        assert lab.experiment.error is None
        stale = kept.get(setup)
        assert stale is not None
        assert not lab.drop_purged()
        experiment, comparing = lab.experiment, lab.comparing
        purge_elsewhere(brought, gone, tmp_path / "ids.txt")
        assert lab.drop_purged()
        assert not lab.drop_purged()
        assert "purged" in lab.notice
        assert experiment.closed
        assert lab.comparing is not comparing
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
    lab = Lab(Runner(workers=1), flat, Runner(workers=1), Kept())
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
