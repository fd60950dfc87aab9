"""Lessons: their files, the checks' language, progress and the class's tally, submissions, and what is said when something is wrong."""

from __future__ import annotations

import json
import math
import random
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core import config
from core.errors import DataError, LabError, RequestError
from core.experiments.session import reference_pool
from core.lessons import Action, read_lesson, read_lessons, replay
from core.lessons.assessment.grading import as_csv, grade
from core.lessons.assessment.progress import (
    Progress,
    begin_anew,
    class_named,
    now,
    read_progress,
    tally,
    write_progress,
)
from core.lessons.assessment.submission import (
    Student,
    digest_of,
    edited,
    evidence,
    read_submission,
    seed_of,
    submission,
)
from core.lessons.checks import read_check
from core.lessons.fact_names import PLAIN, PREFIXES, known_names
from core.lessons.facts import facts_of
from core.lessons.replay import play_lesson
from core.runs import reference_models
from core.runs.diagnostics import alarms
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text.formula import mathml, prose
from dashboard.session.jobs.lesson_export import replaying
from tests import toys

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "core" / "lessons" / "builtin"
WHO = Student("Ada", "k-17", "")

LESSON = """
number = 20
title = "Forget"
goal = "A goal."
[setup]
classes = [1]
[prediction]
question = "What?"
choices = ["this", "that"]
answer = 2
[[steps]]
title = "Play"
text = "Text."
do = { label = "Play", begin = { tau = 12 }, play = 4 }
check = 'steps >= 4 and tau == 12'
[steps.question]
text = "Why?"
choices = ["a", "b"]
answer = 1
[summary]
text = "Done."
formula = 'D_r'
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, quick training, and two retrained models in place of five: neither is under test here."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=4))
    for module in (reference_models, reference_pool, replay):
        monkeypatch.setattr(module, "usual_count", lambda family: 2)
    return tmp_path / "home"


def written(tmp_path, text: str, name: str = "own.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.fixture
def lesson(tmp_path):
    return read_lesson(written(tmp_path, LESSON))


# the files


def test_the_eight_lessons_can_be_read_and_each_has_what_a_lesson_has():
    lessons, problems = read_lessons([SHIPPED])
    assert problems == []
    assert [x.number for x in lessons] == list(range(1, 9))
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
        ("play = 4", "fly = 4", "'do' of step 1 has 'fly', which lessons do not know"),
        ("tau = 12", "tua = 12", "there is no knob 'tua'"),
        ("tau = 12", "tau = -1", "temperature must be a finite number > 0"),
        ("classes = [1]", 'task = "clas"', "the task of the setup is 'clas'"),
        ("classes = [1]", "clases = [1]", "the setup has 'clases'; it can have"),
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


def test_a_teachers_own_lesson_replaces_the_one_it_is_named_after(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, title in ((one, "first"), (two, "second")):
        folder.mkdir()
        written(folder, LESSON.replace("Forget", title))
    assert [x.title for x in read_lessons([one, two])[0]] == ["second"]


# the checks


def test_checks_agree_with_python_on_random_expressions():
    chance = random.Random(0)
    names = ["train_f", "test_r", "steps"]

    def some(deep: int) -> str:
        if deep == 0 or chance.random() < 0.3:
            a, b = chance.choice(names), chance.choice([*names, "0.5", "2 * 0.25", "(train_f + 0.1)"])
            return f"{a} {chance.choice(['<', '<=', '>', '>=', '==', '!='])} {b}"
        if chance.random() < 0.2:
            return f"not ({some(deep - 1)})"
        return f"({some(deep - 1)}) {chance.choice(['and', 'or'])} ({some(deep - 1)})"

    for _ in range(300):
        text = some(3)
        facts = {n: chance.choice([0.0, 0.25, 0.5, 0.75, 1.0]) for n in names}
        assert read_check(text).verdict({**facts, "alarms": frozenset()}).passed == eval(text, {}, facts), (
            text
        )


@pytest.mark.parametrize(
    ("text", "facts", "passed"),
    [
        ("train_f < 2 %", {"train_f": 0.019}, True),
        ('alarm "Collapse"', {"alarms": {"collapse"}}, True),
        ('not alarm "collapse"', {"alarms": {"collapse"}}, False),
        ("js < 0.5", {"js": None}, False),
        ("not js < 0.5", {"js": None}, False),
        ("js < 0.5 or steps > 1", {"js": None, "steps": 2}, True),
        ("0.1 < train_f < 0.3", {"train_f": 0.2}, True),
        ('losses == "ue"', {"losses": "ue"}, True),
        ("lr_ra / lr_ue >= 2", {"lr_ra": 1.0, "lr_ue": 0.0}, False),
        ("steps > 1 or steps > 5 and steps > 9", {"steps": 2}, True),
    ],
)
def test_what_checks_say(text, facts, passed):
    assert read_check(text).verdict(facts).passed is passed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train_x < 1", "did you mean 'train_r'"),
        ("train_f", "a comparison such as < 0.02 is missing"),
        ("train_f < ", "at the end"),
        ('__import__("os").system("x")', "cannot be read"),
        ("alarm collapse", 'write alarm "collapse"'),
        ("(" * 40 + "steps > 1" + ")" * 40, "nested more than 20 deep"),
        ("steps > 1 steps > 2", "expected the end"),
        ("steps > 1; steps", "cannot be read"),
        ("steps > 1 or " * 60 + "steps > 1", "at most 500 characters"),
    ],
)
def test_a_wrong_check_is_told_in_one_sentence(text, said):
    with pytest.raises(RequestError, match=re.escape(said)):
        read_check(text)


def test_facts_are_those_of_the_run(unlearned, class_split, digits_model):
    from core.config import EvalConfig
    from core.methods import LAF
    from core.runs.observer import Observer
    from core.runs.run import Run

    observer = Observer(class_split, digits_model, EvalConfig.preset("digits"), seed=0)
    run = Run(LAF(), digits_model, class_split, seed=0, observer=observer)
    while len(run.steps) < 30:
        run.advance()
    other = observer.original.reading
    found = facts_of(run, Setup(), [other], fork=run)
    last = run.frames[-1].reading
    assert set(PLAIN) <= {*found, *(k for k in PLAIN if "measurement" in PLAIN[k])}
    assert found["train_f"] == last.train_f == found["fork.train_f"]
    assert found["original.test_r"] == other.test_r == found["retrained.test_r"]
    assert found["lowest.test_r"] == min(f.reading.test_r for f in run.frames)
    assert found["alarms"] == {a.name.lower() for a in alarms(run, [other])}
    assert (found["tau"], found["lr_ra"], found["steps"]) == (run.config.temperature, run.config.lr_ra, 30)
    assert found["vae_last"] == run.progress["vae"].curve[-1]
    assert found["vae_last"] < found["vae_first"]
    assert math.isclose(
        found["angle_f"], sorted_median(run.frames[-1].angles[observer.evaluator.is_forget.numpy()])
    )


def sorted_median(values) -> float:
    ordered = sorted(map(float, values))
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def test_the_docs_list_every_name_and_the_page_of_lessons():
    text = (ROOT / "docs" / "lessons.md").read_text()
    assert [n for n in (*PLAIN, *(f"{p}." for p in PREFIXES)) if f"`{n}`" not in text] == []
    assert len(known_names()) == len(set(known_names()))
    example = re.search(r"```toml\n(.*?)```", text, re.S).group(1)
    assert example


def test_the_example_of_the_docs_can_be_read(tmp_path):
    text = (ROOT / "docs" / "lessons.md").read_text()
    found = read_lesson(written(tmp_path, re.search(r"```toml\n(.*?)```", text, re.S).group(1)))
    assert found.parts[0].do == Action("Play to the end", begin={}, play="end")


# progress, tally


def test_progress_is_kept_for_each_browser_and_class_and_counted(home, lesson):
    for browser, group, choice in (("aaaaaaaa", "2b", 1), ("bbbbbbbb", "2b", 2), ("cccccccc", "3c", 2)):
        write_progress(lesson, browser, Progress(choice, now()), group)
    assert tally(lesson, "2b").counts == (1, 1)
    assert tally(lesson, "3c").counts == (0, 1)
    assert tally(lesson).total == 0
    assert read_progress(lesson, "aaaaaaaa", "2b").prediction == 1
    assert read_progress(lesson, "aaaaaaaa", "3c") == Progress()
    (home / "lessons" / "progress" / "2b" / lesson.id / "bbbbbbbb.json").write_text("{")
    assert read_progress(lesson, "bbbbbbbb", "2b") == Progress()
    assert tally(lesson, "2b").counts == (1, 0)
    begin_anew(lesson, "2b")
    assert tally(lesson, "2b").total == 0


@pytest.mark.parametrize("name", ["../x", "a b", "a/b", ".hidden", "x" * 60])
def test_a_class_cannot_be_named_like_a_path(name):
    with pytest.raises(RequestError):
        class_named(name)


# submissions


def test_a_seed_is_the_same_for_the_same_number_and_spread_over_others():
    assert seed_of("k-17") == seed_of(" K-17 ") != seed_of("k-18")
    assert seed_of("") == 0
    seeds = {seed_of(str(n)) for n in range(1000)}
    assert len(seeds) > 900
    assert min(seeds) >= 1
    assert max(seeds) <= 9999


def handed_in(lesson, folder, progress=None, who=WHO, name="a.json"):
    values = submission(lesson, who, progress or Progress(2, now(), {"1": 1}, {}, 2, 2))
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))
    return values


def test_an_edited_submission_is_noticed_and_so_is_one_with_a_new_digest(home, lesson, tmp_path):
    values = handed_in(lesson, tmp_path / "in")
    path = tmp_path / "in" / "a.json"
    assert edited(read_submission(path)) is None
    changed = {**values, "answers": {"1": 2}}
    assert "digest" in edited(changed)
    assert "not sealed by this server" in edited({**changed, "digest": digest_of(changed)})


def test_a_folder_is_graded_row_by_row_and_broken_files_are_named(home, lesson, tmp_path):
    folder = tmp_path / "in"
    handed_in(lesson, folder)
    values = handed_in(lesson, folder, who=Student("=1+1", "k-18", "2b"), name="b.json")
    (folder / "b.json").write_text(json.dumps({**values, "prediction": 1}))
    (folder / "c.json").write_text("no json")
    (folder / "d.json").write_text("[]")
    rows = grade(folder, [lesson], replay=False)
    assert [r.edited for r in rows] == [False, True, False, False]
    assert (rows[0].prediction_right, rows[0].answers_right, rows[0].answers_of) == (True, 1, 1)
    assert (rows[0].checks_passed, rows[0].checks_of, rows[0].finished) == (0, 1, False)
    assert "c.json is not JSON" in rows[2].remarks
    assert "is no submission" in rows[3].remarks
    table = as_csv(rows).splitlines()
    assert len(table) == 5
    assert "'=1+1" in table[2]
    with pytest.raises(DataError, match="holds no submission"):
        grade(tmp_path / "home", [lesson])


@pytest.mark.slow
def test_a_run_is_played_again_and_a_made_up_one_does_not_pass(home, lesson, tmp_path):
    replay = play_lesson(lesson, seed=seed_of(WHO.number), umap=toys.Flat())
    scene, played = replay.scenes[0], replay.runs[0]
    assert scene.verdict.passed
    assert len(played.steps) == 4
    shown = evidence(played.run, played.setup, lesson.parts[0].check.text, scene.verdict)
    honest = Progress(2, now(), {"1": 1}, {"1": shown}, 2, 2)
    folder = tmp_path / "in"
    handed_in(lesson, folder, honest, name="a.json")
    invented = {**shown, "run": {**shown["run"], "steps": 2}}
    handed_in(lesson, folder, replace(honest, passed={"1": invented}), name="b.json")
    elsewhere = {**shown, "setup": {**shown["setup"], "seed": 5}}
    handed_in(lesson, folder, replace(honest, passed={"1": elsewhere}), name="c.json")
    endless = {**shown, "run": {**shown["run"], "steps": 10**9}}
    handed_in(lesson, folder, replace(honest, passed={"1": endless}), name="d.json")
    a, b, c, d = grade(folder, [lesson])
    assert (a.finished, a.replayed, a.same_record, a.remarks) == (True, 1, 1, "")
    assert b.replayed == 0
    assert "does not pass" in b.remarks
    assert c.replayed == 0
    assert "not with the number's" in c.remarks
    assert "more than a lesson needs" in d.remarks


FORKED = LESSON.replace(
    "[summary]",
    """
