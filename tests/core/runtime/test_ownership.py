"""Two browsers in one classroom: neither sees, changes or deletes what is the other's, on any page, by any address, in any kind."""

from __future__ import annotations

import io
import json
import os
import threading
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.data.forget_selection import (
    Selection,
    load_list,
    remove_list,
    save_list,
    saved_lists,
    share_list,
)
from core.data.registry import load
from core.data.uploads import store
from core.errors import LabError, RequestError
from core.experiments.session.limits import SessionLimits
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.studies import (
    ResultsTable,
    kept_studies,
    kept_study,
    name_for,
    parse_study,
    remove_study,
    share_study,
)
from core.lessons.assessment.progress import Progress, begin_anew, read_progress, tally, write_progress
from core.lessons.library import load_lessons
from core.methods import LAF
from core.models import uploads
from core.models.registry import build
from core.runs.run import Run
from core.runs.setup import Setup
from core.runs.storage import (
    let_go,
    list_runs,
    note_run,
    read_run,
    record,
    remove_run,
    rename_run,
    run_info,
    runs_of,
    share_run,
)
from core.runtime.ownership import Claims, owner
from core.runtime.scheduler import Scheduler
from dashboard.session import classroom_options, resources
from dashboard.session.jobs import study as studying
from dashboard.session.lab import Lab
from dashboard.session.url_params import UrlRequest
from tests import toys

A, B = "a" * 32, "b" * 32
MARK = "zebra"  # in every name that A gives
STUDY = "[fixed]\nsteps = 2\n[grid]\ntemperature = [5.0, 20.0]\n"


