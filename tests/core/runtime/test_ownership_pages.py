"""Pages of two browsers: none shows the other's items."""

from __future__ import annotations

import os

import pytest
import streamlit as st

from core.data.registry import load
from core.errors import LabError
from core.experiments.session.limits import SessionLimits
from dashboard.session import classroom_options
from tests.core.runtime.browsers import MARK, PAGES, A, B, said, settled

pytestmark = pytest.mark.usefixtures("lab_home")


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


def test_a_named_folder_is_read_and_never_written(tmp_path, monkeypatch):
    import torchvision.datasets

    from tests.core.data.downloaded.test_idx import mnist_files

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
    with pytest.raises(LabError, match="Fashion-MNIST is not complete"):
        load("fashion_mnist", data_dir=tmp_path / "MNIST" / "raw", download=False)
