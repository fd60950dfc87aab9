"""Two browsers of one classroom: neither sees, changes or deletes the other's items, of any kind."""

from __future__ import annotations

import json

import pytest

from core.data.forget_selection import (
    Selection,
    load_list,
    save_list,
    saved_lists,
)
from core.data.registry import load
from core.data.uploads import store
from core.errors import LabError, RequestError
from core.experiments.session.preparation_cache import PreparationCache
from core.experiments.studies import (
    name_for,
)
from core.models import uploads
from core.runs.setup import Setup
from core.runs.storage import (
    list_runs,
    runs_of,
)
from core.runtime.ownership import Claims
from core.runtime.scheduler import Scheduler
from core.runtime.storage import home
from dashboard.session.lab import Lab
from dashboard.session.url_params import UrlRequest
from tests import toys
from tests.core.runtime.browsers import KINDS, MARK, A, B, files, proposal
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("lab_home")


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
    about = home() / "datasets" / data / "about.safetensors"
    save_state(about, {k: v for k, v in load_state(about).items() if k != "claims"})
    assert not (home() / "own-models" / f"{model}.json").exists()
    study = kinds["study"].make("old", None)
    path = home() / "studies" / study / "study.json"
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != "claims"}))
    for kind, key in (("dataset", data), ("model", model), ("study", study)):
        assert kinds[kind].seen(B) == [key]
        with pytest.raises(RequestError, match="in a terminal"):
            kinds[kind].changes[-1](key, B)


def test_a_run_from_before_there_was_a_file_for_its_owner_has_the_owner_of_run_json(kinds, a_run):
    mine, terminals = a_run("mine", A), a_run("terminal's", None)
    for path in home().rglob("owner.json"):
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
    (home() / "runs" / theirs / "run.json").write_text("damaged")
    assert list_runs(B)[1] == [], "and what is wrong with it is told to its owner"
    assert len(list_runs(A)[1]) == 1


def test_claims_are_plain_values_and_read_back():
    claims = Claims().claimed(A, "mine").claimed(None)
    assert Claims.read(json.loads(json.dumps(claims.as_dict()))) == claims
    for broken in ([], "x", {"owners": 1, "terminal": True}, {"owners": {"x": 1}, "terminal": False}):
        with pytest.raises(ValueError, match="owners"):
            Claims.read(broken)
    assert name_for("x", None) == "x"
    assert len(name_for("x" * 60, A)) <= 60
