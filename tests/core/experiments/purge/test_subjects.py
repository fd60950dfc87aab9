"""A purge of test images and of all images of a subject."""

from __future__ import annotations

import json

import pytest

from core.data import load
from core.data.forget_selection import Selection, save_list
from core.data.uploads import store
from core.errors import RequestError
from core.experiments.purge import purge
from core.runs.setup import Setup
from core.runs.storage import list_runs, read_run
from core.runtime.storage import load_state, save_state
from tests.core.experiments.purge.homes import SUBJECT, bring, contents, lay_run, pictures, pixels_of, traces


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
    assert (f"datasets/{classes}", "a dataset whose title may name a subject") in left
    assert (f"datasets/{classes}", "a dataset that knows a subject of that name with other images") in left
    assert (f"forget-sets/{school}/Zoë in May.json", "a list whose name may name a subject") in left
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


def test_a_subject_that_the_data_does_not_know_is_refused(home, brought):
    with pytest.raises(RequestError, match="no subject called 'Ann'"):
        purge(brought, subjects=["Ann"])
    assert not (home / "purges").exists()