[[steps]]
title = "Fork"
text = "Text."
do = { label = "Fork", fork = 2, change = { tau = 5 }, play = 6 }
check = 'fork.steps >= 6 and fork.tau < tau'
[summary]""",
)


@pytest.mark.slow
def test_a_fork_with_other_settings_is_played_again(home, tmp_path):
    lesson = read_lesson(written(tmp_path, FORKED))
    replay = play_lesson(lesson, seed=seed_of(WHO.number), umap=toys.Flat())
    assert [s.verdict.passed for s in replay.scenes] == [True, True]
    main, fork = replay.runs
    assert [c.after for c in fork.run.changes] == [2]
    check = lesson.parts[1].check.text
    shown = evidence(main.run, main.setup, check, replay.scenes[1].verdict, fork.run)
    handed_in(lesson, tmp_path / "in", Progress(2, now(), {}, {"2": shown}, 3, 3))
    row = grade(tmp_path / "in", [lesson])[0]
    assert (row.replayed, row.same_record, row.checks_of, row.finished) == (1, 1, 2, False)


def made(asked):
    """A page that was asked for, once it is there."""
    end = time.monotonic() + 300
    while asked.busy:
        assert time.monotonic() < end, asked.said
        time.sleep(0.05)
    return asked


def page_of(lesson, seed=0):
    return replaying(lesson, seed, toys.Flat(), Scheduler(2), Scheduler(1))


@pytest.mark.slow
def test_the_page_makes_a_lesson_into_a_file_once_for_everybody_who_asks(home, lesson):
    asked = page_of(lesson, 3)
    assert page_of(lesson, 3) is asked
    other = page_of(lesson, 0)  # its model is shipped
    assert made(asked).error is None
    assert asked.failed == ()
    assert lesson.title in asked.page
    assert asked.file_name == f"lesson-{lesson.id}-seed-3.html"
    assert made(other).page != asked.page
    assert page_of(lesson, 3).page is asked.page


@pytest.mark.slow
def test_a_lesson_that_cannot_be_played_says_why_and_may_be_asked_for_again(home, tmp_path):
    broken = read_lesson(written(tmp_path, LESSON.replace("play = 4", "fork = 4000")))
    asked = made(page_of(broken))
    assert asked.page is None
    assert asked.error
    assert "\n" not in asked.error
    assert page_of(broken) is not asked


@pytest.mark.slow
def test_a_replay_reads_its_data_where_it_is_told_to(home, tmp_path):
    elsewhere = read_lesson(written(tmp_path, LESSON.replace("[setup]", '[setup]\ndataset = "mnist"')))
    with pytest.raises(LabError, match=re.escape(str(tmp_path / "nothing"))):
        play_lesson(elsewhere, data_dir=str(tmp_path / "nothing"))


# formulas


def test_every_formula_of_a_lesson_is_typeset_without_a_server():
    for x in read_lessons([SHIPPED])[0]:
        for line in x.formulas:
            assert mathml(line, display=True).startswith("<math")
        for p in (*(p.text for p in x.parts), x.summary):
            assert "$" not in prose(p)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"\frac{1}{2}", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (r"x_i^2", "<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>"),
        (r"\text{a b}", "<mtext>a b</mtext>"),
        (r"\mathcal{L}", "<mi>ℒ</mi>"),
        (r"a < b", "<mo>&lt;</mo>"),
    ],
)
def test_mathml_of_small_formulas(text, said):
    assert said in mathml(text)


@pytest.mark.parametrize("text", [r"\unknown", r"\frac{1}", r"{a", r"\left( a"])
def test_a_formula_that_cannot_be_typeset_says_so(text):
    with pytest.raises(RequestError, match="formula"):
        mathml(text)