@pytest.fixture(autouse=True)
def lab_home(tmp_path, monkeypatch):
    """A home of its own, in a classroom."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(classroom_options, "_begun", None)
    monkeypatch.setattr(studying, "_driven", {})
    store._loaded.cache_clear()
    classroom_options.begin(SessionLimits())
    yield tmp_path / "home"
    classroom_options.begin(None)
    store._loaded.cache_clear()


# one of each kind


def photos(seed: int = 0) -> bytes:
    """A zip of two classes of 8x8 pictures."""
    draw = np.random.default_rng(seed)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for label in ("cat", "dog"):
            for number in range(12):
                picture = io.BytesIO()
                Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8)).save(picture, "PNG")
                archive.writestr(f"{label}/{number}.png", picture.getvalue())
    return file.getvalue()


def proposal(title: str, seed: int = 0) -> store.UploadPreview:
    return store.inspect(photos(seed), name=f"{title}.zip")


def a_model(title: str) -> uploads.UploadedModel:
    net = build("digits-cnn", (1, 8, 8), 10, seed=1)
    measured = uploads.Accuracy(0.5, (0.5,) * 10, 10, 10)
    about = uploads.ModelInfo(
        title, "digits-cnn", "Digits", 10, (1, 8, 8), 9, 128, None, "linear", measured, measured
    )
    return uploads.UploadedModel("0123456789abcdef", about, net, dict(net.state_dict()))


def begin_study(title: str, token: str | None) -> str:
    study = studying.mine(parse_study(STUDY, title), token)
    ResultsTable(study.name).describe(study, token)
    return study.name


@pytest.fixture
def a_run(toy_split, toy_model):
    """Keeps a short run for a browser; its id."""

    def make(title: str, token: str | None) -> str:
        run = Run(LAF(toys.QUICK), toy_model, toy_split)
        recorder = record(run, Setup(dataset="toy", classes=(1,)), token=token, name=title)
        run.advance()
        let_go(run)
        return recorder.id

    return make


@pytest.fixture
def kinds(a_run):
    """For each kind: make (title, token) -> key, seen (token) -> keys, changes (key, token), share (key, shared, token), use (key, token)."""
    digits = load("digits")
    return {
        "run": SimpleNamespace(
            make=a_run,
            seen=lambda t: [i.id for i in list_runs(t)[0]],
            changes=[
                lambda k, t: rename_run(k, "other", t),
                lambda k, t: note_run(k, "other", t),
                lambda k, t: share_run(k, True, t),
                lambda k, t: remove_run(k, t),
            ],
            share=share_run,
            use=[run_info, read_run],
        ),
        "dataset": SimpleNamespace(
            make=lambda title, t: store.keep(proposal(title), t),
            seen=lambda t: [d.key for d in store.kept(t)],
            changes=[
                lambda k, t: store.rename(k, "other", t),
                lambda k, t: store.share(k, True, t),
                lambda k, t: store.remove(k, t),
            ],
            share=store.share,
            use=[store.about],
        ),
        "model": SimpleNamespace(
            make=lambda title, t: uploads.keep(a_model(title), t),
            seen=lambda t: list(uploads.kept_models(t)),
            changes=[lambda k, t: uploads.share_model(k, True, t), uploads.remove_model],
            share=uploads.share_model,
            use=[uploads.model_info],
        ),
        "list": SimpleNamespace(
            make=lambda title, t: save_list(title, digits, Selection([1, 2]), t).stem,
            seen=lambda t: [one.key for one in saved_lists(digits, t)],
            changes=[
                lambda k, t: share_list(k, digits, True, t),
                lambda k, t: remove_list(k, digits, t),
            ],
            share=lambda k, shared, t: share_list(k, digits, shared, t),
            use=[lambda k, t: load_list(k, digits, t)],
        ),
        "study": SimpleNamespace(
            make=begin_study,
            seen=kept_studies,
            changes=[lambda k, t: share_study(k, True, t), studying.cancel, remove_study],
            share=share_study,
            use=[kept_study],
        ),
    }  # fmt: skip


KINDS = ("run", "dataset", "model", "list", "study")


def files(home) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(home.rglob("*")) if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_sees_and_changes_only_its_own(kind, kinds, lab_home):
    one = kinds[kind]
    key = one.make(MARK, A)
    before = files(lab_home)
    assert one.seen(A) == [key]
    assert one.seen(None) == [key]
    assert one.seen(B) == []
    for move in (*one.changes, *one.use):
        with pytest.raises(RequestError) as refused:
            move(key, B)
        assert "\n" not in str(refused.value)
    assert files(lab_home) == before
    for use in one.use:
        use(key, A)
    one.changes[-1](key, A)  # its own is deleted
    assert one.seen(None) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_and_what_is_another_browsers_get_one_sentence(kind, kinds):
    one = kinds[kind]
    key = one.make(MARK, A)
    told = []
    for there in (True, False):
        said = []
        for use in one.use:
            with pytest.raises(LabError) as refused:
                use(key, B)
            said.append((type(refused.value), str(refused.value)))
        told.append(said)
        if there:
            one.changes[-1](key, A)
    assert told[0] == told[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shared_is_seen_by_all_and_changed_by_its_owner_only(kind, kinds, lab_home):
    one = kinds[kind]
    key = one.make(MARK, A)
    key = one.share(key, True, A) or key  # a list's file is called otherwise
    assert one.seen(B) == [key]
    for use in one.use:
        use(key, B)
    before = files(lab_home)
    for move in one.changes:
        with pytest.raises(RequestError, match="read-only"):
            move(key, B)
    assert files(lab_home) == before
    one.share(key, False, A)
    assert one.seen(B) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_terminal_made_is_seen_by_all_and_changed_by_no_browser(kind, kinds, lab_home):
    one = kinds[kind]
    key = one.make(MARK, None)
    before = files(lab_home)
    assert one.seen(A) == one.seen(B) == [key]
    for move in one.changes:
        with pytest.raises(RequestError, match="in a terminal and is read-only"):
            move(key, B)
    assert files(lab_home) == before
    if kind != "study":
        one.changes[-1](key, None)
        assert one.seen(None) == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_holds_a_token(kind, kinds, lab_home):
    key = kinds[kind].make(MARK, A)
    kinds[kind].share(key, True, A)
    assert all(A not in name and A.encode() not in data for name, data in files(lab_home).items())


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_two_browsers_that_bring_the_same_content_have_a_claim_each(kind, kinds, lab_home):
    one = kinds[kind]
    key = one.make(MARK, A)
    assert one.make("mine", B) == key
    titles = {
        "dataset": lambda t: store.about(key, t).title,
        "model": lambda t: uploads.model_info(key, t).title,
    }[kind]
    assert (titles(A), titles(B)) == (MARK, "mine"), "neither reads the other's title"
    one.changes[-1](key, A)
    assert one.seen(A) == []
    assert one.seen(B) == [key]
    for use in one.use:
        use(key, B)
    one.changes[-1](key, B)
    assert not [name for name in files(lab_home) if key in name], "the files go with the last owner"


def test_two_browsers_may_give_lists_and_studies_the_same_name(kinds):
    digits = load("digits")
    for kind in ("list", "study"):
        keys = [kinds[kind].make("same", t) for t in (A, B)]
        assert keys[0] != keys[1]
        assert [kinds[kind].seen(t) for t in (A, B)] == [[keys[0]], [keys[1]]]
    save_list("same", digits, Selection([7]), A)
    assert [list(load_list(one.key, digits, t)) for t in (A, B) for one in saved_lists(digits, t)] == [
        [7],
        [1, 2],
    ]


def test_the_same_images_are_called_in_each_lab_as_its_browser_calls_them():
    key = store.keep(proposal(MARK), A)
    assert load(key).title == MARK
    store.keep(proposal("mine"), B)
    assert MARK not in load(key).title
    runner, kept = Scheduler(workers=1), PreparationCache()
    labs = [
        Lab(runner, toys.Flat(), Scheduler(workers=1), kept, browser=t, asked=UrlRequest(Setup(key)))
        for t in (A, B)
    ]
    try:
        until(lambda: all(lab.experiment.run is not None for lab in labs))
        assert [lab.experiment.dataset.title for lab in labs] == [MARK, "mine"]
        assert labs[0].experiment.split.dataset.fingerprint == labs[1].experiment.split.dataset.fingerprint
        assert MARK.encode() not in labs[1].scene()
    finally:
        for lab in labs:
            lab.close()


# what lies on disk from before


def test_what_was_kept_before_things_had_owners_counts_as_made_in_a_terminal(kinds):
    from core.runtime.storage import load_state, save_state

    data, model = kinds["dataset"].make("old", None), kinds["model"].make("old", None)
    about = store.home() / "datasets" / data / "about.safetensors"
    save_state(about, {k: v for k, v in load_state(about).items() if k != "claims"})
    assert not (store.home() / "own-models" / f"{model}.json").exists()
    study = kinds["study"].make("old", None)
    path = store.home() / "studies" / study / "study.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "claims"}))
    for kind, key in (("dataset", data), ("model", model), ("study", study)):
        assert kinds[kind].seen(B) == [key]
        with pytest.raises(RequestError, match="in a terminal"):
            kinds[kind].changes[-1](key, B)


def test_a_run_from_before_there_was_a_file_for_its_owner_has_the_owner_of_run_json(kinds, a_run):
    mine, terminals = a_run("mine", A), a_run("terminal's", None)
    for path in store.home().rglob("owner.json"):
        path.unlink()
    assert sorted(kinds["run"].seen(A)) == sorted([mine, terminals])
    assert kinds["run"].seen(B) == [terminals]
    assert runs_of(A) == [mine]


def test_another_browsers_run_is_not_read_for_a_list(kinds, a_run, monkeypatch):
    from core.runs.storage.folder import RunFolder

    theirs, mine = a_run(MARK, A), a_run("mine", B)
    read = []
    true = RunFolder.read_about
    monkeypatch.setattr(RunFolder, "read_about", lambda self: read.append(self.id) or true(self))
    assert kinds["run"].seen(B) == [mine]
    assert theirs not in read
    (store.home() / "runs" / theirs / "run.json").write_text("damaged")
    assert list_runs(B)[1] == [], "and what is wrong with it is told to its owner"
    assert len(list_runs(A)[1]) == 1


# addresses


def a_lab(token, asked=None, **limits):
    return Lab(
        Scheduler(workers=1), toys.Flat(), Scheduler(workers=1), PreparationCache(), browser=token, asked=asked, classroom=SessionLimits(**limits)
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["run", "dataset", "model"])
def test_an_address_of_what_is_another_browsers_is_refused_as_one_of_nothing(kind, kinds):
    one = kinds[kind]
    key = one.make(MARK, A)

    def asked():
        if kind == "run":
            return UrlRequest(run=key)
        return UrlRequest(Setup(key) if kind == "dataset" else Setup(model=key))

    told = []
    for _ in range(2):
        lab = a_lab(B, asked())
        try:
            told.append(lab.notice)
            assert lab.experiment.setup == Setup(), "the Lab as it begins"
        finally:
            lab.close()
        if key in one.seen(A):
            one.changes[-1](key, A)
    assert told[0] == told[1]
    assert "that is yours or shared" in told[0]


def test_a_shared_run_of_images_that_are_not_shared_does_not_open_them():
    key = store.keep(proposal(MARK), A)
    mine = a_lab(A, UrlRequest(Setup(key)))
    try:
        until(lambda: mine.experiment.run is not None)
        mine.experiment.play(1)
        until(lambda: mine.run_id is not None and mine.experiment.run.steps)
        run_id = mine.run_id
    finally:
        mine.close()
    share_run(run_id, True, A)
    lab = a_lab(B, UrlRequest(run=run_id))
    try:
        assert "no data is kept as" in lab.notice
    finally:
        lab.close()


def test_in_a_classroom_no_run_and_no_form_leads_to_another_folder(a_run, tmp_path):
    from dataclasses import replace

    lab = a_lab(A)
    try:
        assert lab.change(replace(lab.experiment.setup, data_dir=str(tmp_path))) is None
        assert lab.experiment.setup.data_dir is None
    finally:
        lab.close()
    study = replace(parse_study(STUDY, "s"), data_dir=str(tmp_path))
    assert studying.in_folder(study, Setup(data_dir=str(tmp_path))).data_dir is None


def test_a_study_of_another_browsers_images_is_not_begun():
    key = store.keep(proposal(MARK), A)
    study = parse_study(STUDY.replace("steps = 2", f'steps = 2\ndataset = "{key}"'), "theirs")
    with pytest.raises(RequestError, match="no data is kept"):
        studying.start(study, token=B)
    assert kept_studies() == []


# lessons


def test_progress_is_each_browsers_own_and_counting_anew_changes_only_ones_own_count():
    lesson = load_lessons()[0][0]
    for token, choice in ((A, 1), (B, 2)):
        write_progress(lesson, owner(token), Progress(prediction=choice, predicted="2026-01-01T00:00:00"))
    assert [read_progress(lesson, owner(t)).prediction for t in (A, B)] == [1, 2]
    begin_anew(lesson, browser=owner(B))
    assert tally(lesson, browser=owner(B)).total == 0
    assert tally(lesson, browser=owner(A)).total == 2


# totals


def test_a_new_cookie_is_no_new_allowance(kinds, monkeypatch):
    limits = SessionLimits(datasets=1, models=1, disk_mb=1)
    limits.check_dataset()
    kinds["dataset"].make(MARK, A)
    kinds["model"].make(MARK, A)
    for check, words in ((limits.check_dataset, "at most 1 imported"), (limits.check_model, "at most 1 own")):
        with pytest.raises(RequestError, match=words):
            check()
    (store.home() / "runs").mkdir(exist_ok=True)
    (store.home() / "runs" / "large").write_bytes(bytes(2**20))
    full = SessionLimits(disk_mb=1)
    with pytest.raises(RequestError, match="all of its 1 MB of disk"):
        full.check_disk()
    assert "1 MB of disk" in full.why_not_kept(B)


def test_the_page_keeps_no_dataset_beyond_the_total_whoever_asks(kinds):
    from dashboard.forms import dataset_upload

    kinds["dataset"].make(MARK, A)
    lab = a_lab(B, datasets=1)
    try:
        for seed in (0, 1):  # the same images as A's, and others
            assert "at most 1 imported datasets" in dataset_upload._open(lab, proposal("mine", seed), "mine")
        assert store.kept(B) == []
    finally:
        lab.close()


@pytest.mark.parametrize("name", ["sessions", "datasets", "models", "disk_mb"])
def test_a_total_that_means_nothing_is_refused(name):
    with pytest.raises(RequestError, match=name):
        SessionLimits(**{name: -1})


# the pages


PAGES = ("lab", "forget", "attack", "compare", "studies", "judge", "lessons", "runs", "audit", "guide")


def a_page(name: str, token: str, **address: str) -> AppTest:
    script = f"from dashboard.session import resources as cache\nfrom dashboard.views import {name}\n{name}.page(cache.lab())"
    if name == "guide":
        script = "import runpy\nfrom dashboard.views import guide\nrunpy.run_path(guide.__file__, run_name='__main__')"
    app = AppTest.from_string(script, default_timeout=120)
    app.session_state["laf-browser"] = token
    for key, value in address.items():
        app.query_params[key] = value
    return app.run()


@pytest.fixture
def pages():
    """Ends what the pages of a test began."""
    st.cache_resource.clear()
    yield a_page
    st.cache_resource.clear()
    until(lambda: not len(resources.runner()) and not len(resources.map_runner()))


def until(met, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        threading.Event().wait(0.05)


def said(app: AppTest) -> str:
    """Everything that the page says, in all its elements."""

    def walk(node):
        yield str(getattr(node, "proto", ""))
        for child in getattr(node, "children", {}).values():
            yield from walk(child)

    return "\n".join(walk(app._tree))


def settled(app: AppTest) -> AppTest:
    """The page once its Lab is prepared, with every popover open."""
    end = time.monotonic() + 120
    while "…</b>" in said(app) or "being read" in said(app) or "being prepared" in said(app):
        assert time.monotonic() < end
        time.sleep(0.1)
        app.run()
    for key in [k for k in app.session_state.keys() if k.split("-")[0] in ("data", "forget", "lists")]:  # noqa: SIM118
        if isinstance(app.session_state[key], bool):
            app.session_state[key] = True
    return app.run()


@pytest.fixture
def of_a(kinds):
    """A's things, one of each kind; what B must never read."""
    keys = {kind: kinds[kind].make(f"{MARK} {kind}" if kind != "study" else MARK, A) for kind in KINDS}
    return {MARK, A, owner(A), *keys.values()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_one_browser_says_nothing_of_the_others(name, of_a, pages):
    app = settled(pages(name, B))
    assert not app.exception
    found = said(app)
    assert [word for word in of_a if word in found] == []


@pytest.mark.parametrize(
    ("name", "kind"), [("lab", "dataset"), ("forget", "list"), ("studies", "study"), ("runs", "run")]
)
def test_the_same_pages_show_their_owner_what_is_there(name, kind, of_a, pages):
    app = settled(pages(name, A))
    assert not app.exception
    assert MARK in said(app)


def test_a_run_from_a_terminal_is_read_only_on_the_page(a_run, pages):
    run_id = a_run("from-terminal", None)
    app = pages("runs", A)
    app.checkbox(key=f"run-{run_id}").check().run()
    assert not app.exception
    keys = {w.key for w in (*app.button, *app.text_input, *app.text_area, *app.toggle)}
    assert not keys & {"run-delete", f"name-{run_id}", f"note-{run_id}", f"shared-{run_id}"}
    assert "run-fork" in keys


def test_the_folder_box_is_absent_in_a_classroom_and_there_elsewhere(pages):
    def boxes():
        app = settled(pages("lab", A))
        choice = next(r for r in app.radio if r.label == "Dataset")
        choice.set_value("mnist").run()
        assert not app.exception
        return [t.label for t in app.text_input if t.label.startswith("Folder with its files")]

    assert boxes() == []
    st.cache_resource.clear()
    classroom_options.begin(None)
    assert len(boxes()) == 1


def test_one_tab_too_many_gets_a_calm_page(pages):
    classroom_options.begin(SessionLimits(sessions=1))
    first = pages("lab", A)
    assert not first.exception
    second = pages("lab", B)
    assert not second.exception
    assert [i.value for i in second.info] == [
        "The room is full: 1 tabs are open, the most in this classroom. Close one that you no longer need, or try again in a minute."
    ]
    assert not second.button or [b.label for b in second.button] == ["Try again"]
    first.run()
    assert not first.info, "who is in stays in"


def test_claims_are_plain_values_and_read_back():
    claims = Claims().claimed(A, "mine").claimed(None)
    assert Claims.read(json.loads(json.dumps(claims.as_dict()))) == claims
    for broken in ([], "x", {"owners": 1, "terminal": True}, {"owners": {"x": 1}, "terminal": False}):
        with pytest.raises(ValueError, match="owners"):
            Claims.read(broken)
    assert name_for("x", None) == "x"
    assert len(name_for("x" * 60, A)) <= 60


def test_a_named_folder_is_read_and_never_written(tmp_path, monkeypatch):
    import torchvision.datasets

    from tests.core.data.test_split import mnist_files

    def fetch(*args, **kwargs):
        raise AssertionError("nothing is fetched into a folder that the page names")

    for name in ("MNIST", "CIFAR10", "SVHN"):
        monkeypatch.setattr(torchvision.datasets, name, fetch) if name == "MNIST" else None
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("mnist", "fashion_mnist", "cifar10", "svhn"):
        with pytest.raises(LabError, match="or name no folder") as refused:
            load(name, data_dir=empty, download=False)
        assert "\n" not in str(refused.value)
    assert os.listdir(empty) == []
    for flat in (tmp_path / "flat", tmp_path / "MNIST" / "raw"):
        flat.mkdir(parents=True)
        for name, data in mnist_files().items():
            (flat / name).write_bytes(data)
        assert len(load("mnist", data_dir=flat, download=False).train) == 30
        assert sorted(os.listdir(flat)) == sorted(mnist_files())
    with pytest.raises(LabError, match="Fashion-MNIST is not"):
        load("fashion_mnist", data_dir=tmp_path / "MNIST" / "raw", download=False)
