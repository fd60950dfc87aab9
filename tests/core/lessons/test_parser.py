"""Lesson files: the lessons that ship, and the sentence for each mistake."""

from __future__ import annotations

import re

import pytest

from core import load
from core.errors import DataError
from core.lessons import Action, read_lesson, read_lessons
from core.lessons.fact_names import PLAIN, PREFIXES, known_names
from core.lessons.schema import with_fields
from core.runs.original_models import net_training, original_key
from core.runtime.content_cache import SHIPPED as SHELF
from tests.core.lessons.files import LESSON, ROOT, SHIPPED, written


def test_the_eleven_lessons_can_be_read_and_each_has_what_a_lesson_has():
    lessons, problems = read_lessons([SHIPPED])
    assert problems == []
    assert [x.number for x in lessons] == list(range(1, 12))
    for x in lessons:
        assert x.prediction.answer is not None
        assert any(p.check is not None for p in x.parts)
        assert x.formula
        for p in x.parts:
            assert p.question is None or p.question.answer is not None
            assert not p.knobs or p.solution is not None


@pytest.mark.parametrize(
    ("was", "now_is", "said"),
    [
        ('title = "Forget"', "title = 3", "'title' of the lesson must be a text, got 3"),
        ("answer = 2", "answer = 3", "'answer' of the prediction is 3, but the choices are 1 to 2"),
        ("play = 4", "play = 0", "must be a step from 1 on or 'end', got 0"),
        ("play = 4", "fly = 4", "'do' of step 1 has no key 'fly'; it can have: label, open"),
        ("tau = 12", "tua = 12", "there is no hyperparameter 'tua'"),
        ("tau = 12", "tau = -1", "temperature must be a finite number > 0"),
        ("classes = [1]", 'task = "clas"', "'task' of the setup must be one of class, data"),
        ("classes = [1]", "client = 1", "the setup: client 1 can leave only where clients share the data"),
        ("classes = [1]", 'clients = "ten"', "'clients' of the setup must be a whole number"),
        ("classes = [1]", "clases = [1]", "the setup has no key 'clases'; it can have"),
        ("steps >= 4", "step >= 4", "step 1: the check"),
        ("[summary]", "[sumary]", "the lesson lacks 'summary'"),
        ("number = 20", "number = ", "is not TOML"),
    ],
)
def test_a_broken_lesson_is_named_with_the_reason_in_one_sentence(tmp_path, was, now_is, said):
    path = written(tmp_path, LESSON.replace(was, now_is))
    with pytest.raises(DataError) as caught:
        read_lesson(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    found, problems = read_lessons([tmp_path])
    assert found == []
    assert problems == [str(caught.value)]


def test_a_lesson_can_have_clients_one_of_whom_leaves(tmp_path):
    about = 'clients = 5\npartition = "shards"\nlocal_epochs = 1\nclient = 2'
    text = LESSON.replace("classes = [1]", about).replace('task = "class"', "")
    lesson = read_lesson(written(tmp_path, text))
    setup = lesson.setup
    assert (setup.task, setup.clients, setup.partition, setup.local_epochs, setup.client) == (
        "indices",
        5,
        "shards",
        1,
        2,
    )
    split = setup.split(load("digits"))
    assert split.forget_rows.tolist() == (split.dataset.clients.of == 2).nonzero().flatten().tolist()
    assert with_fields(setup, {"client": 4}).client == 4
    assert with_fields(setup, {"task": "class", "classes": [3]}).client is None


def test_a_teachers_own_lesson_replaces_the_one_it_is_named_after(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, title in ((one, "first"), (two, "second")):
        folder.mkdir()
        written(folder, LESSON.replace("Forget", title))
    assert [x.title for x in read_lessons([one, two])[0]] == ["second"]


def test_the_docs_list_every_name_with_its_meaning():
    text = (ROOT / "docs" / "lessons.md").read_text()
    rows = [f"| `{name}` | {meaning} |" for name, meaning in PLAIN.items()]
    rows += [f"| `{prefix}.` | {meaning} |" for prefix, meaning in PREFIXES.items()]
    assert [row for row in rows if row not in text.splitlines()] == []
    assert len(known_names()) == len(set(known_names()))


def test_the_example_of_the_docs_can_be_read(tmp_path):
    text = (ROOT / "docs" / "lessons.md").read_text()
    found = read_lesson(written(tmp_path, re.search(r"```toml\n(.*?)```", text, re.S).group(1)))
    assert found.parts[0].do == Action("Play to the end", begin={}, play="end")


def test_the_models_of_a_lesson_with_a_net_of_its_own_come_with_the_lab():
    for lesson in (x for x in read_lessons([SHIPPED])[0] if x.setup.net is not None):
        split = lesson.setup.split(load(lesson.setup.dataset))
        config = net_training(lesson.setup, split)
        key = original_key(split, config, lesson.setup.seed, "cpu")
        assert (SHELF / "models" / f"{key}.safetensors").exists(), "run assets/make_default.py"
        assert not lesson.own_seed
